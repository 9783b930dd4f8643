package oidc_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func TestT007_ResponseTypesAndModes(t *testing.T) {
	w := newWorld(t)
	for _, typ := range []string{"token", "id_token", "code token", "code id_token", "id_token token", "none", "jwt", "Code", "code code2"} {
		a := w.browser().authorize(w.request("app", "response_type", typ))
		if a.sent().Get("error") != "unsupported_response_type" || a.location().Fragment != "" {
			t.Errorf("response_type %q: %v", typ, a.location())
		}
	}
	if a := w.browser().authorize(w.request("app", "response_type", "")); a.sent().Get("error") != "invalid_request" {
		t.Errorf("no response_type: %v", a.location())
	}
	for _, mode := range []string{"fragment", "jwt", "query.jwt", "form_post.jwt", "web_message", "QUERY"} {
		a := w.browser().authorize(w.request("app", "response_mode", mode))
		if a.sent().Get("error") != "invalid_request" || a.location().Fragment != "" {
			t.Errorf("response_mode %q: %v", mode, a.location())
		}
	}
	if a := w.browser().authorize(w.request("app", "response_mode", "query")); a.sent().Get("code") == "" {
		t.Errorf("query: %v", a.location())
	}
}

func TestT008_FormPost(t *testing.T) {
	w := newWorld(t)
	for _, state := range []string{`"'><script>alert(1)</script>&amp;`, strings.Repeat("s", 4096), "王大明"} {
		a := w.browser().authorize(w.request("app", "response_mode", "form_post", "state", state))
		if a.status != 200 || a.location() != nil {
			t.Fatalf("%d %v", a.status, a.location())
		}
		if !containsAll(a.body, `action="https://rp.test/cb"`, `name="code"`, `name="iss"`, `value="`+html.EscapeString(state)+`"`) {
			t.Errorf("state %.20q: %s", state, a.body)
		}
		csp := a.header.Get("Content-Security-Policy")
		if !containsAll(csp, "form-action 'self' https://rp.test", "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
		if strings.Contains(a.body, "onload") || strings.Contains(a.body, "<script>") || !strings.Contains(a.body, "<button") {
			t.Error("an inline script, or no button")
		}
	}
	a := w.browser().authorize(w.request("app", "response_mode", "form_post", "prompt", "none"))
	if !containsAll(a.body, `value="login_required"`, `action="https://rp.test/cb"`) {
		t.Errorf("an error by form_post: %s", a.body)
	}
}

func TestT009_IssuerInEveryResponse(t *testing.T) {
	w := newWorld(t)
	for name, v := range map[string]url.Values{
		"code":            w.request("app"),
		"no session":      w.request("app", "prompt", "none"),
		"unsupported":     w.request("app", "response_type", "token"),
		"request object":  w.request("app", "request", "x.y.z"),
		"missing pkce":    w.request("app", "code_challenge", "", "code_challenge_method", ""),
		"malformed":       w.request("app", "max_age", "x"),
		"scope":           w.request("app", "scope", "unheard-of"),
		"grant not given": w.request("third", "prompt", "none"),
	} {
		a := w.browser().authorize(v)
		if a.sent().Get("iss") != w.issuer || a.sent().Get("state") != "st" {
			t.Errorf("%s: %v", name, a.location())
		}
	}
	if d := w.browser().get(w.server.URL + oidc.PathDiscovery).json(t); d["issuer"] != w.issuer {
		t.Errorf("%v", d["issuer"])
	}
}

func TestT010_SeeOther(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	a := b.post(w.server.URL+oidc.PathAuthorize, w.request("app"))
	if a.status != http.StatusSeeOther {
		t.Errorf("POST: %d", a.status)
	}
	a = b.follow(a)
	if a.status != http.StatusSeeOther || a.sent().Get("code") == "" {
		t.Errorf("%d %v", a.status, a.location())
	}
}

func TestT011_PromptAndHint(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	if a := b.authorize(w.request("app", "prompt", "none")); a.sent().Get("error") != "login_required" || w.logins != 0 {
		t.Errorf("prompt=none without session: %v", a.location())
	}
	hint := str(w.redeem("app", w.codeIn(b, "app")).json(t)["id_token"])
	if a := b.authorize(w.request("app", "prompt", "none", "id_token_hint", hint)); a.sent().Get("code") == "" {
		t.Errorf("prompt=none with session: %v", a.location())
	}
	w.pass(time.Minute)
	before := w.logins
	w.codeIn(b, "app", "prompt", "login")
	if w.logins != before+1 {
		t.Error("prompt=login did not ask")
	}
	w.pass(time.Minute)
	w.cancel = true
	if a := b.authorize(w.request("app", "prompt", "login")); a.sent().Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", a.location())
	}
	w.cancel = false
	if a := b.authorize(w.request("high", "prompt", "none")); a.sent().Get("code") != "" {
		t.Error("a cancelled login left a raised session")
	}
	w.pass(time.Minute)
	w.codeIn(b, "app", "max_age", "3600")
	if w.logins != before+1 {
		t.Error("max_age asked too early")
	}
	if w.codeIn(b, "app", "max_age", "30"); w.logins != before+2 {
		t.Error("max_age is not honoured")
	}
	// Somebody else's browser.
	w.person = "lin"
	other := w.browser()
	w.codeIn(other, "app")
	for _, extra := range [][]string{{"id_token_hint", hint, "prompt", "none"}, {"id_token_hint", hint}} {
		if a := other.authorize(w.request("app", extra...)); a.sent().Get("error") != "login_required" {
			t.Errorf("another user's hint %v: %d %v", extra[2:], a.status, a.location())
		}
	}
	for _, p := range []string{"none login", "create", "login none", "NONE"} {
		if a := other.authorize(w.request("app", "prompt", p)); a.sent().Get("error") != "invalid_request" {
			t.Errorf("prompt %q: %v", p, a.location())
		}
	}
}

