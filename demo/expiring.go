package demo

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"
)

// maxEntries bounds what strangers can make a system remember.
const maxEntries = 10_000

// expiring keeps values by random keys for a while, in memory: a demo's
// systems forget who came when they stop, and log in again without a page.
type expiring[T any] struct {
	now  func() time.Time
	life time.Duration

	mu      sync.Mutex
	entries map[string]entry[T]
}

type entry[T any] struct {
	value T
	ends  time.Time
}

func newExpiring[T any](now func() time.Time, life time.Duration) *expiring[T] {
	return &expiring[T]{now: now, life: life, entries: map[string]entry[T]{}}
}

// add keeps the value under a new key of 256 random bits.
func (e *expiring[T]) add(v T) string {
	key := randomText()
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if len(e.entries) >= maxEntries {
		for k, old := range e.entries {
			if !now.Before(old.ends) || len(e.entries) >= maxEntries {
				delete(e.entries, k)
			}
		}
	}
	e.entries[key] = entry[T]{v, now.Add(e.life)}
	return key
}

func (e *expiring[T]) get(key string) (T, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, ok := e.entries[key]
	if !ok || !e.now().Before(found.ends) {
		var zero T
		return zero, false
	}
	return found.value, true
}

// take returns the value and forgets it.
func (e *expiring[T]) take(key string) (T, bool) {
	v, ok := e.get(key)
	e.drop(key)
	return v, ok
}

func (e *expiring[T]) drop(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.entries, key)
}

func randomText() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw)
}
