package testenv

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDovecot_AsksAboutTheToken(t *testing.T) {
	var asked []string
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		asked = append(asked, r.Method, user, password, r.FormValue("token"))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"active": r.FormValue("token") == "good", "username": "tf4602"})
	}))
	defer provider.Close()
	imap := Dovecot(t, strings.Replace(provider.URL, "http://", "http://mail:secret@", 1)+"/introspect")
	for _, mechanism := range []string{"XOAUTH2", "OAUTHBEARER"} {
		answer, err := imap.Login(mechanism, "tf4602", "good")
		if err != nil || !strings.HasPrefix(answer, "a2 OK") {
			t.Errorf("%s: %q, %v\nasked %q\n%s", mechanism, answer, err, asked, imap.Log())
		}
		for user, token := range map[string]string{"tf4602": "bad", "ab0000": "good"} {
			if answer, err := imap.Login(mechanism, user, token); err != nil || !strings.HasPrefix(answer, "a1 NO") {
				t.Errorf("%s: %s with a %s token: %q, %v", mechanism, user, token, answer, err)
			}
		}
	}
	if want := "POST mail secret good"; strings.Join(asked[:min(len(asked), 4)], " ") != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestApache_SendsPeopleToTheProvider(t *testing.T) {
	mux := http.NewServeMux()
	provider := httptest.NewServer(mux)
	defer provider.Close()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": provider.URL, "authorization_endpoint": provider.URL + "/authorize", "token_endpoint": provider.URL + "/token",
			"jwks_uri": provider.URL + "/jwks", "userinfo_endpoint": provider.URL + "/userinfo", "response_types_supported": []string{"code"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	site := NewOpenIDSite(t)
	site.Start(t, provider.URL, "apache", "secret")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest(http.MethodGet, site.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html") // a script would be answered 401
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if to := resp.Header.Get("Location"); !strings.HasPrefix(to, provider.URL+"/authorize?") || !strings.Contains(to, "code_challenge_method=S256") {
		t.Errorf("status %d to %q\n%s\n%s", resp.StatusCode, to, body, site.Log())
	}
}
