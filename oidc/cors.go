package oidc

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxOriginAge is how long the list of registered origins is kept.
const maxOriginAge = 5 * time.Second

// originList knows the origins that clients registered.
type originList struct {
	source ClientLister
	now    func() time.Time

	mu    sync.Mutex
	list  []string
	until time.Time
}

// has compares exactly: no pattern, no sub-domain, never "null".
func (o *originList) has(r *http.Request, origin string) bool {
	if o.source == nil || origin == "null" {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); !now.Before(o.until) {
		clients, err := o.source.Clients(r.Context())
		if err != nil {
			return false
		}
		o.list = o.list[:0]
		for i := range clients {
			if !clients[i].Disabled {
				o.list = append(o.list, clients[i].Origins...)
			}
		}
		o.until = now.Add(maxOriginAge)
	}
	return slices.Contains(o.list, origin)
}

// cors lets scripts of registered origins read the answers of an endpoint that
// needs no cookie (Fetch standard, CORS protocol). Credentials are never
// allowed, and the authorization endpoint is not wrapped (RFC 9700 section
// 2.6).
func (p *Provider) cors(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" && p.origins.has(r, origin) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
		}
		next(w, r)
	}
}

// preflight answers the browser's question before a cross-origin request.
func (p *Provider) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" && p.origins.has(r, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}
