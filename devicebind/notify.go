package devicebind

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Notifier wakes the pages that wait for an attempt or enrolment: those of this
// node at once, those of other nodes by asking the store what changed.
type Notifier struct {
	Store  ChangeStore   // nil: this is the only node
	Every  time.Duration // how often the store is asked while somebody waits; 80 ms if 0
	Soon   time.Duration // the same while a decision is expected any moment; 10 ms if 0
	Skew   time.Duration // how far the nodes' clocks may be apart; 2 s if 0
	Now    func() time.Time
	Logger *slog.Logger

	mu      sync.Mutex
	waiting map[string][]chan struct{}
	count   int
	hurried atomic.Int64
}

// Wait returns a channel that gets a value when the key changes, until stop is
// called. Look after Wait, then wait, then look again: no change is missed.
func (n *Notifier) Wait(key []byte) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	k := string(key)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		n.waiting = map[string][]chan struct{}{}
	}
	n.waiting[k] = append(n.waiting[k], c)
	n.count++
	return c, sync.OnceFunc(func() { n.leave(k, c) })
}

func (n *Notifier) leave(key string, c chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count--
	list := n.waiting[key]
	for i := range list {
		if list[i] == c {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(n.waiting, key)
	} else {
		n.waiting[key] = list
	}
}

// Wake wakes those who wait for the key on this node.
func (n *Notifier) Wake(key []byte) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.waiting[string(key)] {
		select {
		case c <- struct{}{}:
		default: // it has a value that it did not read yet
		}
	}
}

// Hurry has the store asked more often until calm is called: a page shows its
// number, and somebody is about to decide.
func (n *Notifier) Hurry() (calm func()) {
	n.hurried.Add(1)
	return sync.OnceFunc(func() { n.hurried.Add(-1) })
}

// pause is how long to wait before the store is asked again, when the last
// answer took so long: a store with much to tell is not pressed.
func (n *Notifier) pause(took time.Duration) time.Duration {
	every, soon := n.Every, n.Soon
	if every <= 0 {
		every = 80 * time.Millisecond
	}
	if soon <= 0 {
		soon = 10 * time.Millisecond
	}
	if n.hurried.Load() == 0 {
		return every
	}
	return min(every, max(soon, 4*took))
}

// Waiting is how many pages wait, for the metrics.
func (n *Notifier) Waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

// Run asks the store for changes of other nodes until ctx ends. It asks nothing
// while nobody waits.
func (n *Notifier) Run(ctx context.Context) {
	if n.Store == nil {
		return
	}
	skew := n.Skew
	if skew <= 0 {
		skew = 2 * time.Second
	}
	next := time.NewTimer(n.pause(0))
	defer next.Stop()
	from := n.Now()
	seen := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		asked, begin := n.Now(), time.Now()
		if n.Waiting() == 0 {
			from = asked // whoever comes later looks first
			next.Reset(n.pause(0))
			continue
		}
		since := from.Add(-skew)
		err := n.poll(ctx, since, seen)
		next.Reset(n.pause(time.Since(begin)))
		if err != nil {
			if n.Logger != nil && ctx.Err() == nil {
				n.Logger.WarnContext(ctx, "changes of other nodes not read", "error", err)
			}
			continue // and ask again from the same time
		}
		from = asked
		for key, at := range seen {
			if at.Before(since) {
				delete(seen, key)
			}
		}
	}
}

// poll wakes for each change once: what was seen is remembered as long as the
// store tells of it.
func (n *Notifier) poll(ctx context.Context, since time.Time, seen map[string]time.Time) error {
	return n.Store.ChangesSince(ctx, since, func(key []byte, at time.Time) {
		if last, ok := seen[string(key)]; ok && last.Equal(at) {
			return
		}
		seen[string(key)] = at
		n.Wake(key)
	})
}
