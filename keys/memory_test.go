package keys

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// memoryStore keeps the promises of Store in memory: the ring is what is tested
// here, and the store has its own tests on both engines.
type memoryStore struct {
	mu      sync.Mutex
	records []Record
}

func (m *memoryStore) SigningKeys(_ context.Context, now time.Time) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var live []Record
	for _, r := range m.records {
		if r.EndsAt.IsZero() || now.Before(r.EndsAt) {
			live = append(live, r)
		}
	}
	return live, nil
}

func (m *memoryStore) AddSigningKey(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(r)
}

func (m *memoryStore) add(r Record) error {
	for _, have := range m.records {
		if have.Use == r.Use && have.Algorithm == r.Algorithm && have.Number == r.Number {
			return idp.ErrConflict
		}
	}
	m.records = append(m.records, r)
	return nil
}

func (m *memoryStore) Rotate(_ context.Context, activeKID, nextKID string, endsAt time.Time, next Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	index := func(kid string, s State) int {
		return slices.IndexFunc(m.records, func(r Record) bool { return r.KID == kid && r.State == s })
	}
	a, n := index(activeKID, StateActive), index(nextKID, StateNext)
	if a < 0 || n < 0 {
		return idp.ErrConflict
	}
	if err := m.add(next); err != nil {
		return err
	}
	m.records[a].State, m.records[a].EndsAt = StateRetired, endsAt
	m.records[n].State = StateActive
	return nil
}

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func testSealer(t testing.TB) *Sealer {
	t.Helper()
	s, err := NewSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openTestRing(t testing.TB, store Store, now func() time.Time, algs ...string) *Ring {
	t.Helper()
	r, err := OpenRing(t.Context(), RingOptions{Store: store, Sealer: testSealer(t), Now: now, Algorithms: algs})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
