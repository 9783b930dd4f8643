package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
)

// faulty is a store that fails where a test says so.
type faulty struct {
	*store.Store
	fail map[string]error
}

func (f *faulty) RevokeGrant(ctx context.Context, id []byte, at time.Time, events ...idp.Event) error {
	if err := f.fail["RevokeGrant"]; err != nil {
		return err
	}
	return f.Store.RevokeGrant(ctx, id, at, events...)
}

func (f *faulty) GrantByID(ctx context.Context, id []byte) (*oidc.Grant, *idp.Person, error) {
	if err := f.fail["GrantByID"]; err != nil {
		return nil, nil, err
	}
	return f.Store.GrantByID(ctx, id)
}

func (f *faulty) GrantByAccess(ctx context.Context, id, h []byte) (*oidc.Grant, *idp.Person, error) {
	if err := f.fail["GrantByAccess"]; err != nil {
		return nil, nil, err
	}
	return f.Store.GrantByAccess(ctx, id, h)
}

func (f *faulty) RedeemCode(ctx context.Context, i oidc.Issue) error {
	if err := f.fail["RedeemCode"]; err != nil {
		return err
	}
	return f.Store.RedeemCode(ctx, i)
}

func (f *faulty) CreateGrant(ctx context.Context, g *oidc.Grant, events ...idp.Event) error {
	if err := f.fail["CreateGrant"]; err != nil {
		return err
	}
	return f.Store.CreateGrant(ctx, g, events...)
}

func (f *faulty) Client(ctx context.Context, id string) (*idp.Client, error) {
	if err := f.fail["Client"]; err != nil {
		return nil, err
	}
	return f.Store.Client(ctx, id)
}

func (f *faulty) CreateFlow(ctx context.Context, flow *idp.Flow) error {
	if err := f.fail["CreateFlow"]; err != nil {
		return err
	}
	return f.Store.CreateFlow(ctx, flow)
}

func (f *faulty) EndSession(ctx context.Context, id string, at time.Time, events ...idp.Event) ([]string, error) {
	if err := f.fail["EndSession"]; err != nil {
		return nil, err
	}
	return f.Store.EndSession(ctx, id, at, events...)
}

// breakable gives the world a server whose store fails on demand.
func (w *world) breakable() *faulty {
	f := &faulty{w.store, map[string]error{}}
	w.sessions = &session.Manager{Store: f, Now: w.now, Idle: time.Hour, Absolute: 12 * time.Hour, Insecure: true}
	w.issuer = ""
	w.server = w.node(func(p *oidc.Provider) { p.Grants, p.Requests = f, f })
	return f
}

func TestT042_StoreErrorsAreNeverSuccess(t *testing.T) {
	w := newWorld(t)
	f := w.breakable()
	b := w.browser()
	code := w.codeIn(b, "app", "scope", "openid offline_access")
	got := w.redeem("app", code).json(t)
	access, refresh := str(got["access_token"]), str(got["refresh_token"])
	for _, failure := range []error{fmt.Errorf("gone: %w", idp.ErrUnavailable), errors.New("broken")} {
		for _, method := range []string{"RevokeGrant", "GrantByID", "GrantByAccess"} {
			f.fail[method] = failure
			for kind, token := range map[string]string{"access": access, "refresh": refresh} {
				if method == "GrantByID" && kind == "access" || method == "GrantByAccess" && kind == "refresh" {
					continue
				}
				if a := w.post(oidc.PathRevoke, "app", "token", token); a.status < 500 {
					t.Errorf("revoke %s while %s fails: %d", kind, method, a.status)
				}
			}
			delete(f.fail, method)
		}
		f.fail["EndSession"] = failure
		if a := b.get(w.server.URL + oidc.PathLogout + "?id_token_hint=" + str(got["id_token"])); a.status < 500 {
			t.Errorf("logout: %d", a.status)
		}
		delete(f.fail, "EndSession")
		f.fail["GrantByAccess"] = failure
		if a := w.post(oidc.PathIntrospect, "app", "token", access); a.status < 500 {
			t.Errorf("introspection: %d %s", a.status, a.body)
		}
		if a := w.userinfo(access); a.status < 500 {
			t.Errorf("userinfo: %d", a.status)
		}
		delete(f.fail, "GrantByAccess")
		f.token(w, b, failure, refresh)
	}
	if !w.active("app", access) || w.refresh("app", refresh).status != 200 {
		t.Error("a failure changed the tokens")
	}
	if w.codeIn(b, "app"); w.logins != 1 {
		t.Error("a failed logout ended the session")
	}
}

