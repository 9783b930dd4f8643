package oidc_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

// basicOP follows the module classes of the OpenID Foundation's Basic OP plan.
// Each row sends one authorization request in a browser that is logged in.
var basicOP = []struct {
	name  string
	extra []string
	error string // expected in the redirect; "page" for none
	check func(t *testing.T, w *world, sent url.Values, tokens, id map[string]any)
}{
	{name: "server", check: func(t *testing.T, w *world, _ url.Values, tokens, id map[string]any) {
		if id["iss"] != w.issuer || id["aud"] != "app" || id["at_hash"] == nil || id["exp"] == nil || id["iat"] == nil || tokens["expires_in"] == nil {
			t.Errorf("%v %v", tokens, id)
		}
	}},
	{name: "response type missing", extra: []string{"response_type", ""}, error: "invalid_request"},
	{name: "nonce missing is fine in the code flow", extra: []string{"nonce", ""}, check: func(t *testing.T, _ *world, _ url.Values, _, id map[string]any) {
		if id["nonce"] != nil {
			t.Error("a nonce from nowhere")
		}
	}},
	{name: "nonce comes back", extra: []string{"nonce", "n-0S6_WzA2Mj"}, check: func(t *testing.T, _ *world, _ url.Values, _, id map[string]any) {
		if id["nonce"] != "n-0S6_WzA2Mj" {
			t.Errorf("%v", id["nonce"])
		}
	}},
	{name: "scope profile", extra: []string{"scope", "openid profile"}, check: hasClaims("name", "preferred_username", "updated_at")},
	{name: "scope email", extra: []string{"scope", "openid email"}, check: hasClaims("email", "email_verified")},
	{name: "scope address", extra: []string{"scope", "openid address"}, check: hasClaims("address")},
	{name: "scope phone", extra: []string{"scope", "openid phone"}, check: hasClaims("phone_number")},
	{name: "scope all", extra: []string{"scope", "openid profile email address phone"}, check: hasClaims("name", "email", "address", "phone_number")},
	{name: "other scope order", extra: []string{"scope", "email profile openid"}, check: hasClaims("name", "email")},
	{name: "unknown scope is ignored", extra: []string{"scope", "openid unheard-of"}, check: func(t *testing.T, _ *world, _ url.Values, tokens, _ map[string]any) {
		if tokens["scope"] != "openid" {
			t.Errorf("%v", tokens["scope"])
		}
	}},
	{name: "display page", extra: []string{"display", "page"}},
	{name: "display popup", extra: []string{"display", "popup"}},
	{name: "prompt login", extra: []string{"prompt", "login"}},
	{name: "prompt none logged in", extra: []string{"prompt", "none"}},
	{name: "prompt consent", extra: []string{"prompt", "consent"}},
	{name: "prompt select_account", extra: []string{"prompt", "select_account"}},
	{name: "max_age 10000", extra: []string{"max_age", "10000"}, check: func(t *testing.T, _ *world, _ url.Values, _, id map[string]any) {
		if id["auth_time"] == nil {
			t.Error("no auth_time")
		}
	}},
	{name: "max_age 1", extra: []string{"max_age", "1"}, check: func(t *testing.T, w *world, _ url.Values, _, id map[string]any) {
		if age := float64(w.now().Unix()) - id["auth_time"].(float64); age > 1 {
			t.Errorf("logged in %v s ago", age)
		}
	}},
	{name: "max_age of many digits", extra: []string{"max_age", "99999999999999999999"}},
	{name: "max_age with a sign", extra: []string{"max_age", "+5"}, error: "invalid_request"},
	{name: "max_age negative", extra: []string{"max_age", "-1"}, error: "invalid_request"},
	{name: "unknown parameters are ignored", extra: []string{"extra", "foobar", "flow", "x"}},
	{name: "login_hint", extra: []string{"login_hint", "ab1234"}},
	{name: "ui_locales", extra: []string{"ui_locales", "se"}},
	{name: "claims_locales", extra: []string{"claims_locales", "se"}},
	{name: "acr_values", extra: []string{"acr_values", "1 2"}},
	{name: "claims essential", extra: []string{"claims", `{"userinfo":{"name":{"essential":true}}}`}, check: hasClaims("name")},
	{name: "state missing", extra: []string{"state", ""}, check: func(t *testing.T, _ *world, sent url.Values, _, _ map[string]any) {
		if sent.Has("state") {
			t.Error("a state from nowhere")
		}
	}},
	{name: "request object", extra: []string{"request", "eyJhbGciOiJub25lIn0.e30."}, error: "request_not_supported"},
	{name: "request_uri", extra: []string{"request_uri", "https://rp.test/req"}, error: "request_uri_not_supported"},
	{name: "registration", extra: []string{"registration", "{}"}, error: "registration_not_supported"},
	{name: "redirect_uri missing", extra: []string{"redirect_uri", ""}, error: "page"},
	{name: "redirect_uri with query added", extra: []string{"redirect_uri", "https://rp.test/cb?foo=bar"}, error: "page"},
	{name: "redirect_uri not registered", extra: []string{"redirect_uri", "https://rp.test/other"}, error: "page"},
}

