package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// The reason of this package; its words are in templates/locale.
const reasonPhoneFar idp.Reason = "phone_far" // from there the phone alone is not enough

// Attempts are logins by phone.
type Attempts interface {
	Look(ctx context.Context, flow, browser []byte) (*devicebind.View, error)
	View(t *devicebind.Attempt, flow []byte) *devicebind.View
	Approved(ctx context.Context, flow, browser []byte) (*devicebind.Used, error)
	ApprovedBy(ctx context.Context, t *devicebind.Attempt, flow []byte) (*devicebind.Used, error)
	Use(ctx context.Context, flow, browser []byte) (*devicebind.Used, error)
	Settle(ctx context.Context, flow, browser []byte, outcome error) error
}

// Codes are what QR codes say.
type Codes interface {
	MakeAfter(flow []byte, pc devicebind.PC, closed time.Time) devicebind.Code
}

// Waiting wakes pages.
type Waiting interface {
	Wait(key []byte) (changed <-chan struct{}, stop func())
	Hurry() (calm func())
}

// OneTimeCodes are second factors beside the password.
type OneTimeCodes interface {
	Of(ctx context.Context, personID string) (devicebind.OTPState, error)
	Verify(ctx context.Context, personID, code string) error
}

// Passkeys are WebAuthn credentials.
type Passkeys interface {
	BeginLogin(ctx context.Context, browser []byte, personID string) (options []byte, err error)
	Login(ctx context.Context, browser []byte, personID string, answer []byte) (*idp.Person, *devicebind.Passkey, error)
}

// People finds persons.
type People interface {
	Person(ctx context.Context, id string) (*idp.Person, error)
	// Account finds a normalised name; idp.ErrNotFound.
	Account(ctx context.Context, name string) (*idp.Account, error)
}

// KnownBrowsers remembers who used which browser, by the SHA-256 of its cookie.
type KnownBrowsers interface {
	// KnownBrowser returns when the person last proved level two in the browser;
	// idp.ErrNotFound for never.
	KnownBrowser(ctx context.Context, personID string, browser []byte) (time.Time, error)
	// RememberBrowser notes that the person did, in the place of an older time.
	RememberBrowser(ctx context.Context, personID string, browser []byte, at time.Time) error
}

// Sealer seals what a browser carries for us.
type Sealer interface {
	Seal(plain []byte, context string) []byte
	Open(sealed []byte, context string) ([]byte, error)
}

// Factors are the ways to log in beside password and card. Those that are nil
// are not set up.
type Factors struct {
	Attempts Attempts // with Codes and Waiting
	Codes    Codes
	Waiting  Waiting
	OTP      OneTimeCodes
	Passkeys Passkeys
	People   People
	Known    KnownBrowsers
	KnownFor time.Duration // how long a browser counts as used; 180 days if 0
	Sealer   Sealer
	Names    policy.Names
	Waits    WaitingLimits // how many pages may wait at once
	Stop     chan struct{} // closed when the node stops: the waiting pages go elsewhere; nil: never
}

func (h *Handler) mountFactors(mux idp.Mux) {
	if h.Factors.Attempts != nil {
		mux.Handle("GET /login/qr/events", http.HandlerFunc(h.qrEvents))
		mux.Handle("GET /login/qr/state", http.HandlerFunc(h.qrLook))
		mux.Handle("POST /login/qr", http.HandlerFunc(h.qr))
	}
	if h.Factors.OTP != nil {
		mux.Handle("GET /login/otp", http.HandlerFunc(h.codePage))
		mux.Handle("POST /login/otp", http.HandlerFunc(h.code))
	}
	if h.Factors.Passkeys != nil {
		mux.Handle("POST /login/passkey/options", http.HandlerFunc(h.passkeyOptions))
		mux.Handle("POST /login/passkey", http.HandlerFunc(h.passkey))
	}
}

