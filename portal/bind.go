package portal

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// The five steps.
const (
	stepStart = 1 + iota
	stepCheck
	stepRead
	stepDetails
	stepDone
)

func stepURL(step int) string { return "/card/bind?step=" + strconv.Itoa(step) }

// admit tells why the wizard does not open here and now: errors of the kind
// idp.Denied for the wrong network, errLogin without fresh password evidence.
func (h *Handler) admit(r *http.Request) (*session.Current, error) {
	if !idp.OriginFrom(r.Context()).City {
		return nil, idp.Denied{Reason: idp.ReasonOutside}
	}
	c, err := h.Sessions.Current(r)
	if err != nil {
		return nil, err
	}
	if c == nil || !h.freshPassword(c.Session) {
		return nil, errLogin
	}
	return c, nil
}

// freshPassword tells whether the account's password was given in this session
// a short while ago. A card alone does not open the door to the next card.
func (h *Handler) freshPassword(s *idp.Session) bool {
	for _, e := range s.Evidence {
		if e.Method == idp.MethodPassword {
			return h.Now().Sub(e.At) <= orElse(h.Settings.BindFresh, 10*time.Minute)
		}
	}
	return false
}

// binder is admit for pages; it answers by itself, and returns nil, when the
// wizard does not open, or has nothing to do.
func (h *Handler) binder(w http.ResponseWriter, r *http.Request) *session.Current {
	c, err := h.admit(r)
	switch {
	case errors.Is(err, errLogin):
		h.askLogin(w, r, idp.Ask{Method: idp.MethodPassword, PromptLogin: true}, "/card/bind")
		return nil
	case err != nil:
		h.fail(w, r, err)
		return nil
	}
	card, err := h.boundCard(r, c.Person.ID)
	if err != nil {
		h.fail(w, r, err)
		return nil
	}
	if card != nil && r.URL.Query().Get("step") != strconv.Itoa(stepDone) {
		h.showBind(w, r, c, templates.Bind{Step: stepStart, AlreadyBound: true})
		return nil
	}
	if card == nil && r.URL.Query().Get("step") == strconv.Itoa(stepDone) {
		http.Redirect(w, r, stepURL(stepStart), http.StatusSeeOther)
		return nil
	}
	return c
}

// showBind draws a page of the wizard.
func (h *Handler) showBind(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.Bind) {
	v.Base = base(r, c)
	v.Self = stepURL(min(v.Step, stepRead)) // the language switch can't repeat what was sent
	if v.Step == stepDone {
		v.Self = stepURL(stepDone)
	}
	v.Name, v.AgentOrigin, v.ChallengeURL = c.Person.Name, h.Settings.AgentOrigin, "/card/bind/challenge"
	v.OpensAgent = (v.Step == stepCheck || v.Step == stepRead) && h.Settings.AgentOrigin != ""
	h.Pages.Render(w, r, http.StatusOK, v)
}

// bindPage shows a step that needs nothing from the one before.
func (h *Handler) bindPage(w http.ResponseWriter, r *http.Request) {
	c := h.binder(w, r)
	if c == nil {
		return
	}
	if h.waiting(w, r, c) {
		return
	}
	step := stepStart
	switch r.URL.Query().Get("step") {
	case strconv.Itoa(stepCheck):
		step = stepCheck
	case strconv.Itoa(stepRead):
		step = stepRead
	case strconv.Itoa(stepDone):
		step = stepDone
	}
	h.showBind(w, r, c, templates.Bind{Step: step})
}

// bindStart leaves step 1: card and reader are at hand.
func (h *Handler) bindStart(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) || h.binder(w, r) == nil {
		return
	}
	if one(r.PostForm, "ready") != "yes" {
		http.Redirect(w, r, stepURL(stepStart), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, stepURL(stepCheck), http.StatusSeeOther)
}

// bindCheck leaves step 2: the page's script has looked at the environment.
func (h *Handler) bindCheck(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) || h.binder(w, r) == nil {
		return
	}
	http.Redirect(w, r, stepURL(stepRead), http.StatusSeeOther)
}
