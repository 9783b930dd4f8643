package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

// in logs a browser in and gives it with the tokens.
func (w *world) in(clientID string, extra ...string) (*browser, map[string]any) {
	w.t.Helper()
	b := w.browser()
	return b, w.redeem(clientID, w.codeIn(b, clientID, extra...)).json(w.t)
}

func (w *world) loggedIn(b *browser) bool {
	return b.authorize(w.request("app", "prompt", "none")).sent().Get("code") != ""
}

func logoutURL(w *world, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return w.server.URL + oidc.PathLogout + "?" + v.Encode()
}

func TestLogout_WithHint(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		b, got := w.in("app", "scope", "openid")
		w.codeIn(b, "other")
		hint := str(got["id_token"])
		a := b.get(logoutURL(w, "id_token_hint", hint, "post_logout_redirect_uri", "https://rp.test/bye", "state", "a&b 王"))
		if a.status != 303 || !strings.HasPrefix(a.location().String(), "https://rp.test/bye?state=") || a.sent().Get("state") != "a&b 王" {
			t.Errorf("%d %v", a.status, a.location())
		}
		if w.loggedIn(b) {
			t.Error("still logged in")
		}
		if w.active("app", str(got["access_token"])) || w.refresh("app", str(got["refresh_token"])).status == 200 {
			t.Error("the session's tokens live on")
		}
	})
}

func TestLogout_ExpiredHint(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app")
	for range 4 {
		w.pass(30 * time.Minute) // past the hint's end, within the session's idle limit
		w.loggedIn(b)
	}
	a := b.get(logoutURL(w, "id_token_hint", str(got["id_token"])))
	if a.status != 200 || strings.Contains(a.body, `name="confirm"`) || w.loggedIn(b) {
		t.Errorf("%d", a.status)
	}
}

func TestLogout_KeepsOfflineAccess(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app", "scope", "openid offline_access")
	if a := b.get(logoutURL(w, "id_token_hint", str(got["id_token"]))); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	if w.refresh("app", str(got["refresh_token"])).status != 200 {
		t.Error("offline access ended with the session")
	}
}

func TestLogout_SaysWhatWasEnded(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app")
	w.redeem("other", w.codeIn(b, "other"))
	a := b.get(logoutURL(w, "id_token_hint", str(got["id_token"]), "ui_locales", "zh-TW"))
	if a.status != 200 || !containsAll(a.body, "系統 app", "系統 other") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestT154_LogoutWithoutHintAsks(t *testing.T) {
	w := newWorld(t)
	b, _ := w.in("app")
	a := b.get(logoutURL(w, "client_id", "app", "post_logout_redirect_uri", "https://rp.test/bye", "state", "s1"))
	if a.status != 200 || !containsAll(a.body, `name="confirm"`, `value="https://rp.test/bye"`, `value="s1"`) || !w.loggedIn(b) {
		t.Fatalf("not asked: %d %s", a.status, a.body)
	}
	form := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {"https://rp.test/bye"}, "state": {"s1"}, "confirm": {"yes"}}
	for name, header := range map[string][2]string{
		"another origin": {"Origin", "https://evil.test"}, "cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"},
	} {
		req, _ := http.NewRequest(http.MethodPost, w.server.URL+oidc.PathLogout, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set(header[0], header[1])
		if a := b.do(req); a.location() != nil || !w.loggedIn(b) {
			t.Errorf("a confirmation from %s: %d %v", name, a.status, a.location())
		}
	}
	req, _ := http.NewRequest(http.MethodGet, w.server.URL+oidc.PathLogout+"?"+form.Encode(), nil)
	if a := b.do(req); a.location() != nil || !w.loggedIn(b) {
		t.Errorf("a confirmation by GET: %d", a.status)
	}
	a = b.post(w.server.URL+oidc.PathLogout, form)
	if a.status != 303 || a.location().String() != "https://rp.test/bye?state=s1" || w.loggedIn(b) {
		t.Errorf("confirmed: %d %v", a.status, a.location())
	}
	b, _ = w.in("app")
	if a := b.get(logoutURL(w)); !strings.Contains(a.body, `name="confirm"`) {
		t.Errorf("nothing at all: %d", a.status)
	}
	if a := b.post(w.server.URL+oidc.PathLogout, url.Values{"confirm": {"yes"}}); a.status != 200 || w.loggedIn(b) {
		t.Errorf("confirmed without a client: %d", a.status)
	}
}

