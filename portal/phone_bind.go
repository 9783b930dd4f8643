package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// The five steps of binding a phone.
const (
	deviceEnvironment = 1 + iota
	deviceData
	deviceApp
	deviceInstalled
	deviceKey
)

func deviceURL(step int) string { return "/device/bind?step=" + strconv.Itoa(step) }

// deviceBinder tells who is in the wizard; it answers by itself, and returns
// nil, when the wizard does not open here and now. What a step needs beyond this
// is asked again where it acts.
func (h *Handler) deviceBinder(w http.ResponseWriter, r *http.Request) *session.Current {
	if !idp.OriginFrom(r.Context()).City {
		h.fail(w, r, idp.Denied{Reason: idp.ReasonOutside})
		return nil
	}
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return nil
	case c == nil:
		h.askLogin(w, r, idp.Ask{}, "/device/bind")
		return nil
	}
	if h.Factors.Lax {
		return c
	}
	card, err := h.boundCard(r, c.Person.ID)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return nil
	case card == nil: // the card comes first
		http.Redirect(w, r, "/card/bind", http.StatusSeeOther)
		return nil
	}
	return c
}

// withoutReader tells whether the password and a one-time code take the card's
// place for this person.
func (h *Handler) withoutReader(r *http.Request, c *session.Current) (bool, error) {
	if !h.Factors.Lax {
		return false, nil
	}
	card, err := h.boundCard(r, c.Person.ID)
	return card == nil, err
}

func (h *Handler) showDevice(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.PhoneBind) {
	v.Base = base(r, c)
	v.Self = deviceURL(min(v.Step, deviceInstalled)) // the language switch can't repeat what was sent
	if v.Step == deviceKey {
		v.Self = deviceURL(deviceKey) + "&id=" + url.QueryEscape(v.ID)
	}
	lax, err := h.withoutReader(r, c)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	v.WithoutReader, v.AgentOrigin, v.ChallengeURL = lax, h.Settings.AgentOrigin, "/device/bind/challenge"
	v.OpensAgent = v.Step <= deviceData && h.Settings.AgentOrigin != "" && !lax
	if v.Step == deviceApp {
		for _, app := range h.Factors.Apps {
			code, err := devicebind.QRModules(app.URL)
			if err != nil {
				h.fail(w, r, err)
				return
			}
			v.Apps = append(v.Apps, templates.App{Name: app.Name, URL: app.URL, Code: code})
		}
	}
	h.Pages.Render(w, r, http.StatusOK, v)
}

// devicePage shows a step that needs nothing from the one before.
func (h *Handler) devicePage(w http.ResponseWriter, r *http.Request) {
	c := h.deviceBinder(w, r)
	if c == nil {
		return
	}
	step, err := strconv.Atoi(r.URL.Query().Get("step"))
	if err != nil || step < deviceEnvironment || step > deviceKey {
		step = deviceEnvironment
	}
	if step == deviceKey {
		h.showKey(w, r, c)
		return
	}
	h.showDevice(w, r, c, templates.PhoneBind{Step: step})
}

// deviceCheck leaves step 1: the page's script has looked at the environment.
func (h *Handler) deviceCheck(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	if c := h.deviceBinder(w, r); c != nil {
		http.Redirect(w, r, deviceURL(deviceData), http.StatusSeeOther)
	}
}

// deviceChallengeKey is the one place of a session's open challenge of step 2.
func deviceChallengeKey(s *idp.Session) []byte {
	sum := sha256.Sum256([]byte("device/bind\x00" + s.ID))
	return sum[:]
}

