package oidc

import (
	"context"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

const (
	maxGrantAge     = 500 * time.Millisecond
	maxCachedGrants = 8192
)

// grantCache knows live access tokens for a moment, so that a relying system
// that shows one token on every request costs one look-up in that time. What
// this node revokes it forgets at once; what another node or an operator
// changes works here within the age.
type grantCache struct {
	source Grants
	age    time.Duration
	now    func() time.Time

	mu      sync.RWMutex
	byHash  map[[32]byte]cachedGrant
	byID    map[[grantIDSize]byte][32]byte
	forgets uint64 // counts forget: a read that began before one is not kept
}

type cachedGrant struct {
	grant  *Grant
	person *idp.Person
	until  time.Time
}

func newGrantCache(source Grants, age time.Duration, now func() time.Time) *grantCache {
	return &grantCache{source: source, age: age, now: now}
}

// byAccess is Grants.GrantByAccess. Callers change neither grant nor person.
func (c *grantCache) byAccess(ctx context.Context, hash []byte) (*Grant, *idp.Person, error) {
	if c.age <= 0 || len(hash) != 32 {
		return c.source.GrantByAccess(ctx, hash)
	}
	key, now := [32]byte(hash), c.now()
	c.mu.RLock()
	known, ok := c.byHash[key]
	before := c.forgets
	c.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known.grant, known.person, nil
	}
	g, person, err := c.source.GrantByAccess(ctx, hash)
	if err != nil || !alive(g, person, now) || len(g.ID) != grantIDSize {
		return g, person, err // only what is live is kept
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgets != before {
		return g, person, nil
	}
	if c.byHash == nil || len(c.byHash) >= maxCachedGrants {
		c.byHash, c.byID = map[[32]byte]cachedGrant{}, map[[grantIDSize]byte][32]byte{}
	}
	c.byHash[key] = cachedGrant{g, person, now.Add(c.age)}
	c.byID[[grantIDSize]byte(g.ID)] = key
	return g, person, nil
}

// forget drops what is known of a grant.
func (c *grantCache) forget(id []byte) {
	if c.age <= 0 || len(id) != grantIDSize {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	if key, ok := c.byID[[grantIDSize]byte(id)]; ok {
		delete(c.byHash, key)
		delete(c.byID, [grantIDSize]byte(id))
	}
}

// forgetAll drops everything: after a logout, which ends grants by session.
func (c *grantCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	c.byHash, c.byID = nil, nil
}
