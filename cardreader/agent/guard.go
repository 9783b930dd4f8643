package agent

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// maxBody is more than any request of the window needs.
const maxBody = 16 << 10

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP lets through what comes from this user's browser, addressed to
// us, and from where the route allows.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", contentPolicy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cache-Control", "no-store")
	head.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	c := connFrom(r.Context())
	if c == nil {
		h.refuse(w, "connection")
		return
	}
	defer c.forget(false)
	if c.foreign != nil {
		h.refuse(w, "another user of this computer")
		return
	}
	if !h.ownHost(r.Host) {
		h.refuse(w, "host")
		return
	}
	if r.Header.Get("Upgrade") != "" {
		h.refuse(w, "upgrade")
		return
	}
	switch r.URL.Path {
	case "/window":
		h.only(http.MethodGet, navigated, h.window)(w, r)
	case "/window.js", "/window.css":
		h.only(http.MethodGet, sameSite, h.asset)(w, r)
	case "/api/prepare":
		h.only(http.MethodPost, ownOrigin, h.prepare)(w, r)
	case "/api/status":
		h.only(http.MethodPost, ownOrigin, h.status)(w, r)
	case "/api/sign":
		h.only(http.MethodPost, ownOrigin, h.sign)(w, r)
	case "/api/cancel":
		h.only(http.MethodPost, ownOrigin, h.cancel)(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (h *handler) refuse(w http.ResponseWriter, why string) {
	h.log.Warn("refused", "why", why)
	http.Error(w, "forbidden", http.StatusForbidden)
}

// ownHost compares the whole Host: a name that an attacker points at loopback
// (DNS rebinding) is not ours.
func (h *handler) ownHost(host string) bool {
	return host == "localhost:"+h.port || host == "127.0.0.1:"+h.port || host == "[::1]:"+h.port
}

func (h *handler) only(method string, allowed func(*http.Request) bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !allowed(r):
			h.refuse(w, "origin")
		case r.Method != method:
			w.Header().Set("Allow", method)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			next(w, r)
		}
	}
}

// navigated: the window is opened by a page of another site, as a window of
// its own and never as part of that page (Fetch Metadata). Older browsers send
// no such headers; the content policy forbids framing there too.
func navigated(r *http.Request) bool {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	return (mode == "" || mode == "navigate") && (dest == "" || dest == "document") && r.Header.Get("Origin") == ""
}

func sameSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin"
}

// ownOrigin: posts come from our own window. Browsers send Origin with each
// POST; one without is no browser.
func ownOrigin(r *http.Request) bool {
	origin := r.Header.Values("Origin")
	return len(origin) == 1 && origin[0] == "http://"+r.Host && sameSite(r)
}

var errBody = errors.New("agent: request body")

// decode reads a JSON body; it wipes the buffers that it passed through.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || r.ContentLength <= 0 || r.ContentLength > maxBody {
		w.Header().Set("Connection", "close")
		return errBody
	}
	body := make([]byte, r.ContentLength)
	defer wipe(body)
	_, err = io.ReadFull(r.Body, body)
	if c := connFrom(r.Context()); c != nil {
		c.forget(true)
	}
	if err != nil {
		return errBody
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errBody
	}
	return nil
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the browser went away
}
