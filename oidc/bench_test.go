package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

// The benchmarks call the handlers without a network: what is left is ours,
// the engine's and the store's.

func (w *world) serve(b *testing.B, req *http.Request, status int) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.server.Config.Handler.ServeHTTP(rec, req)
	if rec.Code != status {
		b.Errorf("%d %s", rec.Code, rec.Body)
	}
	return rec
}

func postRequest(path, clientID string, form url.Values) *http.Request {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	return req
}

// benchWorld has a clock that runs and the production's cache.
func benchWorld(b *testing.B) *world {
	w := newWorld(b)
	w.server = w.node(func(p *oidc.Provider) { p.Now, p.CacheGrants = time.Now, 500*time.Millisecond })
	w.clock = time.Now()
	return w
}

func BenchmarkClientCredentials(b *testing.B) {
	w := benchWorld(b)
	form := url.Values{"grant_type": {"client_credentials"}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.serve(b, postRequest(oidc.PathToken, "service", form), 200)
		}
	})
}

func BenchmarkIntrospect(b *testing.B) {
	w := benchWorld(b)
	form := url.Values{"token": {str(w.tokens("eddsa")["access_token"])}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.serve(b, postRequest(oidc.PathIntrospect, "service", form), 200)
		}
	})
}

func BenchmarkUserinfo(b *testing.B) {
	w := benchWorld(b)
	token := str(w.tokens("eddsa", "scope", "openid profile email")["access_token"])
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := httptest.NewRequest(http.MethodGet, oidc.PathUserinfo, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			w.serve(b, req, 200)
		}
	})
}

func BenchmarkRefresh(b *testing.B) {
	w := benchWorld(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		tokens := w.tokens("legacy", "scope", "openid offline_access")
		for pb.Next() {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {str(tokens["refresh_token"])}}
			rec := w.serve(b, postRequest(oidc.PathToken, "legacy", form), 200)
			tokens = (&reply{body: rec.Body.String()}).json(b)
		}
	})
}

func BenchmarkCodeSSO(b *testing.B) {
	w := benchWorld(b)
	rec := httptest.NewRecorder()
	_, err := w.sessions.Begin(rec, httptest.NewRequest(http.MethodGet, "/", nil), "wang", idp.Evidence{Method: idp.MethodPassword, At: w.now()})
	must(b, err)
	cookie := rec.Result().Cookies()[0]
	query := w.request("legacy").Encode()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := httptest.NewRequest(http.MethodGet, oidc.PathAuthorize+"?"+query, nil)
			req.AddCookie(cookie)
			u, _ := url.Parse(w.serve(b, req, 303).Header().Get("Location"))
			form := url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")},
				"redirect_uri": {"https://rp.test/cb"}, "code_verifier": {verifier}}
			w.serve(b, postRequest(oidc.PathToken, "legacy", form), 200)
		}
	})
}
