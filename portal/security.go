package portal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// factorsDone are what the page of factors may say once, by the value of its
// parameter "done".
var factorsDone = map[string]string{
	"bound": templates.NoticeDeviceBound, "renamed": templates.NoticeDeviceRenamed, "revoked": templates.NoticeDeviceRevoked,
	"otp": templates.NoticeOTPBound, "no-otp": templates.NoticeOTPRemoved, "passkey": templates.NoticePasskeyAdded,
	"no-passkey": templates.NoticePasskeyGone, "named": templates.NoticePasskeyNamed, "confirmed": templates.NoticeConfirmed,
}

func doneOf(notice string) string {
	for done, n := range factorsDone {
		if n == notice {
			return done
		}
	}
	return ""
}

func noticed(notice string) *templates.Security { return &templates.Security{Notice: notice} }

// security is the page of a person's phones, one-time codes and passkeys.
func (h *Handler) security(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
	case c == nil:
		h.askLogin(w, r, idp.Ask{}, "/security")
	default:
		h.showSecurity(w, r, c, templates.Security{Notice: factorsDone[r.URL.Query().Get("done")]})
	}
}

func (h *Handler) showSecurity(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.Security) {
	v.Base = base(r, c)
	v.Self, v.PasskeysURL = "/security", "/security/passkey/options"
	v.NoPhones, v.NoPasskeys = h.Factors.Enroller == nil, h.Factors.Passkeys == nil
	card, err := h.boundCard(r, c.Person.ID)
	if err == nil {
		v.CardBound = card != nil
		err = h.fillFactors(r, c.Person.ID, &v)
		v.Stuck = stuck(&v)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, http.StatusOK, v)
}

// stuck tells whether a change asks for a login that this person can't give:
// phones still count that may not be used, or whoever makes them unusable would
// have less to prove.
func stuck(v *templates.Security) bool {
	has := func(standing devicebind.Standing) bool {
		return slices.ContainsFunc(v.Devices, func(d templates.DeviceRow) bool { return d.Standing == string(standing) })
	}
	return !v.CardBound && !v.OTPBound && len(v.Passkeys) == 0 && has(devicebind.StandingSuspended) && !has(devicebind.StandingActive)
}

func (h *Handler) fillFactors(r *http.Request, personID string, v *templates.Security) error {
	now := h.Now()
	if h.Factors.Devices != nil {
		devices, err := h.Factors.Devices.Of(r.Context(), personID)
		if err != nil {
			return fmt.Errorf("list phones: %w", err)
		}
		for _, d := range devices {
			v.Devices = append(v.Devices, templates.DeviceRow{
				ID: d.ID, Name: d.Name, Platform: d.Platform, Standing: string(d.Standing(now)),
				BoundAt: d.BoundAt, UsedAt: d.UsedAt, EndsAt: d.NotAfter,
			})
		}
	}
	if h.Factors.OTP != nil {
		state, err := h.Factors.OTP.Of(r.Context(), personID)
		if err != nil {
			return fmt.Errorf("read one-time codes: %w", err)
		}
		v.OTPBound, v.OTPBoundAt, v.Recovery = state.Bound, state.BoundAt, state.RecoveryLeft
	}
	if h.Factors.Passkeys != nil {
		keys, err := h.Factors.Passkeys.Of(r.Context(), personID)
		if err != nil {
			return fmt.Errorf("list passkeys: %w", err)
		}
		for _, k := range keys {
			v.Passkeys = append(v.Passkeys, templates.PasskeyRow{
				ID: base64.RawURLEncoding.EncodeToString(k.ID), Name: k.Name, CreatedAt: k.CreatedAt, UsedAt: k.UsedAt,
			})
		}
	}
	return nil
}

// nameOf is a name that somebody gave to a thing of theirs; empty for none.
func nameOf(r *http.Request) string {
	name := strings.TrimSpace(one(r.PostForm, "name"))
	if len([]rune(name)) > 60 {
		return ""
	}
	return name
}

// renameDevice changes no factor: any login will do.
func (h *Handler) renameDevice(r *http.Request, c *session.Current) (*templates.Security, error) {
	name := nameOf(r)
	if name == "" {
		return nil, errForm
	}
	return noticed(templates.NoticeDeviceRenamed), h.Factors.Devices.Rename(r.Context(), who(c), one(r.PostForm, "id"), name)
}

func (h *Handler) revokeDevice(r *http.Request, c *session.Current) (*templates.Security, error) {
	return noticed(templates.NoticeDeviceRevoked), h.Factors.Devices.Revoke(r.Context(), who(c), one(r.PostForm, "id"))
}

func (h *Handler) beginOTP(r *http.Request, c *session.Current) (*templates.Security, error) {
	if err := h.mayChange(r, c); err != nil {
		return nil, err
	}
	return h.offerOTP(r, c)
}

func (h *Handler) offerOTP(r *http.Request, c *session.Current) (*templates.Security, error) {
	offer, err := h.Factors.OTP.Begin(r.Context(), who(c))
	if err != nil {
		return nil, err
	}
	code, err := devicebind.QRModules(offer.URI)
	if err != nil {
		return nil, err
	}
	return &templates.Security{Offer: &templates.OTPOffer{Code: code, Secret: offer.Secret}}, nil
}

// confirmOTP binds by the first code. After a wrong one the same secret is shown
// again.
func (h *Handler) confirmOTP(r *http.Request, c *session.Current) (*templates.Security, error) {
	if err := h.mayChange(r, c); err != nil {
		return nil, err
	}
	recovery, err := h.Factors.OTP.Confirm(r.Context(), who(c), one(r.PostForm, "code"))
	var denied idp.Denied
	if errors.As(err, &denied) && denied.Reason == devicebind.ReasonOTPWrong {
		view, again := h.offerOTP(r, c)
		if again != nil {
			return nil, again
		}
		return view, err
	}
	return &templates.Security{NewCodes: recovery, Notice: templates.NoticeOTPBound}, err
}

func (h *Handler) renewOTP(r *http.Request, c *session.Current) (*templates.Security, error) {
	recovery, err := h.Factors.OTP.Renew(r.Context(), who(c))
	return &templates.Security{NewCodes: recovery}, err
}

func (h *Handler) removeOTP(r *http.Request, c *session.Current) (*templates.Security, error) {
	return noticed(templates.NoticeOTPRemoved), h.Factors.OTP.Remove(r.Context(), who(c))
}