func hasClaims(names ...string) func(*testing.T, *world, url.Values, map[string]any, map[string]any) {
	return func(t *testing.T, w *world, _ url.Values, tokens, id map[string]any) {
		t.Helper()
		info := w.userinfo(str(tokens["access_token"])).json(t)
		for _, name := range append(names, "sub") {
			if info[name] == nil {
				t.Errorf("no %s: %v", name, info)
			}
		}
		if info["sub"] != id["sub"] {
			t.Errorf("sub %v and %v", info["sub"], id["sub"])
		}
	}
}

func TestConformance_BasicOP(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		for _, row := range basicOP {
			t.Run(row.name, func(t *testing.T) {
				b := w.browser()
				w.codeIn(b, "app")
				w.pass(5 * time.Second)
				a := b.authorize(w.request("app", row.extra...))
				switch {
				case row.error == "page":
					if a.status != 400 || a.location() != nil {
						t.Errorf("%d %v", a.status, a.location())
					}
					return
				case row.error != "":
					if a.sent().Get("error") != row.error {
						t.Errorf("%v", a.location())
					}
					return
				}
				got := w.redeem("app", a.sent().Get("code"))
				if got.status != 200 {
					t.Fatalf("%v: %d %s", a.location(), got.status, got.body)
				}
				tokens := got.json(t)
				if row.check != nil {
					row.check(t, w, a.sent(), tokens, claims(t, tokens["id_token"]))
				}
			})
		}
	})
}

func TestClientAuthentication_Ways(t *testing.T) {
	w := newWorld(t)
	code := func() url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {w.code("app")}, "redirect_uri": {"https://rp.test/cb"}, "code_verifier": {verifier}}
	}
	v := code()
	v.Set("client_id", "app")
	v.Set("client_secret", secret)
	if a := w.browser().post(w.server.URL+oidc.PathToken, v); a.status != 200 {
		t.Errorf("client_secret_post: %d %s", a.status, a.body)
	}
	v = code()
	v.Set("client_id", "app") // beside Basic, the same
	if a := w.post(oidc.PathToken, "app", flat(v)...); a.status != 200 {
		t.Errorf("client_id beside Basic: %d %s", a.status, a.body)
	}
	v = code()
	v.Set("client_id", "app") // and nothing else
	expect(t, w.browser().post(w.server.URL+oidc.PathToken, v), 401, "invalid_client")
	v.Set("client_secret", "")
	expect(t, w.browser().post(w.server.URL+oidc.PathToken, v), 401, "invalid_client")
	w.changeClient("app", func(c *idp.Client) { c.AuthMethods = []string{idp.AuthSecretBasic} })
	v = code()
	v.Set("client_id", "app")
	v.Set("client_secret", secret)
	expect(t, w.browser().post(w.server.URL+oidc.PathToken, v), 401, "invalid_client")
}

