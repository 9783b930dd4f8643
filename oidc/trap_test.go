package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

// The tests in this file are named after what the library gets wrong when it is
// left alone.

func TestTrap_PKCEDowngrade(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"app", "legacy", "spa"} {
		code := w.code(id)
		expect(t, w.redeem(id, code, "code_verifier", strings.Repeat("x", 43)), 400, "invalid_grant")
		expect(t, w.redeem(id, code, "code_verifier", ""), 400, "invalid_grant")
		if a := w.redeem(id, code); a.status != 200 {
			t.Errorf("%s: the right verifier: %d %s", id, a.status, a.body)
		}
	}
}

func TestTrap_CodeReplayByAnotherClient(t *testing.T) {
	w := newWorld(t)
	code := w.code("app")
	got := w.redeem("app", code).json(t)
	for range 2 {
		expect(t, w.redeem("other", code, "redirect_uri", "https://rp.test/cb"), 400, "invalid_grant")
	}
	if !w.active("app", str(got["access_token"])) {
		t.Error("another client's replay ended this client's tokens")
	}
}

func TestTrap_LoopbackMatcher(t *testing.T) {
	w := newWorld(t)
	good := []string{"http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"}
	bad := []string{
		"http://evil@127.0.0.1/cb", "http://evil:x@127.0.0.1:80/cb", "http://127.0.0.1/%63b", "https://127.0.0.1/cb",
		"http://127.0.0.1/cb?x=1", "http://127.0.0.1/cb#f", "http://127.0.0.1:/cb", "http://127.0.0.1:0/cb",
		"http://127.0.0.1:080/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1:80:90/cb",
		"http://127.0.0.1:80@evil.test/cb", "http://127.0.0.1.evil.test/cb", "http://127.0.0.1evil/cb", "http://127.0.0.2/cb",
		"http://localhost/cb", "http://localhost:80/cb", "http://[::1]/cb", "http://2130706433/cb", "http://127.1/cb",
		"http://127.0.0.1:80/cb/", "http://127.0.0.1:80//cb", "http://127.0.0.1:80/CB", "HTTP://127.0.0.1/cb", "http://127.0.0.1\\@evil/cb",
	}
	for _, uri := range good {
		if a := w.browser().authorize(w.request("native", "redirect_uri", uri)); a.sent().Get("code") == "" {
			t.Errorf("%s: %d", uri, a.status)
		}
	}
	for _, uri := range bad {
		a := w.browser().authorize(w.request("native", "redirect_uri", uri))
		if a.status != 400 || a.location() != nil {
			t.Errorf("%s: %d %v", uri, a.status, a.location())
		}
	}
	if a := w.browser().authorize(w.request("app", "redirect_uri", "https://rp.test:444/cb")); a.status != 400 {
		t.Errorf("a port is open for loopback only: %d", a.status)
	}
}

func TestTrap_StateMandatory(t *testing.T) {
	w := newWorld(t)
	a := w.browser().authorize(w.request("app", "state", ""))
	if a.sent().Get("code") == "" || a.sent().Has("state") {
		t.Errorf("without state: %d %v", a.status, a.location())
	}
	for _, state := range []string{"x", "1234567", "a b&c=d+é王", "synthetic"} {
		if a := w.browser().authorize(w.request("app", "state", state)); a.sent().Get("state") != state {
			t.Errorf("state %q: %v", state, a.location())
		}
	}
}

func TestTrap_RequestObjectIgnored(t *testing.T) {
	w := newWorld(t)
	var seen atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer canary.Close()
	object := "eyJhbGciOiJub25lIn0.eyJpc3MiOiJldmlsIn0."
	for _, scope := range []string{"openid", "profile"} {
		for name, want := range map[string]string{"request": "request_not_supported", "request_uri": "request_uri_not_supported"} {
			value := map[string]string{"request": object, "request_uri": canary.URL}[name]
			a := w.browser().authorize(w.request("app", "scope", scope, name, value))
			if got := a.sent(); got.Get("error") != want || got.Get("state") != "st" || got.Get("iss") != w.issuer {
				t.Errorf("%s with scope %s: %v", name, scope, a.location())
			}
		}
	}
	if seen.Load() != 0 {
		t.Error("request_uri was fetched")
	}
}

