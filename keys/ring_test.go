package keys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	idp "taipeion.internal/idp"
)

func TestSignVerifiesByTheKeySet(t *testing.T) {
	r := openTestRing(t, &memoryStore{}, time.Now)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(r.PublicJWKS(), &set); err != nil {
		t.Fatal(err)
	}
	for _, alg := range AllAlgorithms() {
		jws, err := r.Sign(alg, "JWT", []byte(`{"sub":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		object, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		kid := object.Signatures[0].Protected.KeyID
		found := set.Key(kid)
		if len(found) != 1 || found[0].Algorithm != alg || found[0].Use != "sig" || !found[0].IsPublic() {
			t.Fatalf("%s: key set has %d keys of that ID", alg, len(found))
		}
		if claims, err := object.Verify(found[0].Key); err != nil || string(claims) != `{"sub":"x"}` {
			t.Fatalf("%s: %q, %v", alg, claims, err)
		}
		claims, got, err := r.Verify(jws)
		if err != nil || got != kid || string(claims) != `{"sub":"x"}` {
			t.Fatalf("%s: Verify: %q, %q, %v", alg, claims, got, err)
		}
		if _, _, err := r.Verify(jws, "other"); !errors.Is(err, ErrSignature) {
			t.Fatalf("%s: accepted for another algorithm", alg)
		}
		if _, _, err := r.VerifyTyped(jws, "at+jwt"); !errors.Is(err, ErrSignature) {
			t.Fatalf("%s: accepted for another typ", alg)
		}
	}
	for _, k := range set.Keys {
		if k.KeyID == "" || bytes.Contains(r.PublicJWKS(), []byte(`"d":`)) {
			t.Fatal("the key set shows a private key")
		}
	}
}

func TestNodesThatStartTogetherShareKeys(t *testing.T) {
	store := &memoryStore{}
	rings := make([]*Ring, 4)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			rings[i] = openTestRing(t, store, time.Now, ES256, EdDSA)
			if err := rings[i].refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range rings {
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.PublicJWKS(), rings[0].PublicJWKS()) {
			t.Fatal("nodes publish different keys")
		}
		if !r.ChallengeKey().Equal(rings[0].ChallengeKey()) {
			t.Fatal("nodes have different challenge keys")
		}
	}
	if n := len(store.records); n != 5 { // two of each for tokens, one for challenges
		t.Fatalf("%d keys were made", n)
	}
}

func TestT041_RotationPublishesBeforeAndAfter(t *testing.T) {
	c := &clock{t: start}
	store := &memoryStore{}
	r := openTestRing(t, store, c.now, ES256)
	other := openTestRing(t, store, c.now, ES256)
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	sign := func() string {
		jws, err := r.Sign(ES256, "JWT", []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		return jws
	}
	published := func(kid string) bool { return bytes.Contains(r.PublicJWKS(), []byte(kid)) }
	next, _ := r.state.Load().find(slot{UseToken, ES256}, StateNext)
	if !published(next.KID) {
		t.Fatal("the next key is not published before it signs")
	}
	old := sign()
	_, oldKID, _ := r.Verify(old)
	if err := r.Rotate(t.Context(), ES256, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, kid, err := r.Verify(sign()); err != nil || kid != next.KID {
		t.Fatalf("signs with %q, %v; want the key that was next", kid, err)
	}
	if _, _, err := r.Verify(old); err != nil || !published(oldKID) {
		t.Fatal("the retired key does not stay")
	}
	if err := other.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Verify(sign()); err != nil {
		t.Fatal("the other node does not follow")
	}
	c.add(time.Hour)
	if _, _, err := other.Verify(old); !errors.Is(err, ErrSignature) {
		t.Fatal("the retired key outlives its end, without a reload")
	}
	if err := r.Reload(t.Context()); err != nil || published(oldKID) {
		t.Fatalf("published past its end: %v", err)
	}
}

func TestT041_EmergencyRemovesAtOnce(t *testing.T) {
	c := &clock{t: start}
	r := openTestRing(t, &memoryStore{}, c.now, EdDSA)
	old, err := r.Sign(EdDSA, "JWT", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Rotate(t.Context(), EdDSA, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Verify(old); !errors.Is(err, ErrSignature) {
		t.Fatalf("a removed key still verifies: %v", err)
	}
	if err := r.Rotate(t.Context(), "none", 0); !errors.Is(err, idp.ErrNotFound) {
		t.Fatalf("rotate of an unknown algorithm: %v", err)
	}
}

func TestRingRefusesAnotherMasterKeyAndKnownKeys(t *testing.T) {
	store := &memoryStore{}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	opts := RingOptions{
		Store: store, Sealer: testSealer(t), Algorithms: []string{ES256},
		Seeds: []Seed{{UseToken, ES256, private}},
	}
	r, err := OpenRing(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	kid, err := KeyID(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := r.SignsWith(ES256); !ok || got != kid {
		t.Fatalf("the seed was not used: %q", got)
	}
	opts.Refuse = []string{kid}
	if _, err := OpenRing(t.Context(), opts); !errors.Is(err, ErrKnownKey) {
		t.Fatalf("a publicly known key was accepted: %v", err)
	}
	opts.Refuse = nil
	if opts.Sealer, err = NewSealer(bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRing(t.Context(), opts); !errors.Is(err, ErrSealed) {
		t.Fatalf("another master key: %v", err)
	}
}

type brokenStore struct{ memoryStore }

func (b *brokenStore) SigningKeys(context.Context, time.Time) ([]Record, error) {
	return nil, idp.ErrUnavailable
}

func TestRingSaysWhenTheStoreIsGone(t *testing.T) {
	_, err := OpenRing(t.Context(), RingOptions{Store: &brokenStore{}, Sealer: testSealer(t)})
	if !errors.Is(err, idp.ErrUnavailable) {
		t.Fatal(err)
	}
}

func BenchmarkSign(b *testing.B) {
	r := openTestRing(b, &memoryStore{}, time.Now)
	claims := []byte(fmt.Sprintf(`{"sub":%q}`, bytes.Repeat([]byte("x"), 300)))
	for _, alg := range AllAlgorithms() {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(alg, "JWT", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
