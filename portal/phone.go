package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// Enroller binds phones.
type Enroller interface {
	May(ctx context.Context, who devicebind.Who) error
	Begin(ctx context.Context, who devicebind.Who) (*devicebind.Started, error)
	Look(ctx context.Context, who devicebind.Who, id string) (*devicebind.Started, error)
	Confirm(ctx context.Context, who devicebind.Who, id string) (*devicebind.Device, error)
	Cancel(ctx context.Context, who devicebind.Who, id string) error
}

// Devices are bound phones.
type Devices interface {
	Of(ctx context.Context, personID string) ([]devicebind.Device, error)
	Rename(ctx context.Context, who devicebind.Who, deviceID, name string) error
	Revoke(ctx context.Context, who devicebind.Who, deviceID string) error
}

// OneTimeCodes are second factors beside the password.
type OneTimeCodes interface {
	Of(ctx context.Context, personID string) (devicebind.OTPState, error)
	Begin(ctx context.Context, who devicebind.Who) (*devicebind.OTPOffer, error)
	Confirm(ctx context.Context, who devicebind.Who, code string) (recovery []string, err error)
	Renew(ctx context.Context, who devicebind.Who) (recovery []string, err error)
	Remove(ctx context.Context, who devicebind.Who) error
}

// Passkeys are WebAuthn credentials.
type Passkeys interface {
	Of(ctx context.Context, personID string) ([]devicebind.Passkey, error)
	BeginAdd(ctx context.Context, who devicebind.Who) (options []byte, err error)
	Add(ctx context.Context, who devicebind.Who, name string, answer []byte) (*devicebind.Passkey, error)
	Rename(ctx context.Context, who devicebind.Who, id []byte, name string) error
	Remove(ctx context.Context, who devicebind.Who, id []byte) error
}

// Freshness says how a person must have logged in to change a factor.
type Freshness interface {
	Strongest(ctx context.Context, personID string) (idp.Level, error)
	Check(ctx context.Context, who devicebind.Who) error
}

// Waiting wakes pages.
type Waiting interface {
	Wait(key []byte) (changed <-chan struct{}, stop func())
}

// Factors are the ways to log in that a person manages. Those that are nil are
// not set up.
type Factors struct {
	Enroller Enroller // with Devices and Waiting
	Devices  Devices
	Waiting  Waiting
	OTP      OneTimeCodes
	Passkeys Passkeys
	Fresh    Freshness
	Lax      bool          // a password and a one-time code do in place of the card
	Apps     []AppLink     // where the app is
	Holders  Holders       // whose card it is
	Told     Told          // how people hear of changes
	Stop     chan struct{} // closed when the node stops; nil: never
}

// AppLink is where the app for a kind of phone is.
type AppLink struct {
	Name string // templates.AppAndroid or templates.AppIOS
	URL  string
}

// Holders knows whose card it is.
type Holders interface {
	// CardByHolder finds a bound card and its person; idp.ErrNotFound.
	CardByHolder(ctx context.Context, issuerKeyID, subjectSerial string) (*idp.Card, *idp.Person, error)
}

func (h *Handler) mountFactors(mux idp.Mux) {
	on := func(pattern string, f http.HandlerFunc) { mux.Handle(pattern, f) }
	if h.Factors.Fresh == nil {
		return
	}
	on("GET /security", h.security)
	on("GET /security/confirm", h.confirmPerson)
	if h.Factors.Enroller != nil {
		on("GET /device/bind", h.devicePage)
		on("POST /device/bind/check", h.deviceCheck)
		on("POST /device/bind/challenge", h.deviceChallenge)
		on("POST /device/bind/sign", h.deviceSign)
		on("POST /device/bind/start", h.deviceStart)
		on("POST /device/bind/confirm", h.deviceConfirm)
		on("POST /device/bind/cancel", h.deviceCancel)
		on("GET /device/bind/events", h.deviceEvents)
		on("GET /device/bind/state", h.deviceLook)
		on("GET /device/bind/leave", h.deviceLeave)
		on("POST /security/device/rename", h.act(h.renameDevice))
		on("POST /security/device/revoke", h.act(h.revokeDevice))
	}
	if h.Factors.OTP != nil {
		on("POST /security/otp/begin", h.act(h.beginOTP))
		on("POST /security/otp/confirm", h.act(h.confirmOTP))
		on("POST /security/otp/renew", h.act(h.renewOTP))
		on("POST /security/otp/remove", h.act(h.removeOTP))
	}
	if h.Factors.Passkeys != nil {
		on("POST /security/passkey/options", h.passkeyOptions)
		on("POST /security/passkey/add", h.act(h.addPasskey))
		on("POST /security/passkey/rename", h.act(h.renamePasskey))
		on("POST /security/passkey/remove", h.act(h.removePasskey))
	}
}

func who(c *session.Current) devicebind.Who {
	return devicebind.Who{Person: c.Person, Session: c.Session}
}

// act is a form of the page of factors. What it returns is shown on that page; a
// stale login leads through a new one first.
func (h *Handler) act(do func(r *http.Request, c *session.Current) (*templates.Security, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.form(w, r, maxForm) {
			return
		}
		c, err := h.Sessions.Current(r)
		switch {
		case err != nil:
			h.fail(w, r, err)
			return
		case c == nil:
			h.askLogin(w, r, idp.Ask{}, "/security")
			return
		}
		view, err := do(r, c)
		h.acted(w, r, c, view, err)
	}
}

func (h *Handler) acted(w http.ResponseWriter, r *http.Request, c *session.Current, view *templates.Security, err error) {
	var denied idp.Denied
	switch {
	case errors.Is(err, idp.ErrNotFound): // of another person, or removed in another window
		http.Redirect(w, r, "/security", http.StatusSeeOther)
	case errors.As(err, &denied) && denied.Reason == devicebind.ReasonFactorFresh:
		h.askStrongest(w, r, c)
	case errors.As(err, &denied):
		e := h.event(r.Context(), c, "factor", string(denied.Reason))
		e.Detail = r.URL.Path
		if err := h.Store.Record(r.Context(), e); err != nil {
			h.fail(w, r, fmt.Errorf("record refusal: %w", err))
			return
		}
		if view == nil {
			view = &templates.Security{}
		}
		view.Reason = denied.Reason
		h.showSecurity(w, r, c, *view)
	case err != nil:
		h.fail(w, r, err)
	case view.Offer == nil && view.NewCodes == nil:
		http.Redirect(w, r, "/security?done="+doneOf(view.Notice), http.StatusSeeOther)
	default:
		h.showSecurity(w, r, c, *view)
	}
}

// askStrongest sends the browser through the strongest login that its person
// has.
func (h *Handler) askStrongest(w http.ResponseWriter, r *http.Request, c *session.Current) {
	level, err := h.Factors.Fresh.Strongest(r.Context(), c.Person.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.askLogin(w, r, policy.FactorAsk(level, h.Now()), "/security?done=confirmed")
}

// confirmPerson is askStrongest for a link.
func (h *Handler) confirmPerson(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
	case c == nil:
		h.askLogin(w, r, idp.Ask{}, "/security")
	default:
		h.askStrongest(w, r, c)
	}
}

// mayChange refuses a change of factors from a place, or after a login, that
// does not allow it.
func (h *Handler) mayChange(r *http.Request, c *session.Current) error {
	level, err := h.Factors.Fresh.Strongest(r.Context(), c.Person.ID)
	if err != nil {
		return err
	}
	if !policy.FactorPlace(level, policy.Place{City: idp.OriginFrom(r.Context()).City}) {
		return idp.Denied{Reason: idp.ReasonOutside}
	}
	return h.Factors.Fresh.Check(r.Context(), who(c))
}
