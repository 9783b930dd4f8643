package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"taipeion.internal/idp/oidc"
)

const verifier = "a-verifier-of-forty-three-characters-0123456"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// browser is a person's browser: it keeps cookies and follows redirects within
// the provider.
type browser struct {
	t    testing.TB
	base string
	http *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	return &browser{w.t, w.server.URL, &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
	at     *url.URL // where the browser was when it got it
}

// location is where the reply redirects to, nil if nowhere.
func (a *reply) location() *url.URL {
	u, err := a.at.Parse(a.header.Get("Location"))
	if a.header.Get("Location") == "" || err != nil {
		return nil
	}
	return u
}

// sent is what a relying system got in its redirect.
func (a *reply) sent() url.Values {
	if u := a.location(); u != nil {
		return u.Query()
	}
	return url.Values{}
}

func (a *reply) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return m
}

func (b *browser) do(req *http.Request) *reply {
	b.t.Helper()
	resp, err := b.http.Do(req)
	must(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(b.t, err)
	return &reply{resp.StatusCode, resp.Header, string(body), req.URL}
}

func (b *browser) get(address string) *reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	must(b.t, err)
	return b.do(req)
}

func (b *browser) post(address string, form url.Values) *reply {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	must(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

// follow goes on as long as the provider redirects within itself.
func (b *browser) follow(a *reply) *reply {
	b.t.Helper()
	for range 12 {
		u := a.location()
		if u == nil || !strings.HasPrefix(u.String(), b.base+"/") {
			return a
		}
		if a.status != http.StatusSeeOther {
			b.t.Fatalf("redirect by %d", a.status)
		}
		a = b.get(u.String())
	}
	b.t.Fatal("redirected in a circle")
	return nil
}

// request makes an authorization request of the client; extra overrides, an
// empty value leaves a parameter out.
func (w *world) request(clientID string, extra ...string) url.Values {
	w.t.Helper()
	c, err := w.store.Client(w.t.Context(), clientID)
	must(w.t, err)
	v := url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"}, "nonce": {"no"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	if len(c.RedirectURIs) > 0 {
		v.Set("redirect_uri", c.RedirectURIs[0])
	}
	for i := 0; i+1 < len(extra); i += 2 {
		if extra[i+1] == "" {
			v.Del(extra[i])
			continue
		}
		v.Set(extra[i], extra[i+1])
	}
	return v
}

// authorize sends the browser with the request and through the login.
func (b *browser) authorize(v url.Values) *reply {
	b.t.Helper()
	return b.follow(b.get(b.base + oidc.PathAuthorize + "?" + v.Encode()))
}

// code logs in and gives the code.
func (w *world) code(clientID string, extra ...string) string {
	w.t.Helper()
	return w.codeIn(w.browser(), clientID, extra...)
}

func (w *world) codeIn(b *browser, clientID string, extra ...string) string {
	w.t.Helper()
	a := b.authorize(w.request(clientID, extra...))
	code := a.sent().Get("code")
	if code == "" {
		w.t.Fatalf("no code: %d %v %s", a.status, a.location(), a.body)
	}
	return code
}

// post sends a form to an endpoint as a client with its secret (Basic), or as
// nobody.
func (w *world) post(path, clientID string, pairs ...string) *reply {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	req, err := http.NewRequest(http.MethodPost, w.server.URL+path, strings.NewReader(form.Encode()))
	must(w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch clientID {
	case "":
	case "spa", "native":
		form.Set("client_id", clientID)
		req.Body = io.NopCloser(strings.NewReader(form.Encode()))
		req.ContentLength = int64(len(form.Encode()))
	default:
		req.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	}
	return w.browser().do(req)
}

func (w *world) redeem(clientID, code string, extra ...string) *reply {
	w.t.Helper()
	c, err := w.store.Client(w.t.Context(), clientID)
	must(w.t, err)
	pairs := append([]string{"grant_type", "authorization_code", "code", code,
		"redirect_uri", c.RedirectURIs[0], "code_verifier", verifier}, extra...)
	return w.post(oidc.PathToken, clientID, pairs...)
}

// tokens logs in and gives the answer of the token endpoint.
func (w *world) tokens(clientID string, extra ...string) map[string]any {
	w.t.Helper()
	a := w.redeem(clientID, w.code(clientID, extra...))
	if a.status != http.StatusOK {
		w.t.Fatalf("token: %d %s", a.status, a.body)
	}
	return a.json(w.t)
}

func (w *world) refresh(clientID, token string, extra ...string) *reply {
	w.t.Helper()
	return w.post(oidc.PathToken, clientID, append([]string{"grant_type", "refresh_token", "refresh_token", token}, extra...)...)
}

func (w *world) userinfo(token string) *reply {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.server.URL+oidc.PathUserinfo, nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	return w.browser().do(req)
}

// active asks the introspection endpoint as the client.
func (w *world) active(clientID, token string) bool {
	w.t.Helper()
	a := w.post(oidc.PathIntrospect, clientID, "token", token)
	if a.status != http.StatusOK {
		w.t.Fatalf("introspect: %d %s", a.status, a.body)
	}
	return a.json(w.t)["active"] == true
}

// claims reads a JWS of ours without checking it.
func claims(t testing.TB, jws any) map[string]any {
	t.Helper()
	s, _ := jws.(string)
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWS: %v", jws)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var m map[string]any
	must(t, json.Unmarshal(raw, &m))
	return m
}

func expect(t testing.TB, a *reply, status int, code string) {
	t.Helper()
	if a.status != status || a.json(t)["error"] != code {
		t.Errorf("%d %s, want %d %s", a.status, a.body, status, code)
	}
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
