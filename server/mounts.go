package server

import (
	"net/http"
	"slices"
	"strings"
)

// Mounts is the router: every package mounts its handlers here, so that the
// list of all routes exists in one place.
type Mounts struct {
	mux     *http.ServeMux
	metrics *Metrics
	routes  []string
}

// NewMounts makes an empty router that counts in metrics.
func NewMounts(metrics *Metrics) *Mounts {
	return &Mounts{mux: http.NewServeMux(), metrics: metrics}
}

// Handle implements idp.Mux.
func (m *Mounts) Handle(pattern string, handler http.Handler) {
	m.routes = append(m.routes, pattern)
	route := m.metrics.route(pattern)
	m.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := w.(*response); ok {
			answer.route = route
		}
		handler.ServeHTTP(w, r)
	}))
}

// Routes lists all patterns that were mounted.
func (m *Mounts) Routes() []string { return slices.Sorted(slices.Values(m.routes)) }

// Allowed lists the methods that the path of a request can be asked with. A
// route for GET answers HEAD too; one for HEAD alone is there to refuse it.
func (m *Mounts) Allowed(r *http.Request) []string {
	var allowed []string
	for _, method := range methods {
		_, pattern := m.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host})
		if pattern != "" && !strings.HasPrefix(pattern, http.MethodHead) {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// ServeHTTP routes a request.
func (m *Mounts) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }
