package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/store"
)

// What keeps being refused is put on record once in a while, with a count: who
// sends such requests by the thousand fills neither the store nor the eyes of
// those who read the record.
const (
	repeatEvery = time.Minute
	maxRepeats  = 10_000 // sources remembered at once
)

// repeats passes events on and holds back the repetition of refusals that
// change nothing: a locked name, a throttled source, a flow of another browser.
type repeats struct {
	next func(ctx context.Context, events ...idp.Event) error

	mu   sync.Mutex
	seen map[repeatKey]*repeat
}

type repeatKey struct{ kind, result, address, person, client string }

type repeat struct {
	since time.Time
	held  int
}

// repeatable are the results that anybody can bring about without end.
var repeatable = map[string]bool{
	string(idp.ReasonLocked): true, string(idp.ReasonThrottled): true, string(idp.ReasonFlowForeign): true,
	string(idp.ReasonFlowExpired): true, string(idp.ReasonChallengeUsed): true, string(idp.ReasonCardInvalid): true, "altered": true,
	string(devicebind.ReasonPasskey): true,
	"unknown":                        true, "alarm": true, // by a phone: what ends something is kept by the store itself
}

// Record keeps the events, less what repeats.
func (r *repeats) Record(ctx context.Context, events ...idp.Event) error {
	var keep []idp.Event
	for _, e := range events {
		if held, hold := r.hold(e); hold {
			continue
		} else if held > 0 {
			if e.Detail != "" {
				e.Detail += "; "
			}
			e.Detail += fmt.Sprintf("%d more before", held)
			keep = append(keep, e)
			continue
		}
		keep = append(keep, e)
	}
	if len(keep) == 0 {
		return nil
	}
	return r.next(ctx, keep...)
}

// hold tells whether the event is held back, or how many were before it.
func (r *repeats) hold(e idp.Event) (held int, hold bool) {
	if !repeatable[e.Result] {
		return 0, false
	}
	key := repeatKey{e.Kind, e.Result, e.Address, e.PersonID, e.ClientID}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[key]
	if s != nil && e.At.Sub(s.since) < repeatEvery {
		s.held++
		return 0, true
	}
	if s != nil {
		held = s.held
	}
	if r.seen == nil || len(r.seen) >= maxRepeats {
		r.seen = map[repeatKey]*repeat{}
	}
	r.seen[key] = &repeat{since: e.At}
	return held, false
}

// recordedStore is the store, whose record repeats keeps short.
type recordedStore struct {
	*store.Store
	record *repeats
}

// Record is that of repeats.
func (s recordedStore) Record(ctx context.Context, events ...idp.Event) error {
	return s.record.Record(ctx, events...)
}
