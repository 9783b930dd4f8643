package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"taipeion.internal/idp/oidc"
)

func compact(header, payload any, sign func(input string) []byte) string {
	enc := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := enc(header) + "." + enc(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

// forgeries signs the claims in every way that must not count.
func (w *world) forgeries(payload map[string]any) map[string]string {
	w.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(w.t, err)
	jwk := jose.JSONWebKey{Key: own.Public(), KeyID: "k1", Algorithm: "ES256"}
	es256 := func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, own, sum[:])
		must(w.t, err)
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig
	}
	none := func(string) []byte { return nil }
	hs256 := func(input string) []byte {
		mac := hmac.New(sha256.New, w.ring.PublicJWKS())
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
	kid, _ := w.ring.SignsWith("ES256")
	h := func(pairs ...any) map[string]any {
		m := map[string]any{"typ": "JWT"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	return map[string]string{
		"none":        compact(h("alg", "none"), payload, none),
		"None":        compact(h("alg", "None", "kid", kid), payload, none),
		"hs256":       compact(h("alg", "HS256", "kid", kid), payload, hs256),
		"foreign key": compact(h("alg", "ES256", "kid", kid), payload, es256),
		"no kid":      compact(h("alg", "ES256"), payload, es256),
		"jwk inside":  compact(h("alg", "ES256", "jwk", jwk), payload, es256),
		"jku":         compact(h("alg", "ES256", "kid", "k1", "jku", w.canary+"/jwks"), payload, es256),
		"x5u":         compact(h("alg", "ES256", "kid", "k1", "x5u", w.canary+"/cert"), payload, es256),
		"kid path":    compact(h("alg", "ES256", "kid", "../../../../dev/null"), payload, es256),
		"kid sql":     compact(h("alg", "ES256", "kid", "' OR 1=1 --"), payload, es256),
		"crit":        compact(h("alg", "ES256", "kid", "k1", "crit", []string{"x"}, "x", 1), payload, es256),
		"empty":       "..",
		"dots":        strings.Repeat(".", 10000),
	}
}

func TestT040_ForgedTokensAndHints(t *testing.T) {
	w := newWorld(t)
	var seen atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer canary.Close()
	w.canary = canary.URL
	b := w.browser()
	got := w.redeem("jwt", w.codeIn(b, "jwt")).json(t)
	real := claims(t, got["access_token"])
	id := claims(t, got["id_token"])
	for name, jws := range w.forgeries(real) {
		if a := w.userinfo(jws); a.status != 401 {
			t.Errorf("userinfo took %s: %d", name, a.status)
		}
		if w.active("service", jws) {
			t.Errorf("introspection took %s", name)
		}
	}
	for name, jws := range w.forgeries(id) {
		if a := b.authorize(w.request("jwt", "id_token_hint", jws, "prompt", "none")); a.sent().Get("error") != "invalid_request" {
			t.Errorf("hint %s: %v", name, a.location())
		}
		if a := b.get(w.server.URL + oidc.PathLogout + "?id_token_hint=" + jws); a.status != 400 {
			t.Errorf("logout took %s: %d", name, a.status)
		}
	}
	// Ours, but of the wrong kind.
	idToken, access := str(got["id_token"]), str(got["access_token"])
	if a := w.userinfo(idToken); a.status != 401 {
		t.Errorf("an ID token as access token: %d", a.status)
	}
	if w.active("service", idToken) {
		t.Error("an ID token is active")
	}
	if a := b.authorize(w.request("jwt", "id_token_hint", access)); a.sent().Get("error") != "invalid_request" {
		t.Errorf("an access token as hint: %v", a.location())
	}
	if a := b.get(w.server.URL + oidc.PathLogout + "?id_token_hint=" + access); a.status != 400 {
		t.Errorf("an access token as logout hint: %d", a.status)
	}
	if seen.Load() != 0 {
		t.Error("the canary was asked")
	}
}