func TestT012_AlteredBetweenSteps(t *testing.T) {
	w := newWorld(t)
	start := func(b *browser) string {
		w.stay = true
		defer func() { w.stay = false }()
		return b.authorize(w.request("high")).at.Query().Get("flow")
	}
	resume := w.server.URL + oidc.PathAuthorize + "?flow="
	for _, extra := range []string{"scope=openid+email", "acr_values=urn:taipeion:acr:1", "redirect_uri=https://rp.test/cb",
		"code_challenge=x", "state=other", "agency=1", "client_id=app"} {
		b := w.browser()
		handle := start(b)
		if a := b.get(resume + handle + "&" + extra); a.status != 400 || a.location() != nil {
			t.Errorf("%s beside the handle: %d %v", extra, a.status, a.location())
		}
		if a := b.get(resume + handle); a.status != 400 && !strings.HasPrefix(extra, "client_id") {
			t.Errorf("the flow goes on after %s: %d", extra, a.status)
		}
	}
	b := w.browser()
	handle := start(b)
	a := b.follow(b.get(resume + handle + "&lang=en"))
	answer := w.redeem("high", a.sent().Get("code")).json(t)
	if answer["scope"] != "openid" || claims(t, answer["id_token"])["acr"] != idp.LevelCard.ACR() {
		t.Errorf("%v", answer)
	}
	// A used flow, an invented one, one cut short.
	for _, h := range []string{handle, "x", handle[:20], strings.Repeat("A", 43)} {
		if a := b.get(resume + h); a.status != 400 || a.location() != nil {
			t.Errorf("flow %.10s: %d %v", h, a.status, a.location())
		}
	}
}

func TestT013_FlowOfAnotherBrowser(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.stay = true
		a := w.browser()
		handle := a.authorize(w.request("app")).at.Query().Get("flow")
		w.stay = false
		victim := w.browser()
		stranger := w.browser()
		w.codeIn(victim, "app")
		for name, b := range map[string]*browser{"logged in": victim, "not logged in": stranger} {
			got := b.get(w.server.URL + oidc.PathAuthorize + "?flow=" + handle)
			if got.status != 400 || got.location() != nil {
				t.Errorf("%s: %d %v", name, got.status, got.location())
			}
		}
		if got := a.follow(a.get(w.server.URL + oidc.PathAuthorize + "?flow=" + handle)); got.sent().Get("code") == "" {
			t.Errorf("the flow's own browser: %d %v", got.status, got.location())
		}
	})
}

func TestCrossSitePost(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		b := w.browser()
		w.codeIn(b, "app")
		logins := w.logins
		a := b.crossSite(w.server.URL+oidc.PathAuthorize, w.request("app", "login_hint", "ab1234"))
		u := a.location()
		if a.status != 303 || u == nil || strings.Contains(u.String(), "ab1234") {
			t.Fatalf("%d %v", a.status, u)
		}
		if got := w.browser().get(u.String()); got.status != 400 || got.location() != nil {
			t.Errorf("a posted request in another browser: %d %v", got.status, got.location())
		}
		if got := b.follow(b.get(u.String())); got.sent().Get("code") == "" || w.logins != logins {
			t.Errorf("single sign-on after a cross-site POST: %v, %d logins", got.location(), w.logins-logins)
		}
		if got := b.get(w.server.URL + oidc.PathLogout + "?" + u.RawQuery); got.status != 400 {
			t.Errorf("a posted request at the logout: %d", got.status)
		}
		w.pass(3 * time.Minute)
		if got := b.get(u.String()); got.status != 400 {
			t.Errorf("a request that waited too long: %d", got.status)
		}
	})
}

// crossSite posts as a browser does from another site: no Lax cookie goes out,
// and those of the answer are kept.
func (b *browser) crossSite(address string, form url.Values) *reply {
	b.t.Helper()
	bare := &browser{b.t, b.base, &http.Client{CheckRedirect: b.http.CheckRedirect}}
	a := bare.post(address, form)
	b.http.Jar.SetCookies(a.at, (&http.Response{Header: a.header}).Cookies())
	return a
}

func TestHeadHasNoEffect(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app")
	before := w.store.Stats().Writes
	for _, address := range []string{oidc.PathAuthorize + "?" + w.request("app").Encode(), oidc.PathLogout + "?id_token_hint=" + str(got["id_token"])} {
		req, _ := http.NewRequest(http.MethodHead, w.server.URL+address, nil)
		if a := b.do(req); a.status != 405 {
			t.Errorf("%d", a.status)
		}
	}
	if w.store.Stats().Writes != before || !w.loggedIn(b) {
		t.Error("HEAD had an effect")
	}
}

func TestFlowExpires(t *testing.T) {
	w := newWorld(t)
	w.stay = true
	b := w.browser()
	handle := b.authorize(w.request("app")).at.Query().Get("flow")
	w.stay = false
	w.pass(15 * time.Minute)
	if a := b.get(w.server.URL + oidc.PathAuthorize + "?flow=" + handle); a.status != 400 || a.location() != nil {
		t.Errorf("%d %v", a.status, a.location())
	}
}
