package main

import (
	"context"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func TestT188_RepeatedRefusalsAreCountedNotListed(t *testing.T) {
	var kept []idp.Event
	r := &repeats{next: func(_ context.Context, events ...idp.Event) error {
		kept = append(kept, events...)
		return nil
	}}
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	send := func(at time.Duration, address, result string) {
		if err := r.Record(t.Context(), idp.Event{At: noon.Add(at), Kind: "login.password", Result: result, Address: address}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		send(time.Duration(i)*100*time.Millisecond, "10.0.0.1", "locked")
	}
	send(time.Second, "10.0.0.2", "locked")
	for range 3 {
		send(time.Second, "10.0.0.1", "wrong") // bounded by the lockout: each is on record
	}
	send(61*time.Second, "10.0.0.1", "locked")
	if len(kept) != 6 || kept[5].Detail != "199 more before" || kept[0].Detail != "" {
		t.Fatalf("%d on record: %+v", len(kept), kept)
	}
	for i := range 3 * maxRepeats {
		send(time.Duration(i), string(rune(i)), "throttled")
	}
	if len(r.seen) > maxRepeats {
		t.Errorf("%d sources remembered", len(r.seen))
	}
}
