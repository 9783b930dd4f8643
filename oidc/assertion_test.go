package oidc_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taipeion.internal/idp/oidc"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

var serial int
var serialMu sync.Mutex

// assertion signs a client assertion; change may spoil it.
func (w *world) assertion(clientID string, change func(map[string]any)) string {
	w.t.Helper()
	serialMu.Lock()
	serial++
	jti := "jti-" + strconv.Itoa(serial)
	serialMu.Unlock()
	now := w.now()
	c := map[string]any{"iss": clientID, "sub": clientID, "aud": w.issuer, "jti": jti,
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	if change != nil {
		change(c)
	}
	payload, err := json.Marshal(c)
	must(w.t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: assertionKey()}, nil)
	must(w.t, err)
	object, err := signer.Sign(payload)
	must(w.t, err)
	s, err := object.CompactSerialize()
	must(w.t, err)
	return s
}

func (w *world) withAssertion(jws string, extra ...string) *reply {
	form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {assertionType}, "client_assertion": {jws}}
	for i := 0; i+1 < len(extra); i += 2 {
		form.Set(extra[i], extra[i+1])
	}
	return w.browser().post(w.server.URL+oidc.PathToken, form)
}

func TestTrap_AssertionLeewayAndAudience(t *testing.T) {
	w := newWorld(t)
	at := func(name string, d time.Duration) func(map[string]any) {
		return func(c map[string]any) { c[name] = w.now().Add(d).Unix() }
	}
	good := map[string]func(map[string]any){
		"as it should be":    nil,
		"token endpoint":     func(c map[string]any) { c["aud"] = w.issuer + oidc.PathToken },
		"nbf 8 s ahead":      at("nbf", 8*time.Second),
		"iat 10 s ahead":     at("iat", 10*time.Second),
		"exp 9 s past":       at("exp", -9*time.Second),
		"exp in an hour":     at("exp", time.Hour),
		"without iat":        func(c map[string]any) { delete(c, "iat") },
		"a fraction of time": func(c map[string]any) { c["exp"] = float64(w.now().Unix()) + 30.5 },
	}
	for name, change := range good {
		if a := w.withAssertion(w.assertion("signed", change)); a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	bad := map[string]func(map[string]any){
		"exp in a year":       at("exp", 365*24*time.Hour),
		"exp 11 s past":       at("exp", -11*time.Second),
		"nbf 11 s ahead":      at("nbf", 11*time.Second),
		"exp not a number":    func(c map[string]any) { c["exp"] = "tomorrow" },
		"exp huge":            func(c map[string]any) { c["exp"] = 1e300 },
		"no exp":              func(c map[string]any) { delete(c, "exp") },
		"no jti":              func(c map[string]any) { delete(c, "jti") },
		"another audience":    func(c map[string]any) { c["aud"] = "https://other.test" },
		"audience with slash": func(c map[string]any) { c["aud"] = w.issuer + "/" },
		"userinfo audience":   func(c map[string]any) { c["aud"] = w.issuer + oidc.PathUserinfo },
		"no audience":         func(c map[string]any) { delete(c, "aud") },
		"another issuer":      func(c map[string]any) { c["iss"] = "app" },
	}
	for name, change := range bad {
		if a := w.withAssertion(w.assertion("signed", change)); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestTrap_JWKWithoutUse(t *testing.T) {
	w := newWorld(t) // the client's JWK has no "use"
	if a := w.withAssertion(w.assertion("signed", nil)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestTrap_TwoAuthenticationMethods(t *testing.T) {
	w := newWorld(t)
	a := w.withAssertion(w.assertion("signed", nil), "client_id", "signed", "client_secret", secret)
	expect(t, a, 400, "invalid_request")
	expect(t, w.post(oidc.PathToken, "app", "grant_type", "client_credentials", "client_id", "app", "client_secret", secret), 400, "invalid_request")
	expect(t, w.post(oidc.PathToken, "app", "grant_type", "client_credentials", "client_id", "other"), 400, "invalid_request")
}

func TestTrap_JTIScopedByClient(t *testing.T) {
	w := newWorld(t)
	c, err := w.store.Client(t.Context(), "signed")
	must(t, err)
	c.ID = "signed2"
	must(t, w.store.PutClient(t.Context(), c))
	same := func(c map[string]any) { c["jti"] = "the same" }
	for _, id := range []string{"signed", "signed2"} {
		if a := w.withAssertion(w.assertion(id, same)); a.status != 200 {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
		expect(t, w.withAssertion(w.assertion(id, same)), 401, "invalid_client")
	}
}

func TestT046_AssertionOnce(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		jws := w.assertion("signed", nil)
		second := w.node(nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 40 {
			base := w.server.URL
			if i%2 == 1 {
				base = second.URL
			}
			wg.Go(func() {
				a := w.browser().post(base+oidc.PathToken, url.Values{"grant_type": {"client_credentials"},
					"client_assertion_type": {assertionType}, "client_assertion": {jws}})
				mu.Lock()
				defer mu.Unlock()
				if a.status == 200 {
					won++
				} else if a.status != 401 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d of 40 parallel uses succeeded", won)
		}
		w.pass(30 * time.Second)
		expect(t, w.withAssertion(jws), 401, "invalid_client")
	})
}

func TestT047_AssertionClaims(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(map[string]any){
		"audience list":  func(c map[string]any) { c["aud"] = []string{w.issuer} },
		"two audiences":  func(c map[string]any) { c["aud"] = []string{w.issuer, "https://other.test"} },
		"no sub":         func(c map[string]any) { delete(c, "sub") },
		"exp 5 min past": func(c map[string]any) { c["exp"] = w.now().Add(-5 * time.Minute).Unix() },
		"iat 60 s ahead": func(c map[string]any) { c["iat"] = w.now().Add(time.Minute).Unix() },
	} {
		if a := w.withAssertion(w.assertion("signed", change)); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	ahead := func(c map[string]any) { c["iat"] = w.now().Add(10 * time.Second).Unix() }
	if a := w.withAssertion(w.assertion("signed", ahead)); a.status != 200 {
		t.Errorf("10 s ahead: %d %s", a.status, a.body)
	}
}

func TestT040_ForgedAssertions(t *testing.T) {
	w := newWorld(t)
	for name, jws := range w.forgeries(map[string]any{"iss": "signed", "sub": "signed", "aud": w.issuer, "jti": "x",
		"exp": w.now().Add(time.Minute).Unix()}) {
		if a := w.withAssertion(jws); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
