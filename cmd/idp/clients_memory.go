package main

import (
	"context"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// clientAge is how long a registration is believed without asking the store
// again: a disabled client is refused everywhere within it.
const clientAge = time.Second

// clientMemory remembers clients: one login asks for the same one a dozen times.
// Nobody changes what it gives out.
type clientMemory struct {
	next func(ctx context.Context, id string) (*idp.Client, error)
	now  func() time.Time

	mu    sync.Mutex
	known map[string]knownClient
}

type knownClient struct {
	client *idp.Client
	until  time.Time
}

// maxKnownClients is more than a city registers.
const maxKnownClients = 1000

// Client gives idp.ErrNotFound for an unknown one, which is not remembered.
func (m *clientMemory) Client(ctx context.Context, id string) (*idp.Client, error) {
	now := m.now()
	m.mu.Lock()
	k, ok := m.known[id]
	m.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.client, nil
	}
	c, err := m.next(ctx, id)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxKnownClients {
		m.known = map[string]knownClient{}
	}
	m.known[id] = knownClient{c, now.Add(clientAge)}
	return c, nil
}

// loginStore is what the conversation keeps, with clients remembered. (The
// provider has a memory of its own.)
type loginStore struct {
	boundedStarts
	clients *clientMemory
}

// Client is clientMemory's.
func (s loginStore) Client(ctx context.Context, id string) (*idp.Client, error) {
	return s.clients.Client(ctx, id)
}
