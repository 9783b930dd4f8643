package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/demo"
)

// city is a whole provider with the demo's people, on a listener of its own.
type city struct {
	*house
	plan *demo.Plan
	base string
}

func startCity(t *testing.T) *city {
	t.Helper()
	return startCityWith(t, func(*config.Config) {})
}

// startCityWith is startCity with settings changed.
func startCityWith(t *testing.T, change func(*config.Config)) *city {
	t.Helper()
	plan, err := demo.NewPlan(t.TempDir(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.WriteFiles(time.Now()); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(plan.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	change(cfg)
	seeds, err := demoSeeds(plan)
	if err != nil {
		t.Fatal(err)
	}
	h, err := assemble(t.Context(), assembleOptions{Config: cfg, Log: io.Discard, Seeds: seeds, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.fill(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.close()
	})
	return &city{h, plan, plan.Issuer}
}

// browser keeps cookies and follows nothing by itself.
func (c *city) browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{}},
	}
}

func (c *city) send(t *testing.T, client *http.Client, method, path string, form url.Values, header http.Header) (*http.Response, string) {
	t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = c.base + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// login opens a session on the provider's own first page.
func (c *city) login(t *testing.T) *http.Client {
	t.Helper()
	client := c.browser(t)
	resp, _ := c.send(t, client, http.MethodGet, "/", nil, nil)
	at, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || at.Query().Get("flow") == "" {
		t.Fatalf("the first page leads to %q", resp.Header.Get("Location"))
	}
	m := c.plan.Staff[0]
	resp, _ = c.send(t, client, http.MethodPost, "/login/password", url.Values{
		"flow": {at.Query().Get("flow")}, "account": {m.Single}, "password": {m.Password},
	}, nil)
	for range 3 {
		if resp.StatusCode != http.StatusSeeOther {
			break
		}
		resp, _ = c.send(t, client, http.MethodGet, resp.Header.Get("Location"), nil, nil)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the login ends with %d", resp.StatusCode)
	}
	return client
}

// routes gives the mounted patterns as methods and paths.
func (c *city) routes(t *testing.T) [][2]string {
	t.Helper()
	var list [][2]string
	for _, pattern := range c.mounts.Routes() {
		method, path, found := strings.Cut(pattern, " ")
		if !found {
			t.Errorf("pattern %q answers every method", pattern)
		}
		list = append(list, [2]string{method, strings.NewReplacer("{$}", "", "{id}", "AAAAAAAAAAAAAAAAAAAAAA", "{code}", "AAAA").Replace(path)})
	}
	if len(list) < 25 {
		t.Fatalf("only %d routes", len(list))
	}
	return list
}

func TestT157_EveryFormRefusesOtherSites(t *testing.T) {
	c := startCity(t)
	client := c.login(t)
	machine := []string{
		"/oauth2/authorize", "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/userinfo", "/oauth2/logout",
	}
	before := c.store.Stats().Writes
	for _, route := range c.routes(t) {
		if route[0] != http.MethodPost || slices.Contains(machine, route[1]) {
			continue
		}
		for name, header := range map[string]http.Header{
			"foreign origin": {"Origin": {"https://evil.example"}},
			"null origin":    {"Origin": {"null"}},
			"cross-site":     {"Sec-Fetch-Site": {"cross-site"}},
			"same site":      {"Sec-Fetch-Site": {"same-site"}},
			"text as JSON":   {"Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"text/plain"}},
		} {
			resp, _ := c.send(t, client, http.MethodPost, route[1], url.Values{"id": {"x"}}, header)
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %d", route[1], name, resp.StatusCode)
			}
		}
	}
	if after := c.store.Stats().Writes; after != before {
		t.Errorf("%d rows were written", after-before)
	}
}

func TestT158_ReadingChangesNothing(t *testing.T) {
	c := startCity(t)
	client := c.login(t)
	// changes says whether a request writes a row. What the node does beside it
	// now and then is told apart by asking again.
	changes := func(method, path string) bool {
		for range 3 {
			before := c.store.Stats().Writes
			resp, _ := c.send(t, client, method, path, nil, nil)
			if resp.StatusCode >= 500 {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
			if to := resp.Header.Get("Location"); strings.HasPrefix(to, "/login") && strings.Contains(to, "flow=") {
				before++ // a page that wants a fresher login begins one
			}
			// The session's last-seen time is written once a minute, and this is faster.
			if c.store.Stats().Writes == before {
				return false
			}
		}
		return true
	}
	for _, route := range c.routes(t) {
		if route[0] != http.MethodGet {
			continue
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			for _, path := range []string{route[1], route[1] + "?flow=x&id=x&post_logout_redirect_uri=x&client_id=documents"} {
				if changes(method, path) {
					t.Errorf("%s %s writes", method, path)
				}
			}
		}
	}
}

func TestT159_HeadersOnEveryRoute(t *testing.T) {
	c := startCity(t)
	client := c.login(t)
	routes := append(c.routes(t), [2]string{"GET", "/none"}, [2]string{"GET", "/static/none.css"}, [2]string{"PUT", "/"},
		[2]string{"GET", "/oauth2/token"})
	for _, route := range routes {
		resp, _ := c.send(t, client, route[0], route[1], nil, http.Header{"Accept": {"text/html"}})
		name := fmt.Sprintf("%s %s (%d)", route[0], route[1], resp.StatusCode)
		csp := resp.Header.Get("Content-Security-Policy")
		for _, part := range []string{"frame-ancestors 'none'", "form-action ", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s: %q", name, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "*") {
			t.Errorf("%s: policy %q", name, csp)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", name)
		}
		if coop := resp.Header.Get("Cross-Origin-Opener-Policy"); !strings.HasPrefix(coop, "same-origin") {
			t.Errorf("%s: opener policy %q", name, coop)
		}
		if resp.Header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: no referrer policy", name)
		}
		cached := strings.HasPrefix(route[1], "/static/") || strings.Contains(route[1], ".well-known") || route[1] == "/oauth2/jwks" ||
			route[1] == "/phone/worker.js" || route[1] == "/phone/manifest.webmanifest" // the same for everybody, asked about each time
		if cc := resp.Header.Get("Cache-Control"); !cached && !strings.Contains(cc, "no-store") {
			t.Errorf("%s: Cache-Control %q", name, cc)
		}
	}
}

func TestT195_ForgedHostsChangeNothing(t *testing.T) {
	c := startCity(t)
	client := c.browser(t)
	_, want := c.send(t, client, http.MethodGet, "/.well-known/openid-configuration", nil, nil)
	forged := http.Header{
		"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Port": {"1"}, "X-Forwarded-Prefix": {"/evil"},
		"Forwarded": {"host=evil.example;proto=https"}, "X-Original-Url": {"/evil"}, "X-Rewrite-Url": {"/evil"},
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		if _, got := c.send(t, client, http.MethodGet, path, nil, forged); got != want {
			t.Errorf("%s changed: %s", path, got)
		}
	}
	resp, _ := c.send(t, client, http.MethodGet, "/", nil, forged)
	if at := resp.Header.Get("Location"); !strings.HasPrefix(at, "/login?flow=") {
		t.Errorf("the first page leads to %q", at)
	}
	for _, cookie := range resp.Cookies() {
		if cookie.Domain != "" || cookie.Path != "/" {
			t.Errorf("cookie %s for %q %q", cookie.Name, cookie.Domain, cookie.Path)
		}
	}
	for _, host := range []string{"evil.example", "localhost", "127.0.0.1"} {
		resp, body := c.send(t, client, http.MethodGet, "/.well-known/openid-configuration", nil, http.Header{"Host": {host}})
		if resp.StatusCode != http.StatusMisdirectedRequest || strings.Contains(body, host) {
			t.Errorf("host %s: %d %s", host, resp.StatusCode, body)
		}
	}
}

func TestT208_NoInternalsOnThePublicListener(t *testing.T) {
	c := startCity(t)
	client := c.browser(t)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/administrator", "/.git/HEAD", "/idp.yaml", "/master.key"} {
		if resp, _ := c.send(t, client, http.MethodGet, path, nil, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	if resp, _ := c.send(t, client, http.MethodGet, "/admin", nil, nil); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), "/login") {
		t.Errorf("the administrators' pages: %d", resp.StatusCode)
	}
}

func TestT203_StartsOfOneSourceAreBounded(t *testing.T) {
	c := startCityWith(t, func(cfg *config.Config) {
		cfg.Networks.Gateways, cfg.Lockout.Starts = nil, 20
	})
	first := c.browser(t)
	resp, _ := c.send(t, first, http.MethodGet, "/", nil, nil)
	begun := resp.Header.Get("Location")
	before := c.store.Stats().Writes
	refused := 0
	for i := range 100 {
		resp, _ := c.send(t, c.browser(t), http.MethodGet, []string{"/", "/admin"}[i%2], nil, nil)
		if resp.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if wrote := c.store.Stats().Writes - before; wrote > 40 || refused < 60 { // a minute may end meanwhile
		t.Errorf("%d rows were written, %d starts refused", wrote, refused)
	}
	if resp, _ := c.send(t, first, http.MethodGet, begun, nil, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("the login that was under way: %d", resp.StatusCode)
	}
}
