package outbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// ErrPermanent says that trying again is of no use.
var ErrPermanent = errors.New("will never work")

// Doer does the messages of one kind. It may be asked again for one that it has
// done: the ID tells.
type Doer interface {
	Do(ctx context.Context, m Message) error
}

// The times of a Box. The lease is longer than a try, so that nobody else starts
// while one is under way.
const (
	tryTime   = 45 * time.Second
	leaseTime = time.Minute
	firstWait = 10 * time.Second
	longest   = time.Hour
	batch     = 16
)

// Box does what is due, on any number of nodes.
type Box struct {
	Store  Store
	Doers  map[string]Doer // by kind
	Every  time.Duration   // how often it looks; 2 s if 0
	MaxAge time.Duration   // when it gives a message up; 3 days if 0
	Now    func() time.Time
	Logger *slog.Logger
}

// Run does what is due until ctx ends. What is under way then gets its time to
// finish.
func (b *Box) Run(ctx context.Context) {
	every := b.Every
	if every <= 0 {
		every = 2 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for {
			n, err := b.Once(ctx)
			if err != nil && ctx.Err() == nil {
				b.logger().WarnContext(ctx, "outbox not read", "error", err)
			}
			if n < batch || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once does what is due now, and returns how many messages it took.
func (b *Box) Once(ctx context.Context) (taken int, err error) {
	var random [16]byte
	rand.Read(random[:])
	lease := base64.RawURLEncoding.EncodeToString(random[:])
	now := b.Now()
	messages, err := b.Store.TakeMessages(ctx, lease, now, now.Add(leaseTime), batch)
	if err != nil {
		return 0, fmt.Errorf("take messages: %w", err)
	}
	// All of a batch at once, so that one slow receiver does not eat the lease
	// of the others.
	var all sync.WaitGroup
	for _, m := range messages {
		all.Go(func() { b.do(context.WithoutCancel(ctx), lease, m) })
	}
	all.Wait()
	return len(messages), nil
}

func (b *Box) do(ctx context.Context, lease string, m Message) {
	log := b.logger().With("message", m.ID, "kind", m.Kind, "tries", m.Tries)
	err := b.try(ctx, m)
	var settle error
	switch {
	case err == nil:
		settle = b.Store.MessageDone(ctx, m.ID, lease)
	case errors.Is(err, ErrPermanent) || b.Now().Sub(m.At) > b.maxAge():
		log.ErrorContext(ctx, "message given up", "error", err)
		settle = b.Store.MessageGivenUp(ctx, m.ID, lease, b.Now())
	default:
		log.WarnContext(ctx, "message will be tried again", "error", err)
		settle = b.Store.MessageLater(ctx, m.ID, lease, b.Now().Add(wait(m.Tries)))
	}
	if errors.Is(settle, idp.ErrConflict) {
		log.WarnContext(ctx, "the lease of a message ran out before it was settled")
	} else if settle != nil {
		log.WarnContext(ctx, "message not settled: it will be tried again", "error", settle)
	}
}

func (b *Box) try(ctx context.Context, m Message) (err error) {
	doer := b.Doers[m.Kind]
	if doer == nil {
		return fmt.Errorf("nobody does messages of kind %q", m.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	defer func() {
		// One message that trips a doer must not take the process down.
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return doer.Do(ctx, m)
}

// wait doubles with each try, and differs a little, so that many don't come
// back at once.
func wait(tries int) time.Duration {
	w := longest
	if tries < 10 {
		w = min(firstWait<<max(tries-1, 0), longest)
	}
	return w + time.Duration(mathrand.Int64N(int64(w/4)))
}

func (b *Box) maxAge() time.Duration {
	if b.MaxAge > 0 {
		return b.MaxAge
	}
	return 72 * time.Hour
}

func (b *Box) logger() *slog.Logger {
	if b.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return b.Logger
}