func TestClientSecret_Rotation(t *testing.T) {
	w := newWorld(t)
	w.changeClient("service", func(c *idp.Client) {
		c.OldSecretHash, c.OldSecretEnds = c.SecretHash, w.now().Add(time.Hour)
		c.SecretHash = hash("new")
	})
	post := func(secret string) int {
		return w.browser().post(w.server.URL+oidc.PathToken, url.Values{"grant_type": {"client_credentials"},
			"client_id": {"service"}, "client_secret": {secret}}).status
	}
	if post("new") != 200 || post(secret) != 200 {
		t.Error("both secrets work for a while")
	}
	w.pass(time.Hour)
	if post("new") != 200 || post(secret) != 401 {
		t.Error("the old secret ends")
	}
}

func flat(v url.Values) []string {
	var out []string
	for name, values := range v {
		out = append(out, name, values[0])
	}
	return out
}

func TestClientCredentials(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		a := w.post(oidc.PathToken, "service", "grant_type", "client_credentials").json(t)
		if a["scope"] != "jobs reports" || a["refresh_token"] != nil || a["id_token"] != nil {
			t.Errorf("%v", a)
		}
		if a = w.post(oidc.PathToken, "service", "grant_type", "client_credentials", "scope", "jobs").json(t); a["scope"] != "jobs" {
			t.Errorf("%v", a)
		}
		info := w.post(oidc.PathIntrospect, "service", "token", str(a["access_token"])).json(t)
		if info["active"] != true || info["sub"] != "service" || info["scope"] != "jobs" || info["username"] != nil {
			t.Errorf("%v", info)
		}
		for _, scope := range []string{"openid", "admin", "jobs profile"} {
			expect(t, w.post(oidc.PathToken, "service", "grant_type", "client_credentials", "scope", scope), 400, "invalid_scope")
		}
		w.changeClient("service", func(c *idp.Client) { c.JWTAccess = true })
		a = w.post(oidc.PathToken, "service", "grant_type", "client_credentials").json(t)
		if c := claims(t, a["access_token"]); c["sub"] != "service" || c["client_id"] != "service" || c["aud"] == nil {
			t.Errorf("%v", c)
		}
		if !w.active("service", str(a["access_token"])) {
			t.Error("a JWT of client credentials is not active")
		}
	})
}

// One insert at the authorization endpoint, one read and one update at the
// token endpoint.
func TestStatementsOfACodeFlow(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.codeIn(b, "app")
	before := w.store.Stats()
	a := b.get(w.server.URL + oidc.PathAuthorize + "?" + w.request("app").Encode())
	middle := w.store.Stats()
	if n := middle.Writes - before.Writes; n != 1 {
		t.Errorf("authorize wrote %d statements", n)
	}
	if n := middle.Reads - before.Reads; n > 2 { // the session; the client of request()
		t.Errorf("authorize read %d times", n)
	}
	w.redeem("app", a.sent().Get("code"))
	after := w.store.Stats()
	if reads, writes := after.Reads-middle.Reads, after.Writes-middle.Writes; reads > 2 || writes != 1 {
		t.Errorf("token: %d reads, %d writes", reads, writes)
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{"json": `{"grant_type":"client_credentials"}`, "broken": "a=%zz", "semicolons": "a=1;b=2"} {
		a := w.browser().post(w.server.URL+oidc.PathToken, url.Values{name: {body}})
		if a.status != 400 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := w.post(oidc.PathToken, "service", "grant_type", strings.Repeat("x", 70000)); a.status != 413 {
		t.Errorf("a large body: %d", a.status)
	}
	many := url.Values{}
	for i := range 101 {
		many.Set("p"+strings.Repeat("x", i), "1")
	}
	if a := w.browser().post(w.server.URL+oidc.PathToken, many); a.status != 400 {
		t.Errorf("many parameters: %d", a.status)
	}
	if a := w.browser().get(w.server.URL + oidc.PathToken); a.status != 405 {
		t.Errorf("GET at the token endpoint: %d", a.status)
	}
}
