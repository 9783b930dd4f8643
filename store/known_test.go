package store

import (
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func TestKnownBrowsers(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		a, b := "a", "b"
		addPerson(t, s, a)
		addPerson(t, s, b)
		browser := make([]byte, 32)
		if _, err := s.KnownBrowser(ctx, a, browser); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("before: %v", err)
		}
		first := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		for _, at := range []time.Time{first, first.Add(time.Hour), first.Add(-time.Hour)} {
			if err := s.RememberBrowser(ctx, a, browser, at); err != nil {
				t.Fatal(err)
			}
		}
		if at, err := s.KnownBrowser(ctx, a, browser); err != nil || !at.Equal(first.Add(time.Hour)) {
			t.Fatalf("the newest: %v, %v", at, err)
		}
		if _, err := s.KnownBrowser(ctx, b, browser); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("another person in the same browser: %v", err)
		}
		if err := s.ForgetBrowsers(ctx, a); err != nil {
			t.Fatal(err)
		}
		if _, err := s.KnownBrowser(ctx, a, browser); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("after: %v", err)
		}
	})
}
