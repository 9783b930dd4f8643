package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/portal"
)

func TestPrune_LeavesWhatStillMatters(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		f := aFlow("h")
		must(t, s.CreateFlow(t.Context(), f))
		must(t, s.CreateSession(t.Context(), aSession("s1"), []byte("t1"), nil))
		must(t, s.UseAssertion(t.Context(), "c", "j", noon.Add(time.Minute)))
		must(t, s.CreateChallenge(t.Context(), &cardreader.Issued{Key: []byte("k"), EndsAt: noon.Add(time.Minute)}))
		must(t, s.SavePending(t.Context(), &portal.Pending{Key: []byte("k"), SessionID: "s1", EndsAt: noon.Add(time.Minute)}))
		reserve(t, s, try("a", "p", 0))
		must(t, s.NoteSource(t.Context(), "x", "y", noon))
		unused, used := codeGrant(1), codeGrant(2)
		must(t, s.CreateGrant(t.Context(), unused))
		must(t, s.CreateGrant(t.Context(), used))
		must(t, s.RedeemCode(t.Context(), oidc.Issue{GrantID: used.ID, Generation: 1, AccessHash: hash('a', 2), AccessEndsAt: noon.Add(time.Hour),
			RefreshEndsAt: noon.Add(30 * 24 * time.Hour), At: noon}))
		prune := func(after time.Duration) int64 {
			n, err := s.Prune(t.Context(), noon.Add(after))
			must(t, err)
			return n
		}
		if n := prune(30 * time.Second); n != 0 {
			t.Fatalf("%d while all of it matters", n)
		}
		if n := prune(30 * time.Minute); n != 3 { // assertion, challenge, pending
			t.Fatalf("%d after half an hour", n)
		}
		if n := prune(2 * time.Hour); n != 2 { // flow, unused code
			t.Fatalf("%d after two hours", n)
		}
		if n := prune(13 * time.Hour); n != 1 { // session
			t.Fatalf("%d after half a day", n)
		}
		if _, _, err := s.GrantByID(t.Context(), unused.ID); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		if n := prune(8 * 24 * time.Hour); n != 3 { // two counters, one source
			t.Fatalf("%d after a week", n)
		}
		if n := prune(30 * 24 * time.Hour); n != 0 {
			t.Fatalf("%d: the refresh token still lived a moment ago", n)
		}
		if n := prune(32 * 24 * time.Hour); n != 1 {
			t.Fatalf("%d after its end", n)
		}
	})
}

func TestPrune_InBatches(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.all(t.Context(), manyAssertions(2*pruneBatch+1)))
		before := s.Stats()
		if n, err := s.Prune(t.Context(), noon.Add(time.Hour)); err != nil || n != 2*pruneBatch+1 {
			t.Fatal(n, err)
		}
		if after := s.Stats(); after.Transactions-before.Transactions < 4 {
			t.Fatalf("%+v", after)
		}
	})
}

func manyAssertions(n int) []statement {
	list := make([]statement, n)
	for i := range list {
		list[i] = with(useAssertion, "c", []byte(fmt.Sprint(i)), micros(noon))
	}
	return list
}

func TestPruneEvents(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for i := range 3*pruneBatch + 2 {
			must(t, s.Record(t.Context(), idp.Event{At: noon.Add(time.Duration(i) * time.Second), Kind: "k", Result: "ok"}))
		}
		cut := noon.Add(time.Duration(3*pruneBatch) * time.Second)
		if n, err := s.PruneEvents(t.Context(), cut); err != nil || n != 3*pruneBatch {
			t.Fatalf("%d, %v", n, err)
		}
		left, err := s.Events(t.Context(), EventFilter{Limit: 10})
		if err != nil || len(left) != 2 || left[1].At.Before(cut) {
			t.Fatalf("%v, %v", left, err)
		}
	})
}
