package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func TestT001_RedirectVariants(t *testing.T) {
	w := newWorld(t)
	variants := []string{
		"", " ", "https://rp.test", "https://rp.test/", "https://rp.test/cb/", "https://rp.test/cb/x", "https://rp.test/cbx",
		"https://rp.test/cb?x=1", "https://rp.test/cb?", "https://rp.test/cb#", "https://rp.test/cb#f", "https://rp.test/CB",
		"https://RP.test/cb", "HTTPS://rp.test/cb", "http://rp.test/cb", "https://rp.test:443/cb", "https://rp.test:444/cb",
		"https://rp.test.evil.test/cb", "https://evilrp.test/cb", "https://evil.test/rp.test/cb", "https://rp.test@evil.test/cb",
		"https://user@rp.test/cb", "https://user:pw@rp.test/cb", "https://rp.test/./cb", "https://rp.test/x/../cb",
		"https://rp.test/cb/..", "https://rp.test/cb/..;/x", "https://rp.test/%63b", "https://rp.test/cb%2f", "https://rp.test/%2e%2e/cb",
		"https://rp.test/cb%252f", "https://rp.test\\cb", "https://rp.test\\@evil.test/cb", "https:\\\\rp.test\\cb", "https:/rp.test/cb",
		"https:rp.test/cb", "//rp.test/cb", "/cb", "cb", "https://rp.test/cb\t", "https://rp.test/cb\r\nX: y", "https://rp.test/c\nb",
		"\thttps://rp.test/cb", " https://rp.test/cb", "https://rp.test/cb ", "https://rp．test/cb", "https://rp。test/cb",
		"https://rpxtest/cb", "https://xn--rp-test/cb", "https://rp.test./cb", "https://rp.test/cb;x", "https://rp.test//cb",
		"https://rр.test/cb", "javascript:alert(1)", "data:text/html,x", "https://rp.test/cb\x00", "https://rp.test/cb%00",
		"https://rp.test/cb,https://evil.test/", "https://rp.test/cb https://evil.test/", "https://[::1]/cb", "*", "https://*/cb",
	}
	if len(variants) < 40 {
		t.Fatal("too few variants")
	}
	b := w.browser()
	w.codeIn(b, "app") // logged in: a match would give a code at once
	before := w.store.Stats()
	for _, uri := range variants {
		v := w.request("app")
		v.Set("redirect_uri", uri)
		for name, a := range map[string]*reply{
			"GET":  b.get(w.server.URL + oidc.PathAuthorize + "?" + v.Encode()),
			"POST": b.post(w.server.URL+oidc.PathAuthorize, v),
		} {
			if a.status != 400 || a.header.Get("Location") != "" || strings.Contains(a.body, `href="http`) {
				t.Errorf("%s %q: %d %s", name, uri, a.status, a.header.Get("Location"))
			}
		}
	}
	if after := w.store.Stats(); after.Writes != before.Writes {
		t.Errorf("something was written: %+v, %+v", before, after)
	}
}

func TestT001_UnknownAndDisabledClient(t *testing.T) {
	w := newWorld(t)
	w.changeClient("other", func(c *idp.Client) { c.Disabled = true })
	for _, id := range []string{"nobody", "other", "", "app\x00", "app ", "APP", strings.Repeat("a", 300), "王"} {
		v := w.request("app")
		v.Set("client_id", id)
		a := w.browser().get(w.server.URL + oidc.PathAuthorize + "?" + v.Encode())
		if a.status != 400 || a.header.Get("Location") != "" {
			t.Errorf("%q: %d %s", id, a.status, a.header.Get("Location"))
		}
	}
}

// The query that a client registered stays as it is (RFC 6749 section 3.1.2).
func TestT002_RegisteredQueryIsKept(t *testing.T) {
	w := newWorld(t)
	a := w.browser().authorize(w.request("other"))
	if !strings.HasPrefix(a.header.Get("Location"), "https://other.test/cb?tenant=1&code=") {
		t.Errorf("%s", a.header.Get("Location"))
	}
	for _, uri := range []string{"https://other.test/cb", "https://other.test/cb?tenant=2", "https://other.test/cb?tenant=1&code=x"} {
		if a := w.browser().authorize(w.request("other", "redirect_uri", uri)); a.status != 400 {
			t.Errorf("%s: %d", uri, a.status)
		}
	}
	custom := w.browser().authorize(w.request("native", "redirect_uri", "tw.gov.taipei.app:/cb"))
	if !strings.HasPrefix(custom.header.Get("Location"), "tw.gov.taipei.app:/cb?code=") {
		t.Errorf("%s", custom.header.Get("Location"))
	}
}

