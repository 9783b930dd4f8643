package main

import (
	"context"
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func TestClientsAreRememberedForASecond(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	asked := 0
	m := &clientMemory{now: func() time.Time { return now }, next: func(_ context.Context, id string) (*idp.Client, error) {
		asked++
		if id != "documents" {
			return nil, idp.ErrNotFound
		}
		return &idp.Client{ID: id, Disabled: asked > 1}, nil
	}}
	for range 5 {
		if c, err := m.Client(t.Context(), "documents"); err != nil || c.Disabled {
			t.Fatal(c, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	now = now.Add(clientAge)
	if c, err := m.Client(t.Context(), "documents"); err != nil || !c.Disabled {
		t.Errorf("a second later: %+v, %v", c, err)
	}
	for range 2 {
		if _, err := m.Client(t.Context(), "unknown"); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
	}
	if asked != 4 {
		t.Errorf("asked %d times: an unknown client must not be remembered", asked)
	}
}
