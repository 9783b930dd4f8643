package phone

import (
	"math"
	"net/netip"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// Rates bound what one source may ask in a minute, on each node. They keep noise
// off; guessing is bounded by devicebind, for each enrolment and device.
type Rates struct {
	Minute  int // for each address; 600 if 0
	Gateway int // for an address that many people share; 12000 if 0
}

const (
	defaultMinute  = 600
	defaultGateway = 12000
	maxSources     = 65536
)

// limiter is a bucket for each source that fills evenly.
type limiter struct {
	rates Rates
	now   func() time.Time

	mu      sync.Mutex
	sources map[netip.Prefix]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(r Rates, now func() time.Time) *limiter {
	if r.Minute <= 0 {
		r.Minute = defaultMinute
	}
	if r.Gateway <= 0 {
		r.Gateway = defaultGateway
	}
	return &limiter{rates: r, now: now, sources: map[netip.Prefix]*bucket{}}
}

// take counts a request; it returns how long the source has to wait, zero if
// not at all.
func (l *limiter) take(o idp.Origin) time.Duration {
	rate := float64(l.rates.Minute)
	if o.Gateway {
		rate = float64(l.rates.Gateway)
	}
	source, now := sourceOf(o.Address), l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.sources[source]
	if b == nil {
		l.makeRoom(now)
		b = &bucket{left: rate, at: now}
		l.sources[source] = b
	}
	if passed := now.Sub(b.at); passed > 0 { // a clock that was set back fills nothing
		b.left = math.Min(rate, b.left+passed.Minutes()*rate)
		b.at = now
	}
	if b.left < 1 {
		return time.Duration((1 - b.left) / rate * float64(time.Minute))
	}
	b.left--
	return 0
}

// sourceOf is whom we count: an IPv6 network of one home or office counts as one.
func sourceOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all of these together
	}
	return p
}

// makeRoom keeps the table bounded: sources that have been quiet for a minute
// have full buckets and can be forgotten; then any.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.sources) < maxSources {
		return
	}
	for source, b := range l.sources {
		if now.Sub(b.at) >= time.Minute {
			delete(l.sources, source)
		}
	}
	for source := range l.sources {
		if len(l.sources) < maxSources*3/4 {
			return
		}
		delete(l.sources, source)
	}
}
