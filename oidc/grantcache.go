package oidc

import (
	"context"
	"sync"
	"time"
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
	loaded *loaded
	until  time.Time
}

func newGrantCache(source Grants, age time.Duration, now func() time.Time) *grantCache {
	return &grantCache{source: source, age: age, now: now}
}

// byAccess is Grants.GrantByAccess.
func (c *grantCache) byAccess(ctx context.Context, hash []byte) (*loaded, error) {
	if c.age <= 0 || len(hash) != 32 {
		l, _, err := c.read(ctx, hash)
		return l, err
	}
	key, now := [32]byte(hash), c.now()
	c.mu.RLock()
	known, ok := c.byHash[key]
	before := c.forgets
	c.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known.loaded, nil
	}
	l, id, err := c.read(ctx, hash)
	if err != nil || !alive(l.grant, l.person, now) {
		return l, err // only what is live is kept
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgets != before {
		return l, nil
	}
	if c.byHash == nil || len(c.byHash) >= maxCachedGrants {
		c.byHash, c.byID = map[[32]byte]cachedGrant{}, map[[grantIDSize]byte][32]byte{}
	}
	c.byHash[key], c.byID[id] = cachedGrant{l, now.Add(c.age)}, key
	return l, nil
}

func (c *grantCache) read(ctx context.Context, hash []byte) (l *loaded, id [grantIDSize]byte, err error) {
	g, person, err := c.source.GrantByAccess(ctx, hash)
	if err != nil {
		return nil, id, err
	}
	copy(id[:], g.ID)
	l, err = load(g, person)
	return l, id, err
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
