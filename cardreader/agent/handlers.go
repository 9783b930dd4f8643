package agent

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/pkcs11"
)

// Codes that windows and pages see beside the kinds of pkcs11.
const (
	codeRefused   pkcs11.Kind = "refused" // not a challenge of an allowed server, or of another origin
	codeExpired   pkcs11.Kind = "expired" // the challenge is out of its time
	codeUsed      pkcs11.Kind = "used"    // this window has done its work
	codeBusy      pkcs11.Kind = "busy"    // a signature is being made
	codeCancelled             = pkcs11.KindCancelled
	codeBad       pkcs11.Kind = "bad_request"
)

type handler struct {
	sites   map[string]site
	port    string
	log     *slog.Logger
	now     func() time.Time
	windows windows
	readers *readers
}

type problem struct {
	Code  pkcs11.Kind `json:"code"`
	Tries *int        `json:"tries,omitempty"`
}

// find decodes a post and finds its window. It has answered if it is nil.
func (h *handler) find(w http.ResponseWriter, r *http.Request, post any, secret *string) *window {
	if err := decode(w, r, post); err != nil {
		answer(w, http.StatusBadRequest, problem{Code: codeBad})
		return nil
	}
	one := h.windows.find(*secret, h.now())
	if one == nil {
		h.log.Warn("refused", "why", "window secret")
		answer(w, http.StatusForbidden, problem{Code: codeRefused})
	}
	return one
}

type prepared struct {
	Origin  string             `json:"origin"`
	Name    string             `json:"name"` // of the server
	Purpose cardreader.Purpose `json:"purpose"`
	Client  string             `json:"client"` // name of the system, empty for the platform itself
	Expires int64              `json:"expires"`
	State   State              `json:"state"`
}

// prepare takes the challenge that the page sent to the window. It is checked
// with the key of the configured server that has the page's own origin.
func (h *handler) prepare(w http.ResponseWriter, r *http.Request) {
	var post struct {
		Window    string `json:"window"`
		Challenge string `json:"challenge"`
		Origin    string `json:"origin"` // event.origin, as the window saw it
	}
	one := h.find(w, r, &post, &post.Window)
	if one == nil {
		return
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.jws != "" || one.used {
		answer(w, http.StatusConflict, problem{Code: codeUsed})
		return
	}
	s, ok := h.sites[post.Origin]
	if !ok {
		h.reject(w, one, codeRefused, "origin not configured")
		return
	}
	c, err := cardreader.ParseChallenge(post.Challenge, s.key, h.now())
	switch {
	case errors.Is(err, idp.ErrExpired):
		h.reject(w, one, codeExpired, "challenge out of its time")
		return
	case err != nil:
		h.reject(w, one, codeRefused, "challenge not of this server")
		return
	case c.Origin != s.Origin:
		h.reject(w, one, codeRefused, "challenge of another origin")
		return
	}
	one.site, one.jws, one.challenge = s, post.Challenge, c
	one.taken.Store(true)
	h.log.Info("challenge taken", "site", s.Origin, "purpose", string(c.Purpose))
	answer(w, http.StatusOK, prepared{
		Origin: s.Origin, Name: s.Name, Purpose: c.Purpose, Client: c.ClientName,
		Expires: c.ExpiresAt.Unix(), State: h.readers.state(false),
	})
}

// reject ends the window: a page that sends a wrong challenge gets no second
// one.
func (h *handler) reject(w http.ResponseWriter, one *window, code pkcs11.Kind, why string) {
	one.used = true
	h.log.Warn("challenge refused", "why", why)
	answer(w, http.StatusForbidden, problem{Code: code})
}

// status tells how readers and cards are. Who holds the cards is told only to
// a window that has a challenge.
func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	var post struct {
		Window string `json:"window"`
	}
	one := h.find(w, r, &post, &post.Window)
	if one == nil {
		return
	}
	state := h.readers.state(false)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.jws == "" || one.used {
		state.Cards = nil
	}
	answer(w, http.StatusOK, state)
}

// sign is the one place where a PIN comes in.
func (h *handler) sign(w http.ResponseWriter, r *http.Request) {
	var post struct {
		Window  string `json:"window"`
		Card    string `json:"card"`
		PIN     []byte `json:"pin"` // base64, so that it never becomes a string
		LastTry bool   `json:"last_try"`
	}
	defer func() { wipe(post.PIN) }()
	one := h.find(w, r, &post, &post.Window)
	w.Header().Set("Connection", "close") // its buffers were overwritten
	if one == nil {
		return
	}
	if len(post.PIN) > maxSecret {
		answer(w, http.StatusBadRequest, problem{Code: codeBad})
		return
	}
	if code := one.begin(h.now()); code != "" {
		answer(w, http.StatusConflict, problem{Code: code})
		return
	}
	cms, err := h.readers.sign(order{card: post.Card, pin: post.PIN, lastTry: post.LastTry, challenge: one.jws, at: h.now()})
	one.end(err == nil)
	if err != nil {
		h.failed(w, one, err)
		return
	}
	h.log.Info("signed", "site", one.site.Origin, "purpose", string(one.challenge.Purpose))
	answer(w, http.StatusOK, map[string]string{"cms": base64.StdEncoding.EncodeToString(cms)})
}

func (h *handler) failed(w http.ResponseWriter, one *window, err error) {
	p := problem{Code: pkcs11.KindOf(err)}
	var e *pkcs11.Error
	if errors.As(err, &e) && e.TriesLeft != pkcs11.Unknown {
		p.Tries = &e.TriesLeft
	}
	// The error names PKCS#11 functions and values, nothing personal.
	h.log.Warn("not signed", "site", one.site.Origin, "code", string(p.Code), "err", err.Error())
	answer(w, http.StatusConflict, p)
}

// begin reserves the window for one signature.
func (one *window) begin(now time.Time) pkcs11.Kind {
	one.mu.Lock()
	defer one.mu.Unlock()
	switch {
	case one.used || one.jws == "":
		return codeUsed
	case one.signing:
		return codeBusy
	case !now.Before(one.challenge.ExpiresAt):
		return codeExpired
	}
	one.signing = true
	return ""
}

func (one *window) end(signed bool) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.signing = false
	one.used = one.used || signed
}

// cancel ends the window for good.
func (h *handler) cancel(w http.ResponseWriter, r *http.Request) {
	var post struct {
		Window string `json:"window"`
	}
	one := h.find(w, r, &post, &post.Window)
	if one == nil {
		return
	}
	one.mu.Lock()
	one.used = true
	one.mu.Unlock()
	h.windows.close(one)
	h.log.Info("cancelled")
	answer(w, http.StatusOK, problem{Code: codeCancelled})
}
