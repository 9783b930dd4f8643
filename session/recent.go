package session

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	maxBelieve = 500 * time.Millisecond
	maxKnown   = 4096
)

// known is what was read of sessions a moment ago, by the hash of their token.
// It only saves reads: whatever this node ends or changes it forgets at once, and
// what others do is seen when the moment is over.
type known struct {
	mu      sync.RWMutex
	byToken map[[32]byte]*Current
	forgets uint64 // what was read before the last forget is not kept
}

func (k *known) get(tokenHash []byte) *Current {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.byToken[[32]byte(tokenHash)]
}

// mark is taken before a read whose outcome is to be kept.
func (k *known) mark() uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.forgets
}

// keep remembers the session, unless something was forgotten since the mark.
func (k *known) keep(mark uint64, c *Current) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forgets != mark {
		return
	}
	if k.byToken == nil || len(k.byToken) >= maxKnown {
		k.byToken = map[[32]byte]*Current{}
	}
	k.byToken[[32]byte(c.tokenHash)] = c
}

// Forget drops what Recent believes: a session or a person was changed on this
// node.
func (m *Manager) Forget() {
	m.known.mu.Lock()
	defer m.known.mu.Unlock()
	m.known.forgets++
	m.known.byToken = nil
}

// Recent is Current, but believes for a moment what was read before. It is for
// answers that can't do harm after that moment, such as a code whose tokens are
// dead once the session is; never for what outlives it (offline_access).
func (m *Manager) Recent(r *http.Request) (*Current, error) { return m.each(r, m.recall) }

func (m *Manager) recall(ctx context.Context, tokenHash []byte) (*Current, error) {
	age := min(m.Believe, maxBelieve)
	if age <= 0 {
		return m.find(ctx, tokenHash)
	}
	now := m.Now()
	c := m.known.get(tokenHash)
	// One that is due to be noted as in use goes the long way.
	if c != nil && now.Sub(c.AsOf) < age && now.Sub(c.Session.SeenAt) < touchEvery && m.good(c, now) {
		mine := *c
		return &mine, nil
	}
	mark := m.known.mark()
	c, err := m.find(ctx, tokenHash)
	if c != nil {
		kept := *c
		m.known.keep(mark, &kept)
	}
	return c, err
}