// token tries what issues tokens while the store fails.
func (f *faulty) token(w *world, b *browser, failure error, refresh string) {
	t := w.t
	t.Helper()
	next := w.codeIn(b, "app")
	f.fail["RedeemCode"] = failure
	if a := w.redeem("app", next); a.status < 500 {
		t.Errorf("token: %d %s", a.status, a.body)
	}
	delete(f.fail, "RedeemCode")
	if a := w.redeem("app", next); a.status != 200 {
		t.Errorf("the code after the failure: %d %s", a.status, a.body)
	}
	f.fail["CreateGrant"] = failure
	if a := b.authorize(w.request("app")); a.sent().Get("code") != "" || a.sent().Get("error") == "" {
		t.Errorf("authorize: %v", a.location())
	}
	delete(f.fail, "CreateGrant")
	w.pass(time.Second)
	f.fail["Client"] = failure
	a := b.get(w.server.URL + oidc.PathAuthorize + "?" + w.request("app").Encode())
	if a.status < 500 || a.location() != nil {
		t.Errorf("authorize without clients: %d %v", a.status, a.location())
	}
	if a := w.post(oidc.PathToken, "app", "grant_type", "refresh_token", "refresh_token", refresh); a.status < 500 {
		t.Errorf("token without clients: %d %s", a.status, a.body)
	}
	delete(f.fail, "Client")
}

func TestNoLoginCanBegin(t *testing.T) {
	w := newWorld(t)
	f := w.breakable()
	for status, failure := range map[int]error{429: idp.ErrOverloaded, 503: idp.ErrUnavailable, 500: errors.New("broken")} {
		f.fail["CreateFlow"] = fmt.Errorf("save: %w", failure)
		for name, a := range map[string]*reply{
			"GET":  w.browser().authorize(w.request("app")),
			"POST": w.browser().post(w.server.URL+oidc.PathAuthorize, w.request("app")),
		} {
			if a.status != status || a.location() != nil || a.header.Get("Retry-After") == "" {
				t.Errorf("%s, %v: %d %v", name, failure, a.status, a.location())
			}
		}
	}
}

func TestT043_Introspection(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("app", "scope", "openid email offline_access")
	access, refresh := str(got["access_token"]), str(got["refresh_token"])
	a := w.post(oidc.PathIntrospect, "service", "token", access).json(t)
	if a["active"] != true || a["sub"] != "sub-wang" || a["client_id"] != "app" || a["username"] != "ab1234" || a["iss"] != w.issuer ||
		a["scope"] != "openid email offline_access" || a["token_type"] != "Bearer" || a["exp"] != float64(w.now().Add(10*time.Minute).Unix()) {
		t.Errorf("%v", a)
	}
	if !w.active("app", refresh) || !w.active("service", refresh) {
		t.Error("a refresh token is not active")
	}
	if w.active("other", access) || w.active("third", refresh) {
		t.Error("a client not entitled learns something")
	}
	if body := w.post(oidc.PathIntrospect, "other", "token", access).body; body != `{"active":false}` {
		t.Errorf("%s", body)
	}
	if a := w.post(oidc.PathIntrospect, "service", "token", access, "scope", "phone").json(t); a["active"] != false {
		t.Error("a scope that was not granted is active")
	}
	for _, token := range []string{"x", "..", strings.Repeat("A", 5000), "王", access + "x", access + ".1"} {
		if w.active("service", token) {
			t.Errorf("%.10q is active", token)
		}
	}
	expect(t, w.post(oidc.PathIntrospect, "", "token", access), 401, "invalid_client")
	expect(t, w.post(oidc.PathIntrospect, "service"), 400, "invalid_request")
	w.pass(10 * time.Minute)
	if w.active("app", access) {
		t.Error("active after its end")
	}
}

