package portal

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// cardFresh is how old the reading of a card may be that replaces a forgotten
// password.
const cardFresh = 5 * time.Minute

func (h *Handler) mountPasswords(mux idp.Mux) {
	mux.Handle("GET /password", http.HandlerFunc(h.passwordPage))
	mux.Handle("POST /password", http.HandlerFunc(h.changePassword))
	mux.Handle("GET /password/forgotten", http.HandlerFunc(h.forgottenPage))
	mux.Handle("POST /password/forgotten", http.HandlerFunc(h.setForgotten))
}

// logged is the session of a page that needs one; it answers by itself, and
// returns nil, without one.
func (h *Handler) logged(w http.ResponseWriter, r *http.Request, ask idp.Ask, page string, may func(*idp.Session) bool) *session.Current {
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
	case c == nil || may != nil && !may(c.Session):
		h.askLogin(w, r, ask, page)
	default:
		return c
	}
	return nil
}

// passwordPage shows the form, or what the last change did.
func (h *Handler) passwordPage(w http.ResponseWriter, r *http.Request) {
	if c := h.logged(w, r, idp.Ask{}, "/password", nil); c != nil {
		h.showPassword(w, r, c, templates.Password{Way: templates.PasswordOwn, Done: r.URL.Query().Get("done") == "yes"})
	}
}

// changePassword takes the form: the old password goes through the gate, which
// counts it.
func (h *Handler) changePassword(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.logged(w, r, idp.Ask{}, "/password", nil)
	if c == nil {
		return
	}
	v := templates.Password{Way: templates.PasswordOwn}
	password := one(r.PostForm, "new")
	if password != one(r.PostForm, "again") {
		v.Faults = []string{string(policy.FaultDiffer)}
		h.showPassword(w, r, c, v)
		return
	}
	_, err := h.Passwords.ChangeOwn(r.Context(), c.Person, one(r.PostForm, "old"), password, c.Session.ID)
	h.changed(w, r, c, v, err, "/password?done=yes")
}

// freshCard tells whether the person's card was read a short while ago.
func (h *Handler) freshCard(s *idp.Session) bool {
	return slices.ContainsFunc(s.Evidence, func(e idp.Evidence) bool {
		return e.Method == idp.MethodCard && h.Now().Sub(e.At) <= cardFresh
	})
}

// byCard is logged for somebody who forgot the password: the card is read for
// this very page, and nothing else will do.
func (h *Handler) byCard(w http.ResponseWriter, r *http.Request) *session.Current {
	return h.logged(w, r, idp.Ask{Method: idp.MethodCard, PromptLogin: true}, "/password/forgotten", h.freshCard)
}

func (h *Handler) forgottenPage(w http.ResponseWriter, r *http.Request) {
	if c := h.logged(w, r, idp.Ask{Method: idp.MethodCard}, "/password/forgotten", nil); c != nil {
		h.showPassword(w, r, c, templates.Password{Way: templates.PasswordCard, NeedCard: !h.freshCard(c.Session)})
	}
}

func (h *Handler) setForgotten(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.byCard(w, r)
	if c == nil {
		return
	}
	v := templates.Password{Way: templates.PasswordCard}
	password := one(r.PostForm, "new")
	if password != one(r.PostForm, "again") {
		v.Faults = []string{string(policy.FaultDiffer)}
		h.showPassword(w, r, c, v)
		return
	}
	_, err := h.Passwords.SetByCard(r.Context(), c.Person, password, c.Session.ID)
	h.changed(w, r, c, v, err, "/password?done=yes")
}

// changed answers a change: by 303, so that no password is sent again, or by the
// form with what was wrong. The passwords are not put back into it.
func (h *Handler) changed(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.Password, err error, done string) {
	var faults *policy.FaultsError
	var refusal *directory.Refusal
	switch {
	case err == nil:
		http.Redirect(w, r, done, http.StatusSeeOther)
		return
	case errors.As(err, &faults):
		for _, f := range faults.Faults {
			v.Faults = append(v.Faults, string(f))
		}
	case errors.As(err, &refusal):
		v.Reason, v.LockedUntil, v.RetryAfter = refusal.Reason, refusal.Until, refusal.RetryAfter
	case errors.Is(err, directory.ErrUnbound):
		v.Unbound = true
	case errors.Is(err, idp.ErrConflict), errors.Is(err, idp.ErrUsed): // changed at the same time, in another window
		http.Redirect(w, r, "/password", http.StatusSeeOther)
		return
	default:
		h.fail(w, r, err)
		return
	}
	h.showPassword(w, r, c, v)
}

func (h *Handler) showPassword(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.Password) {
	v.Base = base(r, c)
	account, err := h.Passwords.Target(r.Context(), c.Person.ID)
	switch {
	case errors.Is(err, directory.ErrUnbound):
		v.Unbound = true
	case err != nil:
		h.fail(w, r, err)
		return
	default:
		v.Account = account.Name
	}
	if v.Own, err = h.Passwords.Own(r.Context(), c.Person); err != nil {
		h.fail(w, r, err)
		return
	}
	v.Rules = rulesView(h.Passwords.Rules)
	if v.Done {
		if v.Mail, err = h.mailStates(r, c.Person.ID); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	status := http.StatusOK
	switch v.Reason {
	case idp.ReasonThrottled:
		status = http.StatusTooManyRequests
	case idp.ReasonBusy, idp.ReasonUnavailable:
		status = http.StatusServiceUnavailable
	}
	h.Pages.Render(w, r, status, v)
}

func rulesView(r policy.PasswordRules) templates.PasswordRules {
	return templates.PasswordRules{
		MinLength: r.MinLength, Classes: r.Classes, History: r.History, MaxDays: int(r.MaxAge / (24 * time.Hour)),
	}
}

// mailRank tells which state of several is shown: the worst.
var mailRank = map[directory.DeliveryState]int{directory.DeliveryDone: 0, directory.DeliveryWaiting: 1, directory.DeliveryFailed: 2}

// mailStates says how far each of the person's mailboxes follows.
func (h *Handler) mailStates(r *http.Request, personID string) ([]templates.MailState, error) {
	deliveries, err := h.Passwords.Keeper.DeliveriesOf(r.Context(), personID, 20)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	var states []templates.MailState
	newest := map[[2]string]bool{} // of each mailbox in each mail system
	for _, d := range deliveries {
		where := [2]string{d.Target, d.Account}
		if d.State == directory.DeliveryReplaced || newest[where] {
			continue
		}
		newest[where] = true
		i := slices.IndexFunc(states, func(s templates.MailState) bool { return s.Account == d.Account })
		if i < 0 {
			states = append(states, templates.MailState{Account: d.Account, State: string(d.State)})
		} else if mailRank[d.State] > mailRank[directory.DeliveryState(states[i].State)] {
			states[i].State = string(d.State)
		}
	}
	return states, nil
}