// offerFactors adds to the login page what is set up and will do here.
func (h *Handler) offerFactors(r *http.Request, v *visit, view *templates.Login) error {
	if view.Tab == templates.TabQR && h.Factors.Attempts != nil {
		qr, err := h.qrView(r, v)
		if err != nil {
			return err
		}
		view.QR = qr
	}
	if view.OnlyCard || view.OnlyPassword || view.Need >= idp.LevelCard {
		return nil
	}
	if h.Factors.Passkeys != nil && !(view.QR != nil && view.QR.State != templates.QRWaiting) {
		view.Passkey = &templates.PasskeyOffer{OptionsURL: v.path("/login/passkey/options")}
	}
	if h.Factors.OTP != nil && v.decision.Step == policy.StepLevel && v.decision.Level == idp.LevelTwo && v.hasPassword() {
		state, err := h.Factors.OTP.Of(r.Context(), v.current.Person.ID)
		if err != nil {
			return fmt.Errorf("read one-time codes: %w", err)
		}
		if state.Bound {
			view.CodeURL = v.path("/login/otp")
		}
	}
	return nil
}

// hasPassword tells whether a password was given in the session.
func (v *visit) hasPassword() bool {
	if v.current == nil {
		return false
	}
	for _, e := range v.current.Session.Evidence {
		if e.Method == idp.MethodPassword {
			return true
		}
	}
	return false
}

// place is where the browser of a request stands, for that person.
func (h *Handler) place(r *http.Request, personID string) (policy.Place, error) {
	p := policy.Place{City: idp.OriginFrom(r.Context()).City}
	browser := h.Sessions.Known(r)
	if p.City || browser == nil || h.Factors.Known == nil {
		return p, nil
	}
	at, err := h.Factors.Known.KnownBrowser(r.Context(), personID, browser)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return p, nil
	case err != nil:
		return p, fmt.Errorf("read known browser: %w", err)
	}
	p.Known = h.Now().Sub(at) < h.knownFor()
	return p, nil
}

func (h *Handler) knownFor() time.Duration {
	if h.Factors.KnownFor > 0 {
		return h.Factors.KnownFor
	}
	return 180 * 24 * time.Hour
}

// knownEvery is how exact the time is when a browser was used: a login in one
// that was noted more recently writes nothing.
const knownEvery = 24 * time.Hour

// newlyKnown is the browser of a login that proved enough, where that is to be
// noted; nil where it is not. It sets the cookie.
func (h *Handler) newlyKnown(w http.ResponseWriter, r *http.Request, personID string, evidence []idp.Evidence) ([]byte, error) {
	now := h.Now()
	if h.Factors.Known == nil || !policy.MakesKnown(evidence, now) {
		return nil, nil
	}
	browser := h.Sessions.Known(r)
	if browser == nil {
		return h.Sessions.NewKnown(w), nil
	}
	at, err := h.Factors.Known.KnownBrowser(r.Context(), personID, browser)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return h.Sessions.NewKnown(w), nil // it is somebody else's mark, who may hold a copy of it
	case err != nil:
		return nil, fmt.Errorf("read known browser: %w", err)
	case now.Sub(at) < knownEvery:
		return nil, nil
	}
	return browser, nil
}

// rememberBrowser begins to note the browser of a login that proved enough; wait
// ends it. It goes on beside the writing of the session: what arrives at the
// store together is made durable together.
func (h *Handler) rememberBrowser(w http.ResponseWriter, r *http.Request, personID string, evidence []idp.Evidence) (wait func() error, err error) {
	browser, err := h.newlyKnown(w, r, personID, evidence)
	if err != nil || browser == nil {
		return func() error { return nil }, err
	}
	now := h.Now()
	done := make(chan error, 1)
	go func() { done <- h.Factors.Known.RememberBrowser(r.Context(), personID, browser, now) }()
	return func() error {
		if err := <-done; err != nil {
			return fmt.Errorf("remember browser: %w", err)
		}
		return nil
	}, nil
}

// refused notes why a proof of that method was not taken.
func (h *Handler) refused(ctx context.Context, v *visit, method idp.Method, personID string, err error) (problem, error) {
	var denied idp.Denied
	if !errors.As(err, &denied) {
		return problem{}, err
	}
	e := h.event(ctx, v.flow, "login."+string(method), string(denied.Reason))
	e.PersonID, e.Detail = personID, err.Error()
	if err := h.Store.Record(ctx, e); err != nil {
		return problem{}, fmt.Errorf("record refusal: %w", err)
	}
	p := problem{reason: denied.Reason}
	var locked interface{ LockedUntil() time.Time }
	if errors.As(err, &locked) {
		p.until = locked.LockedUntil()
	}
	return p, nil
}

// LockedUntil is when the lock opens.
func (l lockedUntil) LockedUntil() time.Time { return l.at }
