package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	idp "taipeion.internal/idp"
)

const (
	maxBody   = 1 << 20 // handlers that take less set their own limit
	maxFields = 1000    // of a form or a query
)

// DefaultPolicy is the content security policy of an answer that sets none.
const DefaultPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// machinePaths take cross-site POSTs by design: relying systems and their pages
// send them, with credentials of their own and without our cookies
// (OpenID Connect Core 1.0 section 3.1.2.1, RFC 6749 section 3.2).
func machinePaths() []string {
	return []string{
		"/oauth2/authorize", "/oauth2/token", "/oauth2/introspect",
		"/oauth2/revoke", "/oauth2/userinfo", "/oauth2/logout",
	}
}

// Fail answers with an error page.
type Fail func(w http.ResponseWriter, r *http.Request, status int)

// frontOptions is what the middleware needs.
type frontOptions struct {
	Issuer   string   // https://host[:port]; http on loopback only
	Hosts    []string // further hosts that are answered
	Networks Networks
	Metrics  *Metrics
	Log      *slog.Logger // nil: no access log
	Errors   *slog.Logger
	Fail     Fail
	Allowed  func(r *http.Request) []string // the methods of the request's path
	Now      func() time.Time
}

// front is all middleware in one handler: each request passes it once, so it
// allocates little.
type front struct {
	frontOptions
	next    http.Handler
	hosts   map[string]bool
	csrf    *http.CrossOriginProtection
	headers []fixedHeader
	prefix  string // of request IDs, random for each start
	serial  atomic.Uint64
}

type fixedHeader struct {
	name  string
	value []string
}

func newFront(next http.Handler, o frontOptions) (*front, error) {
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("issuer %q is not an address", o.Issuer)
	}
	f := &front{
		frontOptions: o, next: next, csrf: http.NewCrossOriginProtection(),
		hosts: make(map[string]bool), headers: securityHeaders(issuer.Scheme == "https"), prefix: rand.Text()[:12],
	}
	for _, host := range append([]string{issuer.Host}, o.Hosts...) {
		f.addHost(host, issuer.Scheme)
	}
	if err := f.csrf.AddTrustedOrigin(issuer.Scheme + "://" + issuer.Host); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", o.Issuer, err)
	}
	for _, path := range machinePaths() {
		f.csrf.AddInsecureBypassPattern("POST " + path)
	}
	return f, nil
}

// addHost also takes a host with the scheme's own port written out, or left out.
func (f *front) addHost(host, scheme string) {
	host = strings.ToLower(host)
	f.hosts[host] = true
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	if bare, found := strings.CutSuffix(host, port); found {
		f.hosts[bare] = true
	} else if (&url.URL{Host: host}).Port() == "" {
		f.hosts[host+port] = true
	}
}

func securityHeaders(https bool) []fixedHeader {
	list := []fixedHeader{
		{"Content-Security-Policy", []string{DefaultPolicy}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		// "same-origin" and not "no-referrer": that would make browsers send
		// "Origin: null" with our own forms.
		{"Referrer-Policy", []string{"same-origin"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"X-Frame-Options", []string{"DENY"}},
		{"Cache-Control", []string{"no-store"}},
	}
	if https {
		list = append(list, fixedHeader{"Strict-Transport-Security", []string{"max-age=63072000"}})
	}
	return list
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := f.Now()
	header := w.Header()
	for _, h := range f.headers {
		header[h.name] = h.value
	}
	id := f.prefix + strconv.FormatUint(f.serial.Add(1), 36)
	header["X-Request-Id"] = []string{id}
	addr := f.Networks.client(r)
	r = r.WithContext(idp.WithOrigin(r.Context(), idp.Origin{
		RequestID: id, Address: addr,
		City:    contains(f.Networks.City, addr),
		Gateway: contains(f.Networks.Gateways, addr),
	}))
	answer := &response{ResponseWriter: w, intercept: f.Fail != nil, front: f, request: r}
	f.Metrics.inFlight.Inc()
	defer f.finish(answer, r, start)
	if status := f.refuse(answer, r); status != 0 {
		if status == http.StatusMethodNotAllowed && len(f.Allowed(r)) == 0 {
			status = http.StatusNotFound
		}
		f.fail(answer, r, status)
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(answer, limitFields(r), maxBody)
	}
	f.next.ServeHTTP(answer, r)
	if answer.notFound {
		f.fail(answer, r, http.StatusNotFound)
	}
}

// finish recovers from a panic, counts and logs.
func (f *front) finish(w *response, r *http.Request, start time.Time) {
	if v := recover(); v != nil {
		if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the value itself
			f.Metrics.inFlight.Dec()
			panic(v)
		}
		f.panicked(w, r, v)
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	took := f.Now().Sub(start)
	route := w.route
	if route == nil {
		route = f.Metrics.other
	}
	route.observe(w.status, took)
	f.Metrics.inFlight.Dec()
	if f.Log != nil {
		f.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("method", knownMethod(r.Method)), slog.String("route", route.pattern),
			slog.Int("status", w.status), slog.Int64("bytes", w.bytes), slog.Duration("took", took))
	}
}

// panicked answers 500. What was thrown may hold anything, so only its type is
// logged, and its text if the runtime wrote it.
func (f *front) panicked(w *response, r *http.Request, v any) {
	f.Metrics.panics.Inc()
	what := fmt.Sprintf("%T", v)
	var fault runtime.Error
	if err, ok := v.(error); ok && errors.As(err, &fault) {
		what = fault.Error()
	}
	f.Errors.ErrorContext(r.Context(), "panic", "panic", what, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: cut the connection
	}
	f.fail(w, r, http.StatusInternalServerError)
}

func (f *front) fail(w *response, r *http.Request, status int) {
	w.intercept, w.notFound = false, false // this answer is ours and goes out
	if f.Fail != nil && status != http.StatusMisdirectedRequest && strings.Contains(r.Header.Get("Accept"), "text/html") {
		f.Fail(w, r, status)
		return
	}
	http.Error(w, http.StatusText(status), status)
}

// methods are those that our routes have.
var methods = [...]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}

func knownMethod(method string) string {
	if slices.Contains(methods[:], method) {
		return method
	}
	return "other"
}
