package bench

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// flows are those of the report, in its order.
var flows = []flow{
	{"client_credentials", "a service gets an access token", none, clientCredentials},
	{"introspect", "a system asks about an access token", prepareIntrospect, introspect},
	{"userinfo", "a system asks who an access token is of", prepareLogin, userinfo},
	{"refresh", "a refresh token is rotated, an ID token signed ES256", prepareLogin, refresh},
	{"code_sso", "a login with a session: authorization request and code exchange, ID token signed ES256", prepareSession, codeLogin},
}

const redirectURI = "http://127.0.0.1:9999/callback"

func none(*worker) error { return nil }

// tokens is a token answer (RFC 6749 section 5.1).
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
}

func (w *worker) post(path, client string, form url.Values, into any) error {
	req, err := http.NewRequest(http.MethodPost, w.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, w.secret)
	resp, body, err := w.do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d: %.200s", path, resp.StatusCode, body)
	}
	return json.Unmarshal(body, into)
}

func clientCredentials(w *worker) error {
	var got tokens
	if err := w.post("/oauth2/token", "load-service", url.Values{"grant_type": {"client_credentials"}}, &got); err != nil {
		return err
	}
	if got.Access == "" || got.Access == w.access || !strings.EqualFold(got.Type, "bearer") {
		return errors.New("client_credentials: no new bearer token")
	}
	w.access = got.Access
	return nil
}

func prepareIntrospect(w *worker) error {
	for range 8 {
		if err := clientCredentials(w); err != nil {
			return err
		}
		w.tokens = append(w.tokens, w.access)
	}
	return nil
}

func introspect(w *worker) error {
	var got struct {
		Active bool `json:"active"`
	}
	w.turn++
	if err := w.post("/oauth2/introspect", "load-service", url.Values{"token": {w.tokens[w.turn%len(w.tokens)]}}, &got); err != nil {
		return err
	}
	if !got.Active {
		return errors.New("introspect: a good token is not active")
	}
	return nil
}

func userinfo(w *worker) error {
	req, err := http.NewRequest(http.MethodGet, w.base+"/oauth2/userinfo", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.access)
	resp, body, err := w.do(req)
	if err != nil {
		return err
	}
	var got struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(body, &got); err != nil || resp.StatusCode != http.StatusOK || got.Subject == "" {
		return fmt.Errorf("userinfo: status %d: %.200s", resp.StatusCode, body)
	}
	return nil
}

func refresh(w *worker) error {
	var got tokens
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.refresh}}
	if err := w.post("/oauth2/token", "load", form, &got); err != nil {
		return err
	}
	if got.Access == "" || got.Access == w.access || got.Refresh == "" || strings.Count(got.ID, ".") != 2 {
		return errors.New("refresh: an answer without its tokens")
	}
	if got.Refresh == w.refresh && !w.floor {
		return errors.New("refresh: the token was not rotated")
	}
	w.access, w.refresh = got.Access, got.Refresh
	return nil
}

// codeLogin is a whole code flow on the worker's session: two requests.
func codeLogin(w *worker) error {
	_, err := w.code("openid")
	return err
}

func (w *worker) code(scope string) (*tokens, error) {
	state, nonce, verifier := randomText(), randomText(), randomText()
	address := w.authorizeURL(scope, state, nonce, verifier)
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if w.cookie != "" {
		req.Header.Set("Cookie", w.cookie)
	}
	resp, body, err := w.do(req)
	if err != nil {
		return nil, err
	}
	to := resp.Header.Get("Location")
	if !strings.HasPrefix(to, redirectURI+"?") {
		return nil, fmt.Errorf("authorize: status %d to %.80q: %.200s", resp.StatusCode, to, body)
	}
	return w.exchange(to, state, nonce, verifier)
}

func (w *worker) authorizeURL(scope, state, nonce, verifier string) string {
	challenge := sha256.Sum256([]byte(verifier))
	return w.base + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"load"}, "redirect_uri": {redirectURI}, "scope": {scope},
		"state": {state}, "nonce": {nonce}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}.Encode()
}

// exchange redeems the code in the redirect and checks what comes.
func (w *worker) exchange(redirect, state, nonce, verifier string) (*tokens, error) {
	back, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	if back.Query().Get("state") != state {
		return nil, fmt.Errorf("authorize: another state, error %q", back.Query().Get("error"))
	}
	var got tokens
	err = w.post("/oauth2/token", "load", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
	}, &got)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(got.ID, ".")
	if len(parts) != 3 || got.Access == "" {
		return nil, errors.New("token: an answer without its tokens")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims struct {
		Nonce   string `json:"nonce"`
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Nonce != nonce || claims.Subject == "" {
		return nil, errors.New("ID token: not of this login")
	}
	return &got, nil
}

func randomText() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// prepareSession gives the worker a session, one of those opened before if
// there is one left.
func prepareSession(w *worker) error {
	if w.floor {
		return nil
	}
	if w.id < len(w.cookies) {
		w.cookie = w.cookies[w.id]
		return nil
	}
	if _, err := w.login("openid", w.users[w.id%len(w.users)]); err != nil {
		return err
	}
	w.target.cookies = append(w.target.cookies, w.cookie)
	return nil
}

// prepareLogin gives the worker an access and a refresh token.
func prepareLogin(w *worker) error {
	if err := prepareSession(w); err != nil {
		return err
	}
	got, err := w.code("openid offline_access")
	if err != nil {
		return err
	}
	if got.Refresh == "" {
		return errors.New("login: no refresh token")
	}
	w.access, w.refresh = got.Access, got.Refresh
	return nil
}
