package demo

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// site starts the documents system at the fake provider.
func site(t *testing.T, op *fakeOP) (*System, *http.Client) {
	t.Helper()
	kind := systemKinds[0]
	s := &System{Kind: kind, Issuer: op.URL, Secret: "secret", Now: time.Now}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.URL = server.URL
	var err error
	if handler, err = s.Handler(); err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	return s, &http.Client{Jar: jar}
}

func get(t *testing.T, client *http.Client, address string) (int, string) {
	t.Helper()
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, resp)
}

func body(t *testing.T, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestSystemShowsWhoCameAndHow(t *testing.T) {
	op := newFakeOP(t)
	s, client := site(t, op)
	status, page := get(t, client, s.URL+"/?lang=en")
	for _, want := range []string{"林雅筑", "tf4602", "password", "urn:taipeion:acr:1", "Purchase: replacing computers", "GEAA"} {
		if status != 200 || !strings.Contains(page, want) {
			t.Errorf("status %d, no %q in the page:\n%s", status, want, page)
		}
	}
	if op.asked.Get("code_challenge_method") != "S256" || op.asked.Get("nonce") == "" || op.asked.Get("state") == "" {
		t.Errorf("asked without PKCE, nonce or state: %v", op.asked)
	}
	if _, page = get(t, client, s.URL+"/?lang=zh-Hant"); !strings.Contains(page, "您如何登入") {
		t.Error("no Chinese page")
	}
	if status, page = get(t, client, s.URL+"/whoami"); status != 200 || !strings.Contains(page, `"acr":"urn:taipeion:acr:1"`) {
		t.Errorf("whoami: %d %s", status, page)
	}
}

func TestSystemStepsUpForTheSignOff(t *testing.T) {
	op := newFakeOP(t)
	s, client := site(t, op)
	get(t, client, s.URL+"/")
	status, page := get(t, client, s.URL+"/sign-off?lang=en")
	if status != 200 || !strings.Contains(page, `id="ready"`) {
		t.Fatalf("status %d:\n%s", status, page)
	}
	if !strings.Contains(op.asked.Get("claims"), `"essential":true`) {
		t.Errorf("claims %q", op.asked.Get("claims"))
	}
	resp, err := client.PostForm(s.URL+"/sign-off", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, page = body(t, resp); status != 200 || !strings.Contains(page, `id="signed"`) {
		t.Errorf("status %d:\n%s", status, page)
	}
}

func TestSystemRefusesAWeakerAnswer(t *testing.T) {
	op := newFakeOP(t)
	op.stubborn = true
	s, client := site(t, op)
	if status, _ := get(t, client, s.URL+"/sign-off"); status != http.StatusForbidden {
		t.Errorf("status %d, want 403", status)
	}
}

func TestSystemRefusesWhatIsNotItsLogin(t *testing.T) {
	op := newFakeOP(t)
	s, client := site(t, op)
	if status, _ := get(t, client, s.URL+"/callback?code=x&state=y"); status != http.StatusBadRequest {
		t.Errorf("unknown state: %d", status)
	}
	op.nonce = "another"
	if status, _ := get(t, client, s.URL+"/"); status != http.StatusBadGateway {
		t.Errorf("wrong nonce: %d", status)
	}
	op.nonce, op.iss = "", "http://other.example"
	if status, _ := get(t, client, s.URL+"/"); status != http.StatusBadRequest {
		t.Errorf("mix-up: %d", status)
	}
	op.iss = ""

	// An answer taken to another browser.
	stay := *client
	stay.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), s.URL+"/callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := stay.Get(s.URL + "/login")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if status, _ := get(t, &http.Client{}, resp.Header.Get("Location")); status != http.StatusBadRequest {
		t.Errorf("other browser: %d", status)
	}
}

func TestSystemLogsOutAtTheProvider(t *testing.T) {
	op := newFakeOP(t)
	s, client := site(t, op)
	get(t, client, s.URL+"/")
	resp, err := client.PostForm(s.URL+"/logout", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	status, page := body(t, resp)
	if status != 200 || !strings.Contains(page, `id="bye"`) {
		t.Errorf("status %d:\n%s", status, page)
	}
	if op.logout.Get("id_token_hint") == "" || op.logout.Get("client_id") != "documents" {
		t.Errorf("asked the provider %v", op.logout)
	}
	if status, _ := get(t, client, s.URL+"/whoami"); status != http.StatusUnauthorized {
		t.Errorf("whoami after the logout: %d", status)
	}
}

func TestSystemEndsWithTheToken(t *testing.T) {
	op := newFakeOP(t)
	s, client := site(t, op)
	get(t, client, s.URL+"/")
	op.ended = true
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Get(s.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, op.URL) {
		t.Errorf("status %d to %q, want the provider", resp.StatusCode, to)
	}
}

func TestAPIWantsATokenOfItsOwn(t *testing.T) {
	op := newFakeOP(t)
	s, client := site(t, op)
	for token, want := range map[string]int{"": 401, "other": 401, "access": 200} {
		req, _ := http.NewRequest(http.MethodGet, s.URL+"/api/items", nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || want == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("token %q: %d %q", token, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestReturnStaysHere(t *testing.T) {
	for in, want := range map[string]string{
		"/sign-off": "/sign-off", "": "/", "//evil.example": "/", "https://evil.example": "/", "/\\evil": "/", "/a\r\nb": "/",
	} {
		if got := rooted(in); got != want {
			t.Errorf("%q leads to %q", in, got)
		}
	}
}

func TestEveryWordHasBothLanguages(t *testing.T) {
	for key, w := range words {
		if w[0] == "" || w[1] == "" {
			t.Errorf("%q lacks a language", key)
		}
	}
}

func TestPlanGoesOn(t *testing.T) {
	dir := t.TempDir()
	one, err := NewPlan(dir, "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewPlan(dir, "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	if one.Issuer != two.Issuer || one.AgentURL != two.AgentURL || one.Clients[0].Secret != two.Clients[0].Secret || one.Systems[2].URL != two.Systems[2].URL {
		t.Errorf("the second plan is another one: %s %s", one.Issuer, two.Issuer)
	}
	if one.Clients[0].Secret == one.Clients[1].Secret {
		t.Error("two clients share a secret")
	}
	var out bytes.Buffer
	if err := one.Print(&out); err != nil || !strings.Contains(out.String(), one.Staff[59].Password) {
		t.Errorf("print: %v", err)
	}
	if err := one.WriteList(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(t.TempDir(), "0.0.0.0:8080"); err == nil {
		t.Error("a demo on every address was planned")
	}
}