func TestTrap_PARHalfOffered(t *testing.T) {
	w := newWorld(t)
	a := w.browser().authorize(w.request("app", "request_uri", "urn:ietf:params:oauth:request_uri:abc"))
	if a.sent().Get("error") != "request_uri_not_supported" {
		t.Errorf("%v", a.location())
	}
	for _, path := range []string{"/oauth2/par", "/oauth2/device_authorization", "/oauth2/device/auth"} {
		if a := w.post(path, "app", "client_id", "app"); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestTrap_DeviceGrant(t *testing.T) {
	w := newWorld(t)
	expect(t, w.post(oidc.PathToken, "app", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", "x"),
		400, "unsupported_grant_type")
}

func TestTrap_MaxAgeZeroIgnored(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.codeIn(b, "app")
	w.pass(time.Minute)
	w.codeIn(b, "app")
	if w.logins != 1 {
		t.Fatalf("no single sign-on: %d logins", w.logins)
	}
	w.codeIn(b, "app", "max_age", "0")
	if w.logins != 2 {
		t.Errorf("max_age=0 did not ask for a fresh login: %d", w.logins)
	}
	w.pass(time.Second)
	a := b.authorize(w.request("app", "max_age", "0", "prompt", "none"))
	if a.sent().Get("error") != "login_required" {
		t.Errorf("max_age=0 with prompt=none: %v", a.location())
	}
}

func TestTrap_AuthTimeAndACRInvented(t *testing.T) {
	w := newWorld(t)
	b, login := w.browser(), w.now()
	w.codeIn(b, "app")
	w.pass(30 * time.Minute)
	c := claims(t, w.redeem("app", w.codeIn(b, "app")).json(t)["id_token"])
	if c["auth_time"] != float64(login.Unix()) || c["acr"] != idp.LevelPassword.ACR() {
		t.Errorf("%v, logged in at %d", c, login.Unix())
	}
	if c["rat"] != nil {
		t.Error("a claim of the library's own")
	}
}

func TestTrap_TokenEndpointErrors(t *testing.T) {
	w := newWorld(t)
	expect(t, w.post(oidc.PathToken, "app", "grant_type", "password", "username", "ab1234", "password", "x"), 400, "unsupported_grant_type")
	expect(t, w.post(oidc.PathToken, "app"), 400, "invalid_request")
	wrong := w.browser().post(w.server.URL+oidc.PathToken, url.Values{"grant_type": {"client_credentials"},
		"client_id": {"app"}, "client_secret": {"wrong"}})
	expect(t, wrong, 401, "invalid_client")
	if wrong.header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	form := "grant_type=authorization_code&grant_type=authorization_code&code=x"
	req, _ := http.NewRequest(http.MethodPost, w.server.URL+oidc.PathToken, strings.NewReader(form))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("app", url.QueryEscape(secret))
	expect(t, w.browser().do(req), 400, "invalid_request")
}

func TestTrap_RefreshRetryKillsTheFamily(t *testing.T) {
	w := newWorld(t)
	first := w.tokens("app", "scope", "openid offline_access")
	old := str(first["refresh_token"])
	second := w.refresh("app", old).json(t)
	w.pass(59 * time.Second)
	again := w.refresh("app", old).json(t)
	if str(again["refresh_token"]) != str(second["refresh_token"]) || str(again["access_token"]) != str(second["access_token"]) {
		t.Fatalf("a retry got other tokens: %v %v", second, again)
	}
	if !w.active("app", str(second["access_token"])) {
		t.Error("the retry ended the family")
	}
}

func TestTrap_RefreshScopeIgnored(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"app", "jwt"} {
		first := w.tokens(id, "scope", "openid email offline_access")
		less := w.refresh(id, str(first["refresh_token"]), "scope", "openid").json(t)
		if less["scope"] != "openid" {
			t.Errorf("%s: narrowed scope: %v", id, less)
		}
		if info := w.userinfo(str(less["access_token"])).json(t); info["email"] != nil || info["sub"] != "sub-wang" {
			t.Errorf("%s: a narrowed token tells %v", id, info)
		}
		full := w.refresh(id, str(less["refresh_token"])).json(t)
		if full["scope"] != "openid email offline_access" {
			t.Errorf("%s: the refresh token lost its scope: %v", id, full)
		}
	}
}

func TestTrap_HintSignedWithTheRetiredKey(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	hint := str(w.redeem("app", w.codeIn(b, "app")).json(t)["id_token"])
	for range 2 {
		must(t, w.ring.Rotate(t.Context(), "RS256", time.Hour))
	}
	w.pass(2 * time.Minute)
	if a := b.authorize(w.request("app", "id_token_hint", hint, "prompt", "none")); a.sent().Get("code") == "" {
		t.Errorf("retired key: %v", a.location())
	}
	if a := b.get(w.server.URL + oidc.PathLogout + "?id_token_hint=" + hint); a.status != 200 || strings.Contains(a.body, "confirm") {
		t.Errorf("logout with a hint by a retired key: %d", a.status)
	}
}

func TestTrap_StaleKidOnRefresh(t *testing.T) {
	w := newWorld(t)
	first := w.tokens("app", "scope", "openid offline_access")
	must(t, w.ring.Rotate(t.Context(), "RS256", time.Hour))
	second := w.refresh("app", str(first["refresh_token"])).json(t)
	if _, kid, err := w.ring.Verify(str(second["id_token"])); err != nil || strings.Split(str(first["id_token"]), ".")[0] == strings.Split(str(second["id_token"]), ".")[0] {
		t.Errorf("after the rotation: kid %s, %v", kid, err)
	}
}

func TestTrap_IntrospectionAuthentication(t *testing.T) {
	w := newWorld(t)
	token := str(w.tokens("app")["access_token"])
	body := url.Values{"token": {token}, "client_id": {"app"}, "client_secret": {secret}}
	if a := w.browser().post(w.server.URL+oidc.PathIntrospect, body); a.json(t)["active"] != true {
		t.Errorf("client_secret_post: %d %s", a.status, a.body)
	}
	body = url.Values{"token": {token}, "client_assertion_type": {assertionType}, "client_assertion": {w.assertion("signed", nil)}}
	if a := w.browser().post(w.server.URL+oidc.PathIntrospect, body); a.status != 200 {
		t.Errorf("private_key_jwt: %d %s", a.status, a.body)
	}
	expect(t, w.post(oidc.PathIntrospect, "", "token", token), 401, "invalid_client")
	expect(t, w.post(oidc.PathIntrospect, "spa", "token", token), 401, "invalid_client")
}

func TestTrap_ErrorsAreJSONForPeople(t *testing.T) {
	w := newWorld(t)
	a := w.browser().authorize(w.request("app", "redirect_uri", "https://evil.test/"))
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.status != 400 {
		t.Errorf("%d %s", a.status, a.header.Get("Content-Type"))
	}
}

func TestTrap_ScopeInTheRedirectAndTokenPrefix(t *testing.T) {
	w := newWorld(t)
	a := w.browser().authorize(w.request("app", "scope", "openid email offline_access"))
	if a.sent().Has("scope") {
		t.Errorf("%v", a.location())
	}
	got := w.redeem("app", a.sent().Get("code")).json(t)
	for _, v := range []string{a.sent().Get("code"), str(got["access_token"]), str(got["refresh_token"])} {
		if strings.HasPrefix(v, "ory_") {
			t.Error("a token names the library")
		}
	}
}

// The library reads the wall clock; ours is years behind it here, and only ours
// decides.
func TestTrap_WallClock(t *testing.T) {
	w := newWorld(t)
	w.pass(-20 * 365 * 24 * time.Hour)
	got := w.tokens("app", "scope", "openid offline_access")
	if !w.active("app", str(got["access_token"])) {
		t.Error("the wall clock ended a token")
	}
	w.pass(10*time.Minute + time.Second)
	if w.active("app", str(got["access_token"])) {
		t.Error("an access token outlives our clock")
	}
}
