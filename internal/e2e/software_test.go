package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"taipeion.internal/idp/internal/testenv"
)

// register makes a client with the operators' command and returns its secret.
func (w *world) register(t *testing.T, id string, args ...string) string {
	t.Helper()
	out := w.idp(t, append([]string{"client", "create", "--json", "--id", id, "--name", id}, args...)...)
	var made map[string]any
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatalf("client create: %v\n%s", err, out)
	}
	for _, name := range []string{"client_secret", "secret"} {
		if secret, ok := made[name].(string); ok {
			return secret
		}
	}
	t.Fatalf("client create told no secret: %v", made)
	return ""
}

// Apache with mod_auth_openidc guards documents.
func TestApache_LetsInWhoLoggedIn(t *testing.T) {
	w := theCity(t)
	site := testenv.NewOpenIDSite(t)
	secret := w.register(t, "apache-documents", "--redirect-uri", site.RedirectURI(),
		"--post-logout-uri", site.URL+"/bye.html", "--first-party")
	site.Start(t, w.Issuer, "apache-documents", secret)
	m := w.somebody(t, "")
	b := newScript(t, w)
	p := b.loginByPassword(site.URL+"/", m)
	for _, want := range []string{"user=" + m.Account, "acr=urn:taipeion:acr:1", "name=" + m.Name} {
		if p.status != http.StatusOK || !strings.Contains(p.body, want) {
			t.Errorf("no %q in %s\n%s", want, p, site.Log())
		}
	}
	// It is the same session: documents needs no other login.
	if p := b.get(w.system("documents") + "/"); !strings.Contains(p.body, m.Name) {
		t.Errorf("no single sign-on: %s", p)
	}
	// Its logout is the provider's.
	p = b.get(site.RedirectURI() + "?logout=" + url.QueryEscape(site.URL+"/bye.html"))
	if p.url.Path != "/bye.html" {
		t.Errorf("after the logout: %s\n%s", p, site.Log())
	}
	if p := b.get(w.system("mail") + "/"); p.url.Path != "/login" {
		t.Errorf("mail lets in after the logout: %s", p)
	}
}

// accessToken goes through a code flow of the client and returns its token.
func (s *script) accessToken(clientID, secret, redirect string, m member) string {
	s.t.Helper()
	const verifier = "a-verifier-that-only-this-test-uses-0123456789"
	challenge := sha256.Sum256([]byte(verifier))
	address := s.world.Issuer + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirect}, "scope": {"openid profile email"},
		"state": {"state"}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}.Encode()
	s.stopAt(redirect)
	p := s.loginByPassword(address, m)
	to, err := url.Parse(p.header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		s.t.Fatalf("no code: %s", p)
	}
	req, err := http.NewRequest(http.MethodPost, s.world.Issuer+"/oauth2/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(clientID, secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var tokens struct {
		Access string `json:"access_token"`
		Error  string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || tokens.Access == "" {
		s.t.Fatalf("token: status %d, %q, %v", resp.StatusCode, tokens.Error, err)
	}
	return tokens.Access
}

// Dovecot opens the mailbox of whoever brings an access token.
func TestDovecot_OpensTheMailboxByToken(t *testing.T) {
	w := theCity(t)
	const redirect = "http://127.0.0.1:9998/callback"
	mail := w.register(t, "mail-program", "--redirect-uri", redirect, "--first-party")
	dovecot := w.register(t, "dovecot", "--grant", "client_credentials", "--may-introspect", "--first-party")
	address := strings.Replace(w.Issuer, "http://", "http://dovecot:"+url.QueryEscape(dovecot)+"@", 1) + "/oauth2/introspect"
	imap := testenv.Dovecot(t, address)
	m, other := w.somebody(t, ""), w.somebody(t, "")
	b := newScript(t, w)
	token := b.accessToken("mail-program", mail, redirect, m)
	for _, mechanism := range []string{"XOAUTH2", "OAUTHBEARER"} {
		if answer, err := imap.Login(mechanism, m.Account, token); err != nil || !strings.HasPrefix(answer, "a2 OK") {
			t.Errorf("%s: %q, %v\n%s", mechanism, answer, err, imap.Log())
		}
		if answer, err := imap.Login(mechanism, other.Account, token); err != nil || !strings.HasPrefix(answer, "a1 NO") {
			t.Errorf("%s: the token opens another's mailbox: %q, %v", mechanism, answer, err)
		}
		if answer, err := imap.Login(mechanism, m.Account, "an-invented-token"); err != nil || !strings.HasPrefix(answer, "a1 NO") {
			t.Errorf("%s: an invented token: %q, %v", mechanism, answer, err)
		}
	}
}
