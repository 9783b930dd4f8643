package keys

import (
	"bytes"
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func TestCheckStoreTellsAnotherMasterKey(t *testing.T) {
	store := &memoryStore{}
	own := testSealer(t)
	if err := own.CheckStore(t.Context(), store, start); !errors.Is(err, idp.ErrNotFound) {
		t.Fatalf("no keys: %v", err)
	}
	r := openTestRing(t, store, time.Now, ES256)
	if err := r.opts.Sealer.CheckStore(t.Context(), store, start); err != nil {
		t.Fatal(err)
	}
	other, err := NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.CheckStore(t.Context(), store, start); !errors.Is(err, ErrSealed) {
		t.Fatalf("another master key: %v", err)
	}
}

func TestRotationWaitsForPublishing(t *testing.T) {
	c := &clock{t: start}
	r := openTestRing(t, &memoryStore{}, c.now, ES256, EdDSA)
	rotate := func(alg string) error { return r.RotatePublished(t.Context(), alg, time.Hour, 10*time.Minute) }
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.add(10 * time.Minute)
	if err := r.MayRotate(t.Context(), []string{ES256, EdDSA}, 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := rotate(ES256); err != nil {
		t.Fatal(err)
	}
	before, _ := r.SignsWith(ES256)
	if err := rotate(ES256); !errors.Is(err, ErrYoung) {
		t.Fatalf("twice in a row: %v", err)
	}
	if after, _ := r.SignsWith(ES256); after != before {
		t.Fatal("a key of seconds signs")
	}
	if err := r.MayRotate(t.Context(), []string{EdDSA, ES256}, 10*time.Minute); !errors.Is(err, ErrYoung) {
		t.Fatalf("one of two is young: %v", err)
	}
}
