package login

import (
	"net/netip"
	"sync"

	idp "taipeion.internal/idp"
)

// How many pages may wait on a node: a browser opens few connections to one
// server (six over HTTP/1.1), and an address is one PC unless it is a gateway.
const (
	maxWaiting        = 20_000
	maxWaitingBrowser = 8
	maxWaitingAddress = 200
)

// places are those that wait on this node, by browser and by source.
type places struct {
	mu        sync.Mutex
	all       int
	browsers  map[[32]byte]int
	addresses map[netip.Addr]int
}

// WaitingLimits bound the pages that wait for a phone at once, on each node.
type WaitingLimits struct {
	All     int // 20,000 if 0
	Address int // of one address; 200 if 0
	Gateway int // of the address of a city gateway; three quarters of All if 0
}

func (l WaitingLimits) of(o idp.Origin) (all, address int) {
	all, address = l.All, l.Address
	if all <= 0 {
		all = maxWaiting
	}
	if address <= 0 {
		address = maxWaitingAddress
	}
	if o.Gateway {
		address = l.Gateway
		if address <= 0 {
			address = max(1, all-all/4) // one gateway leaves the others some
		}
	}
	return all, address
}

// take gives a place, until leave is called; nil when there is none left for
// this browser, this source or anybody.
func (p *places) take(browser []byte, o idp.Origin, limits WaitingLimits) (leave func()) {
	all, address := limits.of(o)
	key, source := [32]byte(browser), sourceOf(o.Address)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.browsers == nil {
		p.browsers, p.addresses = map[[32]byte]int{}, map[netip.Addr]int{}
	}
	if p.all >= all || p.browsers[key] >= maxWaitingBrowser || p.addresses[source] >= address {
		return nil
	}
	p.all++
	p.browsers[key]++
	p.addresses[source]++
	return func() { p.leave(key, source) }
}

func (p *places) leave(browser [32]byte, source netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.browsers[browser]--; p.browsers[browser] == 0 {
		delete(p.browsers, browser)
	}
	if p.addresses[source]--; p.addresses[source] == 0 {
		delete(p.addresses, source)
	}
}

// sourceOf takes an IPv6 network of 64 bits for one source: whoever has one
// address of it has them all.
func sourceOf(a netip.Addr) netip.Addr {
	if a = a.Unmap(); !a.Is6() {
		return a
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return prefix.Addr()
}