func TestT033_Revocation(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"app", "spa", "jwt"} {
		for _, kind := range []string{"access_token", "refresh_token"} {
			got := w.tokens(id, "scope", "openid offline_access")
			if a := w.post(oidc.PathRevoke, "other", "token", str(got[kind])); a.status == 200 || !w.active("service", str(got["access_token"])) {
				t.Errorf("%s of %s revoked by another client: %d", kind, id, a.status)
			}
			if a := w.post(oidc.PathRevoke, id, "token", str(got[kind]), "token_type_hint", "nonsense"); a.status != 200 {
				t.Errorf("%s of %s: %d %s", kind, id, a.status, a.body)
			}
			if w.active("service", str(got["access_token"])) || w.refresh(id, str(got["refresh_token"])).status == 200 {
				t.Errorf("%s of %s: something lives on", kind, id)
			}
			if a := w.post(oidc.PathRevoke, id, "token", str(got[kind])); a.status != 200 {
				t.Errorf("again: %d", a.status)
			}
		}
	}
	if a := w.post(oidc.PathRevoke, "app", "token", "unknown"); a.status != 200 {
		t.Errorf("unknown: %d", a.status)
	}
	expect(t, w.post(oidc.PathRevoke, "", "token", "x"), 401, "invalid_client")
	expect(t, w.post(oidc.PathRevoke, "app"), 400, "invalid_request")
}

func TestT048_SecretGuessing(t *testing.T) {
	w := newWorld(t)
	try := func(id, secret string) *reply {
		return w.browser().post(w.server.URL+oidc.PathToken, url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	}
	wrong, unknown := try("service", "wrong"), try("nobody", "wrong")
	if wrong.status != unknown.status || wrong.body != unknown.body || wrong.header.Get("WWW-Authenticate") != unknown.header.Get("WWW-Authenticate") {
		t.Errorf("%d %s, %d %s", wrong.status, wrong.body, unknown.status, unknown.body)
	}
	limited := false
	for range 40 {
		a := try("service", "wrong")
		limited = limited || a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != ""
	}
	if !limited {
		t.Error("guessing is not slowed down")
	}
	if a := try("service", secret); a.status != http.StatusTooManyRequests {
		t.Errorf("the limit lets a guess through: %d", a.status)
	}
	if a := w.post(oidc.PathToken, "signed", "grant_type", "client_credentials"); a.status == http.StatusTooManyRequests {
		t.Error("another client is shut out")
	}
	w.pass(1500 * time.Millisecond)
	if a := try("service", secret); a.status != 200 {
		t.Errorf("a moment later: %d %s", a.status, a.body)
	}
	if c, err := w.store.Client(t.Context(), "service"); err != nil || strings.Contains(string(c.SecretHash), secret) {
		t.Error("the secret is kept")
	}
}

func TestT049_GrantTypes(t *testing.T) {
	w := newWorld(t)
	for _, grant := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:openid:params:grant-type:ciba", "authorization_code refresh_token", "AUTHORIZATION_CODE"} {
		expect(t, w.post(oidc.PathToken, "app", "grant_type", grant, "username", "ab1234", "password", "x"), 400, "unsupported_grant_type")
	}
	expect(t, w.post(oidc.PathToken, "app", "grant_type", "client_credentials"), 400, "unauthorized_client")
	expect(t, w.post(oidc.PathToken, "spa", "grant_type", "client_credentials"), 400, "unauthorized_client")
	expect(t, w.post(oidc.PathToken, "service", "grant_type", "authorization_code", "code", "x"), 400, "unauthorized_client")
}