func TestT154_LogoutRefusals(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app")
	hint := str(got["id_token"])
	for name, pairs := range map[string][]string{
		"altered hint":           {"id_token_hint", hint[:len(hint)-4] + "AAAA"},
		"hint of another client": {"id_token_hint", hint, "client_id", "other"},
		"unknown client":         {"client_id", "nobody"},
		"unregistered address":   {"id_token_hint", hint, "post_logout_redirect_uri", "https://evil.test/"},
		"longer address":         {"id_token_hint", hint, "post_logout_redirect_uri", "https://rp.test/bye/"},
		"address with query":     {"id_token_hint", hint, "post_logout_redirect_uri", "https://rp.test/bye?x=1"},
		"login redirect address": {"id_token_hint", hint, "post_logout_redirect_uri", "https://rp.test/cb"},
		"address of no client":   {"post_logout_redirect_uri", "https://rp.test/bye"},
		"address of another":     {"client_id", "service", "post_logout_redirect_uri", "https://evil.test/bye"},
	} {
		if a := b.get(logoutURL(w, pairs...)); a.status != 400 || a.location() != nil {
			t.Errorf("%s: %d %v", name, a.status, a.location())
		}
	}
	if a := b.get(logoutURL(w, "id_token_hint", hint) + "&id_token_hint=" + hint); a.status != 400 {
		t.Errorf("repeated: %d", a.status)
	}
	if !w.loggedIn(b) {
		t.Error("a refused request ended the session")
	}
}

func TestT162_LogoutOfAnotherPerson(t *testing.T) {
	w := newWorld(t)
	_, wang := w.in("app")
	w.person = "lin"
	b, _ := w.in("app")
	a := b.get(logoutURL(w, "id_token_hint", str(wang["id_token"]), "post_logout_redirect_uri", "https://rp.test/bye"))
	if a.status != 200 || !strings.Contains(a.body, `name="confirm"`) || !w.loggedIn(b) {
		t.Errorf("somebody else's hint ended the session: %d %v", a.status, a.location())
	}
	// Without cookies: nothing to end, and no other session is touched.
	a = w.browser().get(logoutURL(w, "id_token_hint", str(wang["id_token"]), "post_logout_redirect_uri", "https://rp.test/bye"))
	if a.status != 303 || a.location().Host != "rp.test" || !w.loggedIn(b) {
		t.Errorf("%d %v", a.status, a.location())
	}
	// Without hint and session the person is offered the way, not sent.
	a = w.browser().get(logoutURL(w, "client_id", "app", "post_logout_redirect_uri", "https://rp.test/bye"))
	if a.status != 200 || !strings.Contains(a.body, `href="https://rp.test/bye"`) {
		t.Errorf("%d %v", a.status, a.location())
	}
}

func TestLogout_CrossSitePost(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app")
	form := url.Values{"id_token_hint": {str(got["id_token"])}, "post_logout_redirect_uri": {"https://rp.test/bye"}, "state": {"s"}}
	a := b.crossSite(w.server.URL+oidc.PathLogout, form)
	u := a.location()
	if a.status != 303 || u == nil || u.Path != oidc.PathLogout || strings.Contains(u.String(), str(got["id_token"])) {
		t.Fatalf("%d %v", a.status, u)
	}
	if other := b.get(w.server.URL + oidc.PathAuthorize + "?flow=" + u.Query().Get("flow")); other.status != 400 {
		t.Errorf("a logout's handle at the authorization endpoint: %d", other.status)
	}
	if a = b.get(u.String()); a.status != 303 || a.location().String() != "https://rp.test/bye?state=s" || w.loggedIn(b) {
		t.Errorf("%d %v", a.status, a.location())
	}
}