func TestT003_DangerousAddressesAtWrite(t *testing.T) {
	w := newWorld(t)
	good, err := w.store.Client(t.Context(), "app")
	must(t, err)
	public, err := w.store.Client(t.Context(), "native")
	must(t, err)
	bad := []string{
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "\x01javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
		"data:text/html,x", "DATA:text/html,x", "vbscript:x", "file:///etc/passwd", "FILE:///etc", "blob:https://rp.test/x",
		"http://rp.test/cb", "https://rp.test/cb#f", "https://rp.test/cb#", "https://u:p@rp.test/", "https:///cb", "https:cb", "//rp.test/cb", "/cb", "",
		"https://rp.test/../x", "https://rp.test/\"x", "https://rp.test/<x>", "https://rp.test\\x", "https://*.rp.test/cb", "https://rp.test/cb ",
		"https://rp.test/王", "HTTPS://rp.test/cb", "https://RP.test/cb", "about:blank", "intent:x", "http://127.0.0.1.evil.test/cb", "http://localhost.evil.test/",
	}
	for _, uri := range bad {
		for name, set := range map[string]func(*idp.Client){
			"redirect":    func(c *idp.Client) { c.RedirectURIs = []string{"https://rp.test/ok", uri} },
			"post-logout": func(c *idp.Client) { c.PostLogoutURIs = []string{uri} },
			"uri":         func(c *idp.Client) { c.URI = uri },
			"origin":      func(c *idp.Client) { c.Origins = []string{uri} },
		} {
			for _, base := range []*idp.Client{good, public} {
				c := *base
				set(&c)
				if name == "uri" && uri == "" {
					continue
				}
				if oidc.ValidateClient(&c) == nil {
					t.Errorf("%s %q is taken for %s", name, uri, c.ID)
				}
			}
		}
	}
	for _, uri := range []string{"https://rp.test/cb", "https://rp.test:8443/a/b?x=1", "http://127.0.0.1:9999/callback", "http://[::1]/cb", "http://localhost:8080/cb"} {
		c := *good
		c.RedirectURIs, c.PostLogoutURIs, c.URI = []string{uri}, []string{uri}, uri
		if err := oidc.ValidateClient(&c); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestValidateClient_Registrations(t *testing.T) {
	w := newWorld(t)
	good, err := w.store.Client(t.Context(), "app")
	must(t, err)
	must(t, oidc.ValidateClient(good))
	for name, spoil := range map[string]func(*idp.Client){
		"no id":                  func(c *idp.Client) { c.ID = "" },
		"id with space":          func(c *idp.Client) { c.ID = "a b" },
		"id with NUL":            func(c *idp.Client) { c.ID = "a\x00" },
		"no name":                func(c *idp.Client) { c.Name = " " },
		"no method":              func(c *idp.Client) { c.AuthMethods = nil },
		"unknown method":         func(c *idp.Client) { c.AuthMethods = []string{"client_secret_jwt"} },
		"none and secret":        func(c *idp.Client) { c.AuthMethods = []string{idp.AuthNone, idp.AuthSecretBasic} },
		"public with secret":     func(c *idp.Client) { c.AuthMethods = []string{idp.AuthNone} },
		"no secret":              func(c *idp.Client) { c.SecretHash = nil },
		"assertion without keys": func(c *idp.Client) { c.AuthMethods = []string{idp.AuthPrivateKeyJWT} },
		"password grant":         func(c *idp.Client) { c.GrantTypes = []string{"password"} },
		"no grant":               func(c *idp.Client) { c.GrantTypes = nil },
		"refresh alone":          func(c *idp.Client) { c.GrantTypes = []string{"refresh_token"} },
		"no redirect":            func(c *idp.Client) { c.RedirectURIs = nil },
		"alg none":               func(c *idp.Client) { c.IDTokenAlg = "none" },
		"alg HS256":              func(c *idp.Client) { c.IDTokenAlg = "HS256" },
		"level 9":                func(c *idp.Client) { c.MinLevel = 9 },
		"scope with space":       func(c *idp.Client) { c.Scopes = []string{"a b"} },
		"scope with quote":       func(c *idp.Client) { c.Scopes = []string{`a"b`} },
		"custom scheme":          func(c *idp.Client) { c.RedirectURIs = []string{"tw.gov.app:/cb"} },
		"origin with path":       func(c *idp.Client) { c.Origins = []string{"https://rp.test/"} },
	} {
		c := *good
		spoil(&c)
		if oidc.ValidateClient(&c) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestT004_RepeatedParameters(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.codeIn(b, "app")
	for name, values := range w.request("app", "unknown", "x", "prompt", "none", "max_age", "60") {
		query := w.request("app", "unknown", "x", "prompt", "none", "max_age", "60").Encode() + "&" + name + "=" + url.QueryEscape(values[0])
		if a := b.get(w.server.URL + oidc.PathAuthorize + "?" + query); a.status != 400 || a.location() != nil {
			t.Errorf("GET with %s twice: %d", name, a.status)
		}
		address := w.server.URL + oidc.PathAuthorize + "?" + name + "=" + url.QueryEscape(values[0])
		if a := b.post(address, w.request("app", "unknown", "x")); a.status != 400 && w.request("app", "unknown", "x").Has(name) {
			t.Errorf("%s in query and body: %d", name, a.status)
		}
	}
	code := w.codeIn(b, "app")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code, code}, "redirect_uri": {"https://rp.test/cb"},
		"code_verifier": {verifier}, "client_id": {"app"}, "client_secret": {secret}}
	expect(t, w.browser().post(w.server.URL+oidc.PathToken, form), 400, "invalid_request")
	form.Set("code", code)
	expect(t, w.browser().post(w.server.URL+oidc.PathToken+"?code=other", form), 400, "invalid_request")
	if a := w.browser().post(w.server.URL+oidc.PathToken, form); a.status != 200 {
		t.Errorf("a refused request burnt the code: %d %s", a.status, a.body)
	}
}

func TestT005_NothingIsReflected(t *testing.T) {
	w := newWorld(t)
	payloads := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `javascript:alert(1)`, `<svg/onload=alert(1)>`,
		`{{7*7}}`, `${7*7}`, `</title><script>alert(1)</script>`, `"autofocus onfocus=alert(1) x="`, `<!--`, `]]><script>`, "\u2028<script>",
	}
	names := []string{"client_id", "redirect_uri", "error", "error_description", "error_hint", "login_hint", "ui_locales", "state", "scope",
		"response_type", "response_mode", "prompt", "display", "id_token_hint", "post_logout_redirect_uri", "flow"}
	for _, payload := range payloads {
		for _, name := range names {
			v := url.Values{name: {payload}}
			for _, a := range []*reply{
				w.browser().get(w.server.URL + oidc.PathAuthorize + "?" + v.Encode()),
				w.browser().get(w.server.URL + oidc.PathLogout + "?" + v.Encode()),
				w.browser().post(w.server.URL+oidc.PathToken, v),
			} {
				if strings.Contains(a.body, payload) && payload != "javascript:alert(1)" {
					t.Errorf("%s=%q comes back from %s", name, payload, a.at.Path)
				}
				if strings.Contains(a.body, `href="javascript:`) {
					t.Errorf("%s=%q became a link", name, payload)
				}
			}
		}
	}
}

// Whatever a request says about where to go: the provider goes to its own pages
// and to registered addresses.
func TestT006_OpenRedirects(t *testing.T) {
	w := newWorld(t)
	b, got := w.in("app")
	targets := []string{"https://evil.test/", "//evil.test", `/\evil.test`, `\/evil.test`, "/%09/evil.test", "///evil.test", "https:evil.test",
		"http:/evil.test", "javascript:alert(1)", "/.evil.test", "https://rp.test@evil.test", "/\t/evil.test", "%2f%2fevil.test"}
	names := []string{"next", "return", "return_to", "back", "continue", "redirect", "url", "target", "RelayState", "post_logout_redirect_uri", "flow"}
	for _, name := range names {
		for _, target := range targets {
			extra := url.Values{name: {target}}.Encode()
			for _, address := range []string{
				oidc.PathAuthorize + "?" + w.request("app").Encode() + "&" + extra, oidc.PathAuthorize + "?" + extra,
				oidc.PathLogout + "?id_token_hint=tampered" + str(got["id_token"]) + "&" + extra, oidc.PathLogout + "?client_id=app&" + extra,
			} {
				u := b.get(w.server.URL + address).location()
				if u != nil && u.Host != "rp.test" && !strings.HasPrefix(u.String(), w.server.URL+"/") {
					t.Errorf("%s leads to %s", address, u)
				}
			}
		}
	}
}

func TestT014_T015_RequestObjects(t *testing.T) {
	w := newWorld(t)
	for _, uri := range []string{"urn:ietf:params:oauth:request_uri:x", "https://rp.test/r", "file:///etc/passwd", "http://127.0.0.1:1/"} {
		if a := w.browser().authorize(w.request("app", "request_uri", uri)); a.sent().Get("error") != "request_uri_not_supported" {
			t.Errorf("%s: %v", uri, a.location())
		}
	}
	for name, jws := range w.forgeries(map[string]any{"iss": "app", "aud": w.issuer, "client_id": "app", "redirect_uri": "https://evil.test/"}) {
		if a := w.browser().authorize(w.request("app", "request", jws)); a.sent().Get("error") != "request_not_supported" || a.location().Host != "rp.test" {
			t.Errorf("%s: %v", name, a.location())
		}
	}
}
