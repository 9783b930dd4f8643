package oidc

import (
	"context"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

const (
	maxGrantAge     = 500 * time.Millisecond
	maxCachedGrants = 4096
)

// grantCache knows grants for a moment: what was just written or read here need
// not be read again for the next request of the same login. It only saves reads.
// What must happen once is decided by the store's conditional statements, so a
// stale entry never lets a code or refresh token pass twice; what this node
// ends it forgets at once; what another node or an operator changes works here
// within the age, counted from the read: what this node writes in between does
// not make it younger.
type grantCache struct {
	source Grants
	age    time.Duration
	now    func() time.Time

	mu      sync.RWMutex
	byID    map[[grantIDSize]byte]cachedGrant
	forgets uint64 // what was read or written before the last forget is not kept
}

type cachedGrant struct {
	loaded *loaded
	until  time.Time // the read and the age
}

func newGrantCache(source Grants, age time.Duration, now func() time.Time) *grantCache {
	return &grantCache{source: source, age: age, now: now}
}

// byAccess is Grants.GrantByAccess.
func (c *grantCache) byAccess(ctx context.Context, id, hash []byte) (*loaded, error) {
	if l := c.find(id); l != nil && sameHash(l.grant.AccessHash, hash) {
		return l, nil
	}
	mark, now := c.mark(), c.now()
	g, person, err := c.source.GrantByAccess(ctx, id, hash)
	return c.take(mark, now, g, person, err)
}

// byCode is Grants.GrantByCode.
func (c *grantCache) byCode(ctx context.Context, id, hash []byte) (*loaded, error) {
	if l := c.find(id); l != nil && sameHash(l.grant.CodeHash, hash) {
		return l, nil
	}
	now := c.now()
	g, person, err := c.source.GrantByCode(ctx, id, hash)
	if err != nil {
		return nil, err
	}
	return load(g, person, now)
}

// byGrantID is Grants.GrantByID.
func (c *grantCache) byGrantID(ctx context.Context, id []byte) (*loaded, error) {
	if l := c.find(id); l != nil {
		return l, nil
	}
	mark, now := c.mark(), c.now()
	g, person, err := c.source.GrantByID(ctx, id)
	return c.take(mark, now, g, person, err)
}

func (c *grantCache) find(id []byte) *loaded {
	if c.age <= 0 || len(id) != grantIDSize {
		return nil
	}
	c.mu.RLock()
	known, ok := c.byID[[grantIDSize]byte(id)]
	c.mu.RUnlock()
	if !ok || !c.now().Before(known.until) {
		return nil
	}
	return known.loaded
}

// take decodes what was read, and keeps it if it lives.
func (c *grantCache) take(mark uint64, asOf time.Time, g *Grant, person *idp.Person, err error) (*loaded, error) {
	if err != nil {
		return nil, err
	}
	l, err := load(g, person, asOf)
	if err == nil && alive(g, person, c.now()) {
		c.keep(mark, l)
	}
	return l, err
}

// mark is taken before a read or write whose outcome is to be kept.
func (c *grantCache) mark() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.forgets
}

// keep remembers a grant as it is now, unless something was forgotten since the
// mark.
func (c *grantCache) keep(mark uint64, l *loaded) {
	g, until := l.grant, l.asOf.Add(c.age)
	if c.age <= 0 || len(g.ID) != grantIDSize || !c.now().Before(until) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgets != mark {
		return
	}
	if c.byID == nil || len(c.byID) >= maxCachedGrants {
		c.byID = map[[grantIDSize]byte]cachedGrant{}
	}
	c.byID[[grantIDSize]byte(g.ID)] = cachedGrant{l, until}
}

// issued keeps a grant as an issue changed it.
func (c *grantCache) issued(mark uint64, w *work, i *Issue) {
	if c.age <= 0 {
		return
	}
	g := *w.grant
	if g.CodeUsedAt.IsZero() {
		g.CodeUsedAt = i.At
	}
	g.AccessHash, g.AccessEndsAt = i.AccessHash, i.AccessEndsAt
	g.Generation, g.RotatedAt, g.RefreshEndsAt = i.Generation, i.At, i.RefreshEndsAt
	c.keep(mark, &loaded{grant: &g, person: w.person, asOf: w.asOf, details: w.details, scopes: words(g.Scopes)})
}

// forget drops what is known of a grant.
func (c *grantCache) forget(id []byte) {
	if c.age <= 0 || len(id) != grantIDSize {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	delete(c.byID, [grantIDSize]byte(id))
}

// forgetAll drops everything: after the end of a session, which ends grants.
func (c *grantCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	c.byID = nil
}

// ForgetGrants drops what the provider knows of live tokens: a session has
// ended on this node, and with it grants.
func (p *Provider) ForgetGrants() { p.grants.forgetAll() }
