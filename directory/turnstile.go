package directory

import (
	"context"
	"sync"
	"time"
)

// turnstile bounds how many passwords of one source are under way at once, so
// that parallel tries can't walk past a limit that is read before and written
// after the look.
type turnstile struct {
	mu      sync.Mutex
	sources map[string]*turns
}

type turns struct {
	slots chan struct{}
	users int // holding a slot or waiting for one
}

// turnWait is how long a try may wait for its turn.
const turnWait = 3 * time.Second

func (g *Gate) turnstile() *turnstile {
	if g.of != nil {
		return &g.of.turns
	}
	return &g.turns
}

// enter waits for a turn of the source; ok is false if none came in time. No
// source and no limit: no waiting.
func (t *turnstile) enter(ctx context.Context, source string, limit int) (leave func(), ok bool) {
	if source == "" || limit <= 0 {
		return func() {}, true
	}
	t.mu.Lock()
	if t.sources == nil {
		t.sources = map[string]*turns{}
	}
	s := t.sources[source]
	if s == nil {
		s = &turns{slots: make(chan struct{}, limit)}
		t.sources[source] = s
	}
	s.users++
	t.mu.Unlock()

	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots; t.gone(source, s) }, true
	case <-ctx.Done():
	case <-timer.C:
	}
	t.gone(source, s)
	return nil, false
}

func (t *turnstile) gone(source string, s *turns) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(t.sources, source)
	}
}