func TestUserinfo_Ways(t *testing.T) {
	w := newWorld(t)
	token := str(w.tokens("app", "scope", strings.Join(allScopes, " "))["access_token"])
	at := w.server.URL + oidc.PathUserinfo
	get := w.userinfo(token)
	want := map[string]any{"sub": "sub-wang", "name": "王大明", "preferred_username": "ab1234", "email": "ab1234@gov.taipei", "email_verified": true,
		"phone_number": "02-2720-8889", "phone_number_verified": false, "agency_code": "379000000A", "agency_name": "資訊局", "unit": "系發組",
		"title": "科員", "updated_at": float64(mustPerson(t, w, "wang").UpdatedAt.Unix())}
	info := get.json(t)
	for name, v := range want {
		if info[name] != v {
			t.Errorf("%s: %v, want %v", name, info[name], v)
		}
	}
	if address, _ := info["address"].(map[string]any); address["formatted"] != "臺北市信義區市府路1號" || len(info) != len(want)+1 {
		t.Errorf("%v", info)
	}
	req, _ := http.NewRequest(http.MethodPost, at, nil)
	req.Header.Set("Authorization", "bearer "+token)
	if a := w.browser().do(req); a.body != get.body {
		t.Errorf("POST with header: %d %s", a.status, a.body)
	}
	if a := w.browser().post(at, url.Values{"access_token": {token}}); a.body != get.body {
		t.Errorf("POST with body: %d %s", a.status, a.body)
	}
	if get.header.Get("Cache-Control") != "no-store" {
		t.Error("may be cached")
	}
	none := w.browser().get(at)
	if none.status != 401 || none.header.Get("WWW-Authenticate") != `Bearer realm="taipeion"` {
		t.Errorf("no token: %d %s", none.status, none.header.Get("WWW-Authenticate"))
	}
	if a := w.userinfo("x"); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("bad token: %d %s", a.status, a.header.Get("WWW-Authenticate"))
	}
	req, _ = http.NewRequest(http.MethodPost, at, strings.NewReader(url.Values{"access_token": {token}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	if a := w.browser().do(req); a.status != 400 {
		t.Errorf("two ways: %d", a.status)
	}
	if a := w.userinfo(str(w.tokens("app")["access_token"])).json(t); len(a) != 1 {
		t.Errorf("openid alone tells %v", a)
	}
}

func TestClaimsParameter(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("app", "claims", `{"userinfo":{"email":{"essential":true},"name":null,"title":{"value":"局長"},"unit":{"values":["x","系發組"]},"picture":null},
		"id_token":{"email":null,"auth_time":{"essential":true},"agency_name":null}}`)
	info := w.userinfo(str(got["access_token"])).json(t)
	if info["email"] != "ab1234@gov.taipei" || info["name"] != "王大明" || info["title"] != nil || info["unit"] != "系發組" || len(info) != 4 {
		t.Errorf("%v", info)
	}
	c := claims(t, got["id_token"])
	if c["email"] != "ab1234@gov.taipei" || c["agency_name"] != "資訊局" || c["auth_time"] == nil || c["name"] != nil {
		t.Errorf("%v", c)
	}
	b := w.browser()
	w.codeIn(b, "app")
	if a := b.authorize(w.request("app", "claims", `{"id_token":{"sub":{"value":"sub-wang"}}}`, "prompt", "none")); a.sent().Get("code") == "" {
		t.Errorf("the right sub: %v", a.location())
	}
	if a := b.authorize(w.request("app", "claims", `{"id_token":{"sub":{"value":"sub-lin"}}}`, "prompt", "none")); a.sent().Get("error") != "login_required" {
		t.Errorf("another sub: %v", a.location())
	}
	for request, want := range map[string]string{
		`{"id_token":{"sub":{"values":["sub-lin","sub-wang"]}}}`:                                        "",
		`{"id_token":{"sub":{"values":["sub-lin","sub-x"]}}}`:                                           "login_required",
		`{"userinfo":{"sub":{"values":["sub-lin","sub-x"]}}}`:                                           "login_required",
		`{"id_token":{"sub":{"values":["sub-lin","sub-wang"]}},"userinfo":{"sub":{"value":"sub-lin"}}}`: "login_required",
		`{"id_token":{"sub":{"values":["sub-lin","sub-x"]}},"userinfo":{"sub":{"value":"sub-wang"}}}`:   "invalid_request",
		`{"id_token":{"sub":{"value":""}}}`:                                                             "invalid_request",
		`{"id_token":{"sub":{"value":null}}}`:                                                           "",
		`{"id_token":{"sub":{"value":5}}}`:                                                              "invalid_request",
		`{"id_token":{"sub":{"values":[5,"sub-lin"]}}}`:                                                 "login_required",
		`{"id_token":{"sub":{"essential":true}}}`:                                                       "",
	} {
		if a := b.authorize(w.request("app", "claims", request, "prompt", "none")); a.sent().Get("error") != want {
			t.Errorf("%s: %v", request, a.location())
		}
	}
	for _, bad := range []string{"x", "[]", `{"id_token":[]}`, `{"id_token":{"acr":1}}`, strings.Repeat(`{"a":`, 5000)} {
		if a := b.authorize(w.request("app", "claims", bad)); a.sent().Get("error") != "invalid_request" {
			t.Errorf("%.20s: %v", bad, a.location())
		}
	}
	w.changeClient("other", func(c *idp.Client) { c.Scopes = []string{"openid"} })
	less := w.tokens("other", "claims", `{"userinfo":{"email":null},"id_token":{"phone_number":null}}`)
	if info := w.userinfo(str(less["access_token"])).json(t); info["email"] != nil || claims(t, less["id_token"])["phone_number"] != nil {
		t.Error("a claim beyond the client's scopes")
	}
}

// TestT153_ACodeIssuedWhileTheSessionEndsIsDead lets logouts and code requests of
// one session meet: what came out of the session does not outlive it.
func TestT153_ACodeIssuedWhileTheSessionEndsIsDead(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		for range 30 {
			b, got := w.in("app", "scope", "openid")
			var wg sync.WaitGroup
			var code string
			wg.Go(func() { code = b.authorize(w.request("app", "scope", "openid", "prompt", "none")).sent().Get("code") })
			wg.Go(func() { b.get(logoutURL(w, "id_token_hint", str(got["id_token"]))) })
			wg.Wait()
			if code == "" {
				continue
			}
			if a := w.redeem("app", code); a.status == 200 {
				t.Errorf("a code of the ended session gave tokens: active %v", w.active("app", str(a.json(t)["access_token"])))
			}
		}
	})
}
