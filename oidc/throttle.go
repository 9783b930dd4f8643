package oidc

import (
	"sync"
	"time"
)

// The bounds of guessing at a client's credentials: a burst, then one failure a
// second.
const (
	throttleBurst   = 30
	throttleEvery   = time.Second
	throttleEntries = 16384
	throttleReport  = time.Minute // a bound that is met is on record so often
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

// throttleEntry is a bucket that fills with time and that failures empty.
type throttleEntry struct {
	left     float64 // failures still allowed
	at       time.Time
	reported time.Time
}

func (e *throttleEntry) fill(now time.Time) {
	if passed := now.Sub(e.at); passed > 0 {
		e.left = min(throttleBurst, e.left+float64(passed)/float64(throttleEvery))
	}
	e.at = now
}

// wait tells how long the pair has to wait; zero: not at all.
func (t *throttle) wait(client, source string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[keyOf(client, source)]
	if e == nil {
		return 0
	}
	if e.fill(t.now()); e.left >= 1 {
		return 0
	}
	return time.Duration((1 - e.left) * float64(throttleEvery))
}

// fail counts a failure; it tells whether to put on record that the bound was
// met.
func (t *throttle) fail(client, source string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, key := t.now(), keyOf(client, source)
	e := t.entries[key]
	if e == nil {
		t.makeRoom(now)
		e = &throttleEntry{left: throttleBurst, at: now}
		t.entries[key] = e
	}
	e.fill(now)
	e.left--
	if e.left >= 1 || now.Sub(e.reported) < throttleReport {
		return false
	}
	e.reported = now
	return true
}

// makeRoom keeps the table bounded: forgiven entries go first, then any.
func (t *throttle) makeRoom(now time.Time) {
	if t.entries == nil {
		t.entries = map[throttleKey]*throttleEntry{}
	}
	if len(t.entries) < throttleEntries {
		return
	}
	for key, e := range t.entries {
		if e.fill(now); e.left >= throttleBurst {
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
