package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func (w *world) withOrigin(method, path, origin string) *reply {
	w.t.Helper()
	req, err := http.NewRequest(method, w.server.URL+path, nil)
	must(w.t, err)
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", "POST")
	return w.browser().do(req)
}

func TestT016_CORS(t *testing.T) {
	w := newWorld(t)
	const allow = "Access-Control-Allow-Origin"
	open := []string{oidc.PathToken, oidc.PathUserinfo, oidc.PathJWKS, oidc.PathDiscovery, oidc.PathMetadata}
	for _, path := range open {
		method := map[bool]string{true: http.MethodPost, false: http.MethodGet}[path == oidc.PathToken]
		for _, m := range []string{method, http.MethodOptions} {
			a := w.withOrigin(m, path, "https://rp.test")
			if a.header.Get(allow) != "https://rp.test" || a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %q", m, path, a.header.Get(allow))
			}
			if !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s %s: no Vary", m, path)
			}
			for _, origin := range []string{"https://evilrp.test", "https://rp.test.evil.test", "https://x.rp.test", "http://rp.test", "null",
				"https://rp.test:443", "https://rp.test/", "https://RP.test", "https://rp", ""} {
				if a := w.withOrigin(m, path, origin); a.header.Get(allow) != "" {
					t.Errorf("%s %s for %q: %q", m, path, origin, a.header.Get(allow))
				}
			}
		}
	}
	for _, path := range []string{oidc.PathAuthorize, oidc.PathLogout, oidc.PathIntrospect, oidc.PathRevoke} {
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			if a := w.withOrigin(m, path, "https://rp.test"); a.header.Get(allow) != "" {
				t.Errorf("%s %s sends %s", m, path, allow)
			}
		}
	}
	w.changeClient("app", func(c *idp.Client) { c.Origins = []string{"https://late.test"} })
	w.pass(5e9)
	if a := w.withOrigin(http.MethodPost, oidc.PathToken, "https://late.test"); a.header.Get(allow) == "" {
		t.Error("a new origin is not taken up")
	}
}

