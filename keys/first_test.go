package keys

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// slowStore lets RSA keys in when it is told to, or refuses them.
type slowStore struct {
	memoryStore
	let   chan struct{}
	fault error
}

func (s *slowStore) AddSigningKey(ctx context.Context, r Record) error {
	if r.Algorithm == RS256 {
		<-s.let
		if s.fault != nil {
			return s.fault
		}
	}
	return s.memoryStore.AddSigningKey(ctx, r)
}

// A ring on a new store can be used before the RSA keys are there, and nobody
// sees a key set without them.
func TestFirstKeys_WhoeverNeedsThemWaits(t *testing.T) {
	store := &slowStore{let: make(chan struct{})}
	r := openTestRing(t, store, time.Now)
	if _, err := r.Sign(ES256, "JWT", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if r.ChallengeKey() == nil {
		t.Fatal("no challenge key")
	}
	// Another node makes its own and signs.
	store.memoryStore.mu.Lock()
	early := &memoryStore{records: append([]Record(nil), store.records...)}
	store.memoryStore.mu.Unlock()
	other := openTestRing(t, early, time.Now)
	theirs, err := other.Sign(RS256, "JWT", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	store.memoryStore.mu.Lock()
	store.records = early.records // theirs was the first
	store.memoryStore.mu.Unlock()

	waits := map[string]chan error{}
	var running sync.WaitGroup
	for name, need := range map[string]func() error{
		"sign":   func() error { _, err := r.Sign(RS256, "JWT", []byte("{}")); return err },
		"list":   func() error { _, err := r.List(t.Context()); return err },
		"next":   func() error { return r.refresh(t.Context()) },
		"verify": func() error { _, _, err := r.Verify(theirs); return err },
		"key set": func() error {
			kid, _ := other.SignsWith(RS256)
			if !bytes.Contains(r.PublicJWKS(), []byte(kid)) {
				return errors.New("the key is not in it")
			}
			return nil
		},
	} {
		done := make(chan error, 1)
		waits[name] = done
		running.Add(1)
		go func() {
			running.Done()
			done <- need()
		}()
	}
	running.Wait() // else nothing is seen of who does not wait
	time.Sleep(50 * time.Millisecond)
	for name, done := range waits {
		select {
		case err := <-done:
			t.Errorf("%s did not wait: %v", name, err)
		default:
		}
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := r.Made(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("made: %v", err)
	}
	close(store.let)
	for name, done := range waits {
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	ours, _ := r.SignsWith(RS256)
	if kid, _ := other.SignsWith(RS256); kid != ours || kid == "" {
		t.Errorf("two nodes sign with %q and %q", ours, kid)
	}
}

func TestFirstKeys_AFailureIsTold(t *testing.T) {
	store := &slowStore{let: make(chan struct{}), fault: errors.New("disk full")}
	r := openTestRing(t, store, time.Now)
	close(store.let)
	if err := r.Made(t.Context()); !errors.Is(err, store.fault) {
		t.Errorf("made: %v", err)
	}
	if _, err := r.Sign(RS256, "JWT", []byte("{}")); err == nil {
		t.Error("signed without a key")
	}
	if err := r.refresh(t.Context()); !errors.Is(err, store.fault) {
		t.Errorf("refresh: %v", err)
	}
	r.Run(t.Context()) // ends by itself
}
