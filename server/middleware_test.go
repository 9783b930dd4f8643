package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const base = "https://id.example"

func TestT159_HeadersOnEveryAnswer(t *testing.T) {
	h := build(t, nil)
	for target, status := range map[string]int{
		"/page": 200, "/none": 404, "/panic": 500, "/form": 404, "/healthz": 200, "/a//b": 404,
	} {
		w := h.get(base + target)
		if w.Code != status {
			t.Errorf("%s: %d", target, w.Code)
		}
		csp := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: policy lacks %s", target, part)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy is unsafe", target)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security": "max-age=63072000",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", target, name, got)
			}
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", target)
		}
	}
	plain := build(t, func(o *Options) { o.Issuer = "http://localhost:8080" })
	if plain.get("http://localhost:8080/page").Header().Get("Strict-Transport-Security") != "" {
		t.Error("HSTS on http")
	}
}

func TestT161_NothingIsCachedUnlessAskedFor(t *testing.T) {
	h := build(t, nil)
	if got := h.get(base + "/page").Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if w := h.get(base + "/page/x.css"); w.Code != http.StatusNotFound {
		t.Errorf("/page/x.css: %d", w.Code)
	}
}

func TestT195_OnlyKnownHosts(t *testing.T) {
	h := build(t, func(o *Options) { o.Hosts = []string{"id2.example"} })
	for host, want := range map[string]int{
		"id.example": 200, "ID.example": 200, "id.example:443": 200, "id2.example": 200,
		"evil.example": 421, "id.example.evil.example": 421, "id.example:8443": 421, "id.example.": 421, "": 421,
		"id.example@evil.example": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "id.example")
		if w := h.do(r); w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "https://evil.example/page", nil) // absolute form
	if w := h.do(r); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("absolute address of another host: %d", w.Code)
	}
	r = httptest.NewRequest(http.MethodGet, "https://10.1.2.3/healthz", nil)
	if w := h.do(r); w.Code != http.StatusOK {
		t.Errorf("a balancer's probe: %d", w.Code)
	}
}

func TestT196_ForwardedOnlyFromListedProxies(t *testing.T) {
	h := build(t, nil)
	for _, c := range []struct {
		remote  string
		headers []string
		want    string
		city    bool
		gateway bool
	}{
		{"198.51.100.1:1", nil, "198.51.100.1", false, false},
		{"198.51.100.1:1", []string{"192.0.2.1"}, "198.51.100.1", false, false},
		{"192.0.2.9:1", nil, "192.0.2.9", true, false},
		{"10.0.0.1:1", []string{"192.0.2.7"}, "192.0.2.7", true, true},
		{"10.0.0.1:1", []string{"192.0.2.7, 203.0.113.5"}, "203.0.113.5", false, false},
		{"10.0.0.1:1", []string{"192.0.2.7", "203.0.113.5, 10.0.0.2"}, "203.0.113.5", false, false},
		{"10.0.0.1:1", []string{"192.0.2.7, nonsense"}, "10.0.0.1", false, false},
		{"10.0.0.1:1", []string{"192.0.2.7:1234"}, "10.0.0.1", false, false},
		{"10.0.0.1:1", nil, "10.0.0.1", false, false},
		{"[::ffff:192.0.2.9]:1", nil, "192.0.2.9", true, false},
		{"[2001:db8::1]:1", []string{"192.0.2.7"}, "2001:db8::1", false, false},
	} {
		r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.headers
		r.Header.Set("Forwarded", "for=192.0.2.7")
		r.Header.Set("X-Real-Ip", "192.0.2.7")
		if w := h.do(r); w.Code != 200 {
			t.Fatal(w.Code)
		}
		if h.seen.Address.String() != c.want || h.seen.City != c.city || h.seen.Gateway != c.gateway {
			t.Errorf("%s %q: %+v", c.remote, c.headers, h.seen)
		}
	}
}

func TestT197_HeaderTricks(t *testing.T) {
	h := build(t, nil)
	r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header["X_Forwarded_For"] = []string{"192.0.2.7"}
	if h.do(r); h.seen.Address.String() != "10.0.0.1" {
		t.Errorf("a header with underscores was believed: %v", h.seen.Address)
	}
	for _, name := range []string{"Authorization", "Origin", "Content-Type", "Sec-Fetch-Site"} {
		r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
		r.Header[name] = []string{"same-origin", "cross-site"}
		if w := h.do(r); w.Code != http.StatusBadRequest {
			t.Errorf("two %s headers: %d", name, w.Code)
		}
	}
}