func TestT017_Discovery(t *testing.T) {
	w := newWorld(t)
	second := w.node(nil)
	b := w.browser()
	a := b.get(w.server.URL + oidc.PathDiscovery)
	if other := b.get(second.URL + oidc.PathMetadata); other.body != a.body {
		t.Error("two nodes, or the two addresses, differ")
	}
	m := a.json(t)
	if m["issuer"] != w.issuer || m["response_types_supported"] == nil {
		t.Errorf("%v", m["issuer"])
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "introspection_endpoint",
		"revocation_endpoint", "end_session_endpoint"} {
		u := str(m[name])
		if !strings.HasPrefix(u, w.issuer+"/") || b.get(u).status == 404 {
			t.Errorf("%s: %q", name, u)
		}
	}
	for _, alg := range list(m["id_token_signing_alg_values_supported"]) {
		if alg == "none" || strings.HasPrefix(alg, "HS") {
			t.Errorf("algorithm %s is advertised", alg)
		}
		w.changeClient("app", func(c *idp.Client) { c.IDTokenAlg = alg })
		if _, _, err := w.ring.Verify(str(w.tokens("app")["id_token"]), alg); err != nil {
			t.Errorf("%s is advertised and does not work: %v", alg, err)
		}
	}
	for _, grant := range list(m["grant_types_supported"]) {
		if a := w.post(oidc.PathToken, "service", "grant_type", grant); a.json(t)["error"] == "unsupported_grant_type" {
			t.Errorf("%s is advertised", grant)
		}
	}
	if a := b.get(w.server.URL + oidc.PathDiscovery); a.header.Get("ETag") == "" || !strings.Contains(a.header.Get("Cache-Control"), "max-age") {
		t.Error("not cacheable")
	}
	for _, path := range []string{oidc.PathDiscovery, oidc.PathJWKS} {
		req, _ := http.NewRequest(http.MethodGet, w.server.URL+path, nil)
		req.Header.Set("If-None-Match", b.get(w.server.URL+path).header.Get("ETag"))
		if a := b.do(req); a.status != http.StatusNotModified {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func list(v any) []string {
	var out []string
	items, _ := v.([]any)
	for _, i := range items {
		out = append(out, str(i))
	}
	return out
}

func TestJWKS_PublishesTheNextKeyAndNoPrivateOne(t *testing.T) {
	w := newWorld(t)
	get := func() map[string]bool {
		var set struct{ Keys []map[string]any }
		body := w.browser().get(w.server.URL + oidc.PathJWKS).body
		must(t, json.Unmarshal([]byte(body), &set))
		kids := map[string]bool{}
		for _, k := range set.Keys {
			for _, private := range []string{"d", "p", "q", "k"} {
				if k[private] != nil {
					t.Fatalf("a private part: %s", private)
				}
			}
			kids[str(k["kid"])] = true
		}
		return kids
	}
	get()
	must(t, w.ring.Rotate(t.Context(), "ES256", 0))
	before := get()
	must(t, w.ring.Rotate(t.Context(), "ES256", 0))
	kid, _ := w.ring.SignsWith("ES256")
	if !before[kid] {
		t.Error("the key that signs now was not published before")
	}
}

func TestT018_LongStateAndNonce(t *testing.T) {
	w := newWorld(t)
	for _, v := range []string{"a", strings.Repeat("b", 64), strings.Repeat("c", 512), strings.Repeat("d", 2048), "王大明🙂é", `a"b\c&d=e+f%20g`} {
		a := w.browser().authorize(w.request("app", "state", v, "nonce", v))
		if a.sent().Get("state") != v {
			t.Errorf("state of %d bytes: %.60v", len(v), a.location())
			continue
		}
		if got := w.redeem("app", a.sent().Get("code")).json(t); claims(t, got["id_token"])["nonce"] != v {
			t.Errorf("nonce of %d bytes: %v", len(v), claims(t, got["id_token"])["nonce"])
		}
	}
	if a := w.browser().authorize(w.request("app", "state", strings.Repeat("s", 8<<10+1))); a.status != 400 || a.location() != nil {
		t.Errorf("a state over the cap: %d", a.status)
	}
	if a := w.browser().authorize(w.request("app", "nonce", strings.Repeat("n", 4<<10+1))); a.sent().Get("error") != "invalid_request" {
		t.Errorf("a nonce over the cap: %v", a.location())
	}
	v := w.request("app")
	v.Set("state", "\xff\xfe")
	if a := w.browser().get(w.server.URL + oidc.PathAuthorize + "?" + v.Encode()); a.status != 400 {
		t.Errorf("a state that is not UTF-8: %d", a.status)
	}
}

func TestT019_ACRTellsTheTruth(t *testing.T) {
	w := newWorld(t)
	acr := func(b *browser, id string, extra ...string) (string, []string) {
		c := claims(t, w.redeem(id, w.codeIn(b, id, extra...)).json(t)["id_token"])
		return str(c["acr"]), list(c["amr"])
	}
	b := w.browser()
	if got, amr := acr(b, "app"); got != idp.LevelPassword.ACR() || len(amr) != 1 || amr[0] != "pwd" {
		t.Errorf("password: %s %v", got, amr)
	}
	if a := b.authorize(w.request("high", "prompt", "none")); a.sent().Get("error") != "login_required" {
		t.Errorf("a password for a client of level 3: %v", a.location())
	}
	if got, _ := acr(b, "high"); got != idp.LevelCard.ACR() || w.logins != 2 {
		t.Errorf("not stepped up: %s, %d logins", got, w.logins)
	}
	b = w.browser()
	if got, _ := acr(b, "app", "claims", `{"id_token":{"acr":{"essential":true,"values":["urn:taipeion:acr:3"]}}}`); got != idp.LevelCard.ACR() {
		t.Errorf("essential acr: %s", got)
	}
	b = w.browser()
	acr(b, "app")
	if got, _ := acr(b, "app", "acr_values", "urn:other:9 urn:taipeion:acr:3"); got != idp.LevelCard.ACR() {
		t.Errorf("acr_values: %s", got)
	}
	b = w.browser()
	acr(b, "app")
	if got, _ := acr(b, "app", "acr_values", "urn:taipeion:acr:3", "prompt", "none"); got != idp.LevelPassword.ACR() {
		t.Errorf("silent single sign-on: %s", got)
	}
	a := b.authorize(w.request("app", "claims", `{"id_token":{"acr":{"essential":true,"value":"urn:unheard:of"}}}`))
	if a.sent().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("an unknown essential acr: %v", a.location())
	}
}

func TestT020_TokensInTheQuery(t *testing.T) {
	w := newWorld(t)
	token := str(w.tokens("app")["access_token"])
	if a := w.browser().get(w.server.URL + oidc.PathUserinfo + "?access_token=" + token); a.status != 401 {
		t.Errorf("userinfo: %d", a.status)
	}
	if a := w.browser().post(w.server.URL+oidc.PathUserinfo+"?access_token="+token, url.Values{}); a.status != 401 {
		t.Errorf("userinfo by POST: %d", a.status)
	}
	if a := w.post(oidc.PathIntrospect+"?access_token="+token, ""); a.status != 401 {
		t.Errorf("introspection: %d", a.status)
	}
	q := url.Values{"client_id": {"app"}, "client_secret": {secret}, "token": {token}}
	if a := w.browser().post(w.server.URL+oidc.PathIntrospect+"?"+q.Encode(), url.Values{"token_type_hint": {"access_token"}}); a.status != 401 {
		t.Errorf("client secret in the query: %d", a.status)
	}
	b := w.browser()
	a := b.get(w.server.URL + oidc.PathAuthorize + "?" + w.request("app").Encode())
	for u := a.location(); u != nil && strings.HasPrefix(u.String(), w.server.URL); u = a.location() {
		for name := range u.Query() {
			if name != "flow" {
				t.Errorf("our own redirect carries %s", name)
			}
		}
		a = b.get(u.String())
	}
	for name := range a.sent() {
		if name != "code" && name != "state" && name != "iss" {
			t.Errorf("the answer carries %s", name)
		}
	}
}

func TestT022_PKCEOverTheWholeFlow(t *testing.T) {
	w := newWorld(t)
	// The challenge is the one of the saved request, and of no other request in
	// the same browser.
	w.stay = true
	b := w.browser()
	handle := b.authorize(w.request("app")).at.Query().Get("flow")
	b.authorize(w.request("app", "code_challenge", strings.Repeat("A", 43)))
	w.stay = false
	a := b.follow(b.get(w.server.URL + oidc.PathAuthorize + "?flow=" + handle))
	if got := w.redeem("app", a.sent().Get("code")); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	other := w.codeIn(b, "app", "code_challenge", strings.Repeat("A", 43))
	expect(t, w.redeem("app", other), 400, "invalid_grant")
}

func TestSavedRequestsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.stay = true
	a := w.browser().authorize(w.request("app", "unknown", strings.Repeat("x", 20000)))
	flow, err := w.store.Flow(t.Context(), hash(a.at.Query().Get("flow")))
	must(t, err)
	if len(flow.Request) > 1000 {
		t.Errorf("%d bytes were saved", len(flow.Request))
	}
	w.stay = false
	if a := w.browser().authorize(w.request("app", "login_hint", strings.Repeat("x", 40000))); a.status != 400 || a.location() != nil {
		t.Errorf("a request over the cap: %d", a.status)
	}
	if a := w.browser().authorize(w.request("app", "scope", "openid"+strings.Repeat(" x", 10000))); a.location() == nil {
		t.Errorf("many scopes: %d", a.status)
	}
}

// TestConsent_CoversClaimsAskedForOneByOne holds a third party's claims parameter
// against what the person was asked about.
func TestConsent_CoversClaimsAskedForOneByOne(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	claims := `{"userinfo":{"name":null,"title":{"essential":true}},"id_token":{"email":null}}`
	got := w.redeem("third", w.codeIn(b, "third", "scope", "openid", "claims", claims)).json(t)
	consent, err := w.store.Consent(t.Context(), "wang", "third")
	must(t, err)
	for _, scope := range []string{"openid", "profile", "agency", "email"} {
		if !slices.Contains(consent, scope) {
			t.Errorf("%s was given without being asked about: %v", scope, consent)
		}
	}
	if slices.Contains(consent, "phone") || slices.Contains(consent, "address") {
		t.Errorf("asked about more than is given: %v", consent)
	}
	if got["scope"] != nil && got["scope"] != "openid" {
		t.Errorf("scope %v was granted", got["scope"])
	}
}