// deviceChallenge gives out the challenge of step 2.
func (h *Handler) deviceChallenge(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	browser := h.Sessions.Browser(r)
	switch {
	case err != nil:
	case c == nil || browser == nil:
		err = errLogin
	case !idp.OriginFrom(r.Context()).City:
		err = idp.Denied{Reason: idp.ReasonOutside}
	}
	var jws string
	if err == nil {
		jws, err = h.Desk.Issue(r.Context(), cardreader.Issued{
			Key: deviceChallengeKey(c.Session), Browser: browser, Purpose: string(cardreader.PurposeBind), PersonID: c.Person.ID,
		})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := map[string]string{"challenge": jws}
	if err != nil {
		status, code := challengeError(err)
		h.note(r, status, err)
		w.WriteHeader(status)
		answer = map[string]string{"error": code}
	}
	_ = json.NewEncoder(w).Encode(answer) // a reader that went away is no error of ours
}

// deviceSign leaves step 2: the card is verified, which counts as a login by
// card in this session, and the binding data is made. Each tick stands for work
// that was really done.
func (h *Handler) deviceSign(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxCardForm) {
		return
	}
	c := h.deviceBinder(w, r)
	if c == nil {
		return
	}
	lax, err := h.withoutReader(r, c)
	if err == nil && !lax {
		err = h.proveCard(w, r, c)
	}
	if err == nil {
		err = h.Factors.Enroller.May(r.Context(), who(c))
	}
	if lax && isReason(err, devicebind.ReasonEnrolFresh) {
		h.askLogin(w, r, idp.Ask{MinLevel: idp.LevelTwo, PromptLogin: true}, deviceURL(deviceData))
		return
	}
	if err != nil {
		h.deviceRefused(w, r, c, err)
		return
	}
	ticks := []templates.Tick{{Name: templates.TickCard, OK: true}, {Name: templates.TickDevice}, {Name: templates.TickRequest}}
	started, err := h.Factors.Enroller.Begin(r.Context(), who(c))
	if err == nil {
		ticks[1].OK = true
		_, err = devicebind.QRModules(started.Link)
		ticks[2].OK = err == nil
	}
	if err != nil {
		h.note(r, http.StatusInternalServerError, err)
	}
	h.showDevice(w, r, c, templates.PhoneBind{Step: deviceData, Ticks: ticks})
}

func isReason(err error, reason idp.Reason) bool {
	var denied idp.Denied
	return errors.As(err, &denied) && denied.Reason == reason
}

// proveCard takes the card's answer as evidence of the session.
func (h *Handler) proveCard(w http.ResponseWriter, r *http.Request, c *session.Current) error {
	cms, err := base64.StdEncoding.DecodeString(one(r.PostForm, "cms"))
	if err != nil || len(cms) > maxMessage {
		cms = nil // the challenge is used up all the same
	}
	holder, issued, err := h.Desk.Redeem(r.Context(), deviceChallengeKey(c.Session), h.Sessions.Browser(r), cardreader.PurposeBind, cms)
	if err != nil {
		return err
	}
	card, person, err := h.Factors.Holders.CardByHolder(r.Context(), holder.IssuerKeyID, holder.SubjectSerial)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return fmt.Errorf("no such card is bound: %w", idp.Denied{Reason: idp.ReasonCardMismatch})
	case err != nil:
		return fmt.Errorf("find card: %w", err)
	case issued.PersonID != c.Person.ID || person.ID != c.Person.ID:
		return idp.Denied{Reason: idp.ReasonCardMismatch}
	case card.Fingerprint != holder.Fingerprint:
		return fmt.Errorf("another certificate of the holder is bound: %w", idp.Denied{Reason: idp.ReasonCardUnusable})
	}
	err = h.Sessions.StepUp(w, r, c, idp.Evidence{Method: idp.MethodCard, At: h.Now(), Card: card.ID},
		h.event(r.Context(), c, "login.card", "ok"))
	if errors.Is(err, idp.ErrConflict) { // the session was renewed meanwhile
		return idp.Denied{Reason: devicebind.ReasonEnrolFresh}
	}
	return err
}

// deviceRefused shows the wizard as failed, with what to do about it, and keeps
// the exact reason on record.
func (h *Handler) deviceRefused(w http.ResponseWriter, r *http.Request, c *session.Current, err error) {
	var denied idp.Denied
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, idp.ErrExpired) {
		denied.Reason = idp.ReasonChallengeUsed
	} else if !errors.As(err, &denied) {
		h.fail(w, r, err)
		return
	}
	e := h.event(r.Context(), c, "phone.bind", string(denied.Reason))
	e.Detail = err.Error()
	if err := h.Store.Record(r.Context(), e); err != nil {
		h.fail(w, r, fmt.Errorf("record refusal: %w", err))
		return
	}
	h.showDevice(w, r, c, templates.PhoneBind{Step: deviceData, Reason: denied.Reason})
}

// deviceStart leaves step 4: the app is installed, and the key QR code is made.
func (h *Handler) deviceStart(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.deviceBinder(w, r)
	if c == nil {
		return
	}
	if one(r.PostForm, "installed") != "yes" {
		http.Redirect(w, r, deviceURL(deviceApp), http.StatusSeeOther)
		return
	}
	started, err := h.Factors.Enroller.Begin(r.Context(), who(c))
	if err != nil {
		h.deviceRefused(w, r, c, err)
		return
	}
	http.Redirect(w, r, deviceURL(deviceKey)+"&id="+url.QueryEscape(started.ID), http.StatusSeeOther)
}