func TestT199_BodiesAreBounded(t *testing.T) {
	h := build(t, nil)
	post := func(body string, change func(*http.Request)) int {
		r := httptest.NewRequest(http.MethodPost, base+"/form", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if change != nil {
			change(r)
		}
		return h.do(r).Code
	}
	unknownLength := func(r *http.Request) { r.ContentLength = -1 }
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		want   int
	}{
		"plain":              {"a=1&b=2", nil, 200},
		"too long":           {strings.Repeat("a", maxBody+1), nil, 413},
		"too long, unsaid":   {strings.Repeat("a", maxBody+1), unknownLength, 400},
		"100 MB said":        {"a", func(r *http.Request) { r.ContentLength = 100 << 20 }, 413},
		"too many fields":    {strings.Repeat("a=1&", 10_000), nil, 400},
		"too many in query":  {"a=1", func(r *http.Request) { r.URL.RawQuery = strings.Repeat("a&", 10_000) }, 400},
		"gzip":               {"a=1", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415},
		"multipart":          {"a=1", func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }, 415},
		"cross-site":         {"a=1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"foreign origin":     {"a=1", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		"null origin":        {"a=1", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		"sibling origin":     {"a=1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"own origin":         {"a=1", func(r *http.Request) { r.Header.Set("Origin", base) }, 200},
		"own, other scheme":  {"a=1", func(r *http.Request) { r.Header.Set("Origin", "https://id.example:444") }, 403},
		"the browser itself": {"a=1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, 200},
	} {
		if got := post(c.body, c.change); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestMachineEndpointsTakeCrossSitePosts(t *testing.T) {
	h := build(t, nil)
	r := httptest.NewRequest(http.MethodPost, base+"/oauth2/token", nil)
	r.Header.Set("Origin", "https://rp.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := h.do(r); w.Code != http.StatusOK {
		t.Errorf("token: %d", w.Code)
	}
}

func TestT204_PanicIsOneFailedRequest(t *testing.T) {
	h := build(t, nil)
	w := h.get(base + "/panic")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if log := h.errors.String(); !strings.Contains(log, "panic") || strings.Contains(log, "A123456789") {
		t.Errorf("log: %s", log)
	}
	if w := h.get(base + "/page"); w.Code != 200 {
		t.Errorf("after it: %d", w.Code)
	}
	m := httptest.NewRecorder()
	h.server.opts.Metrics.Handler().ServeHTTP(m, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(m.Body.String(), "idp_panics_total 1") {
		t.Error("the panic is not counted")
	}
}

func TestT207_OddMethods(t *testing.T) {
	h := build(t, nil)
	for _, method := range []string{"TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "PROPFIND", "get", "X"} {
		r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
		r.Method = method
		if w := h.do(r); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		r := httptest.NewRequest(http.MethodGet, base+"/form?_method=POST", nil)
		r.Header.Set(name, "POST")
		if w := h.do(r); w.Code == http.StatusOK {
			t.Errorf("%s was obeyed", name)
		}
	}
}

func TestT207_AllowSaysWhatTheRouteHas(t *testing.T) {
	h := build(t, func(o *Options) {
		o.Mounts = NewMounts(o.Metrics)
		for _, pattern := range []string{"GET /page", "GET /form", "POST /form", "POST /only", "GET /once", "HEAD /once", "POST /once"} {
			o.Mounts.Handle(pattern, http.NotFoundHandler())
		}
	})
	for path, want := range map[string]string{
		"/form": "GET, HEAD, POST", "/page": "GET, HEAD", "/only": "POST", "/once": "GET, POST", "/healthz": "GET, HEAD",
	} {
		w := h.do(httptest.NewRequest(http.MethodPut, base+path, nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != want {
			t.Errorf("PUT %s: %d, Allow %q, want %q", path, w.Code, w.Header().Get("Allow"), want)
		}
	}
	for path, want := range map[string]string{"/once": "GET, POST", "/page": "GET, HEAD"} { // the router's own refusal
		w := h.do(httptest.NewRequest(http.MethodOptions, base+path, nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != want {
			t.Errorf("OPTIONS %s: %d, Allow %q, want %q", path, w.Code, w.Header().Get("Allow"), want)
		}
	}
	w := h.do(httptest.NewRequest(http.MethodPut, base+"/nothing", nil))
	if w.Code != http.StatusNotFound || w.Header().Get("Allow") != "" {
		t.Errorf("PUT where nothing is: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestT208_NothingInternalOnThePublicListener(t *testing.T) {
	h := build(t, func(o *Options) {
		o.Ready = func(context.Context) error { return errors.New("dial tcp 10.1.1.1:5432: refused") }
	})
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/admin", "/.git/config", "/config"} {
		r := httptest.NewRequest(http.MethodGet, base+path, nil)
		r.Header.Set("User-Agent", "kube-probe/1.31")
		if w := h.do(r); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := h.get(base + "/readyz")
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "10.1.1.1") {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
}

func TestT209_PathsWithTwoReadings(t *testing.T) {
	h := build(t, nil)
	for _, path := range []string{
		"/page;x", "/a/..;/page", "/a/../page", "//page", "/%70age", "/page%2f", "/page%00", "/page%23x", "/./page",
		"/page.", "/page/", "/page%20", "/\\page", "/page%5c", "/a%2f..%2fpage", "/..", "/.git", "/page%3bx", "/頁",
	} {
		r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
		u, err := url.ParseRequestURI(path) // as net/http reads a request line
		if err != nil {
			continue
		}
		r.URL = u
		w := h.do(r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := h.get(base + "/page"); w.Code != 200 {
		t.Errorf("the plain path: %d", w.Code)
	}
}

func TestT186_LogIsOneLineWithoutPersonalData(t *testing.T) {
	h := build(t, nil)
	r := httptest.NewRequest(http.MethodGet, base+"/page?account=ab1234&code=secret", nil)
	r.RemoteAddr = "198.51.100.77:1"
	r.Header.Set("User-Agent", "x\r\n{\"level\":\"ERROR\"}\x1b[31m")
	r.Header.Set("Cookie", "__Host-idp-session=secret")
	h.do(r)
	r = httptest.NewRequest(http.MethodGet, base+"/page", nil)
	r.Method = "GET\r\nX"
	h.do(r)
	text := strings.TrimSpace(h.access.String())
	list := strings.Split(text, "\n")
	if len(list) != 2 {
		t.Fatalf("%d lines: %s", len(list), text)
	}
	for _, line := range list {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("no JSON: %s", line)
		}
		if entry["request_id"] == nil || entry["msg"] != "request" {
			t.Errorf("entry %v", entry)
		}
	}
	for _, leak := range []string{"ab1234", "secret", "198.51.100.77", "ERROR", "\x1b"} {
		if strings.Contains(text, leak) {
			t.Errorf("the log holds %q", leak)
		}
	}
}

func TestErrorPageReplacesTheRoutersOwn(t *testing.T) {
	metrics := NewMetrics()
	mounts := NewMounts(metrics)
	h := build(t, func(o *Options) {
		o.Metrics, o.Mounts = metrics, mounts
		o.Fail = func(w http.ResponseWriter, _ *http.Request, status int) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "our page")
		}
	})
	r := httptest.NewRequest(http.MethodGet, base+"/none", nil)
	r.Header.Set("Accept", "text/html")
	if w := h.do(r); w.Code != 404 || w.Body.String() != "our page" {
		t.Errorf("browser: %d %q", w.Code, w.Body)
	}
	r = httptest.NewRequest(http.MethodGet, base+"/.git/config", nil)
	r.Header.Set("Accept", "text/html")
	if w := h.do(r); w.Code != 404 || w.Body.String() != "our page" {
		t.Errorf("a path of two readings: %d %q", w.Code, w.Body)
	}
	if w := h.get(base + "/.git/config"); w.Code != 404 {
		t.Errorf("a path of two readings, to a program: %d", w.Code)
	}
	if w := h.get(base + "/none"); w.Code != 404 || strings.Contains(w.Body.String(), "our page") {
		t.Errorf("program: %d %q", w.Code, w.Body)
	}
}

func BenchmarkFront(b *testing.B) {
	metrics := NewMetrics()
	mounts := NewMounts(metrics)
	mounts.Handle("GET /page", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	log := NewLog(io.Discard)
	f, err := newFront(mounts, frontOptions{
		Issuer: base, Metrics: metrics, Now: time.Now, Log: log.Logger(0), Errors: log.Logger(0),
	})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, base+"/page", nil)
	b.ReportAllocs()
	for b.Loop() {
		f.ServeHTTP(httptest.NewRecorder(), r)
	}
}
