package server

import (
	"net/netip"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// Budget bounds how often one source may begin something that is kept, so that
// nobody fills the store. What was begun is never thrown away for it.
type Budget struct {
	Each    int // for one address within a minute; 0: no limit
	Gateway int // for the address of a city gateway; 0: no limit
	Now     func() time.Time

	mu      sync.Mutex
	minute  int64
	sources map[netip.Addr]int
}

// maxSources bounds the memory: sources beyond it share one count.
const maxSources = 50_000

// Take counts one; idp.ErrOverloaded says that the source has had its share.
func (b *Budget) Take(o idp.Origin) error {
	limit := b.Each
	if o.Gateway {
		limit = b.Gateway
	}
	if limit <= 0 {
		return nil
	}
	minute := b.Now().Unix() / 60
	source := sourceOf(o.Address)
	b.mu.Lock()
	defer b.mu.Unlock()
	if minute != b.minute || b.sources == nil {
		b.minute, b.sources = minute, make(map[netip.Addr]int)
	}
	if _, known := b.sources[source]; !known && len(b.sources) >= maxSources {
		source, limit = netip.Addr{}, max(b.Each, b.Gateway)
	}
	if b.sources[source] >= limit {
		return idp.ErrOverloaded
	}
	b.sources[source]++
	return nil
}

// sourceOf takes an IPv6 network of 64 bits for one source: whoever has one
// address of it has them all.
func sourceOf(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}
