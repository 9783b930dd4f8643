package oidc_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taipeion.internal/idp/oidc"
)

// A relying system that keeps the key set for ten minutes never meets a token
// that it can't verify, though keys are rotated under it; a key removed in an
// emergency is refused at once.
func TestT041_RotationUnderLoad(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		b := w.browser()
		w.codeIn(b, "app")
		fetch := func() jose.JSONWebKeySet {
			var set jose.JSONWebKeySet
			must(t, json.Unmarshal([]byte(b.get(w.server.URL+oidc.PathJWKS).body), &set))
			return set
		}
		verify := func(set jose.JSONWebKeySet, jws string) bool {
			object, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.RS256})
			if err != nil || len(set.Key(object.Signatures[0].Header.KeyID)) != 1 {
				return false
			}
			_, err = object.Verify(set.Key(object.Signatures[0].Header.KeyID)[0].Key)
			return err == nil
		}
		must(t, w.ring.Rotate(t.Context(), "RS256", time.Hour)) // makes the first "next" key
		var old []string
		for range 3 {
			kept := fetch()
			must(t, w.ring.Rotate(t.Context(), "RS256", time.Hour))
			for range 4 {
				id := str(w.redeem("app", w.codeIn(b, "app")).json(t)["id_token"])
				if !verify(kept, id) {
					t.Fatal("a token that a relying system can't verify")
				}
				old = append(old, id)
				w.pass(2 * time.Minute)
			}
		}
		now := fetch()
		for _, id := range old {
			if !verify(now, id) {
				t.Error("a token of a retired key can't be verified any more")
			}
		}
		last := old[len(old)-1]
		must(t, w.ring.Rotate(t.Context(), "RS256", 0))
		if verify(fetch(), last) {
			t.Error("a removed key is still published")
		}
		if a := b.authorize(w.request("app", "id_token_hint", last, "prompt", "none")); a.sent().Get("error") != "invalid_request" {
			t.Errorf("a removed key is still believed: %v", a.location())
		}
	})
}
