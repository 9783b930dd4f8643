package oidc

import (
	"sync"
	"time"
)

// The bounds of guessing at a client's credentials.
const (
	throttleFailures = 30
	throttleWindow   = time.Minute
	throttleEntries  = 16384
)

// throttle slows down failing client authentication, counted for each pair of
// client and source, so that one source can't shut another out. It is kept in
// memory, by node: it bounds noise, not the search for 256 random bits.
type throttle struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[throttleKey]*throttleEntry
}

type throttleKey struct{ client, source string }

type throttleEntry struct {
	failures int
	ends     time.Time
}

// wait tells how long the pair has to wait; zero: not at all.
func (t *throttle) wait(client, source string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[keyOf(client, source)]
	if e == nil || e.failures < throttleFailures {
		return 0
	}
	return max(0, e.ends.Sub(t.now()))
}

// fail counts a failure; it tells whether this one reached the bound.
func (t *throttle) fail(client, source string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, key := t.now(), keyOf(client, source)
	e := t.entries[key]
	if e == nil || !now.Before(e.ends) {
		t.makeRoom(now)
		e = &throttleEntry{ends: now.Add(throttleWindow)}
		t.entries[key] = e
	}
	e.failures++
	return e.failures == throttleFailures
}

// makeRoom keeps the table bounded: ended entries go first, then any.
func (t *throttle) makeRoom(now time.Time) {
	if t.entries == nil {
		t.entries = map[throttleKey]*throttleEntry{}
	}
	if len(t.entries) < throttleEntries {
		return
	}
	for key, e := range t.entries {
		if !now.Before(e.ends) {
			delete(t.entries, key)
		}
	}
	for key := range t.entries {
		if len(t.entries) < throttleEntries*3/4 {
			return
		}
		delete(t.entries, key)
	}
}

// keyOf bounds what an attacker makes us remember.
func keyOf(client, source string) throttleKey {
	if len(client) > 64 {
		client = client[:64]
	}
	return throttleKey{client, source}
}
