package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// showChange asks for a new password in place of one that opens nothing but this
// page. There is no session yet.
func (h *Handler) showChange(w http.ResponseWriter, r *http.Request, v *visit, account string, view templates.Password) {
	view.Base, view.Way, view.Flow, view.Account = v.base(r, "/login/password"), templates.PasswordFirst, v.handle, account
	if err := h.keepTold(r, v, &view); err != nil {
		h.fail(w, r, err)
		return
	}
	view.Own = append(view.Own, account)
	rules := h.Passwords.Rules
	view.Rules = templates.PasswordRules{MinLength: rules.MinLength, Classes: rules.Classes, History: rules.History, MaxDays: int(rules.MaxAge.Hours() / 24)}
	p := problem{reason: view.Reason, until: view.LockedUntil, retry: view.RetryAfter}
	if p.retry > 0 {
		retryAfter(w, p.retry)
	}
	h.Pages.Render(w, r, p.status(), view)
}

// firstTold is what the page says once a password was right. It is kept in the form,
// sealed: when the form comes back for a slip the page says it again, and the old
// password need not be looked at, which would count.
type firstTold struct {
	Flow, Account, Given string
	Own                  []string
}

const sealTold = "what a login was told of a new password"

// keepTold has the page say what was told before in this flow of this account,
// where nothing new is.
func (h *Handler) keepTold(r *http.Request, v *visit, view *templates.Password) error {
	if view.Done || view.Unbound {
		return nil
	}
	if view.Given == "" && len(view.Own) == 0 {
		sealed, _ := base64.RawURLEncoding.DecodeString(one(r.PostForm, "told"))
		text, err := h.Passwords.Open(sealed, sealTold)
		var t firstTold
		if err != nil || json.Unmarshal(text, &t) != nil || t.Flow != v.handle || t.Account != view.Account {
			return nil // nothing was told
		}
		view.Given, view.Own = t.Given, t.Own
	}
	text, err := json.Marshal(firstTold{Flow: v.handle, Account: view.Account, Given: view.Given, Own: view.Own})
	if err != nil {
		return fmt.Errorf("keep what was told: %w", err)
	}
	view.Told = base64.RawURLEncoding.EncodeToString(h.Passwords.Seal(text, sealTold))
	return nil
}

// change takes the form: the old password goes through the gate once more, which
// counts it. One logs in with the new one: whatever else the login asks for is
// asked for there.
func (h *Handler) change(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, proofs...)
	if v == nil {
		return
	}
	account, password := one(r.PostForm, "account"), one(r.PostForm, "new")
	if password != one(r.PostForm, "again") {
		h.showChange(w, r, v, account, templates.Password{Faults: []string{string(policy.FaultDiffer)}})
		return
	}
	done, err := h.Passwords.ChangeFirst(r.Context(), account, one(r.PostForm, "old"), password)
	view := templates.Password{}
	if done != nil {
		view.Own = done.Own
		if done.Given {
			view.Given = done.Account
		}
	}
	var faults *policy.FaultsError
	var refusal *directory.Refusal
	switch {
	case err == nil:
		view.Done = true
		for _, box := range done.Mail {
			view.Mail = append(view.Mail, templates.MailState{Account: box, State: string(directory.DeliveryWaiting)})
		}
		h.showChange(w, r, v, account, view)
	case errors.As(err, &faults):
		for _, f := range faults.Faults {
			view.Faults = append(view.Faults, string(f))
		}
		h.showChange(w, r, v, account, view)
	case errors.As(err, &refusal):
		h.showChange(w, r, v, account, templates.Password{Reason: refusal.Reason, LockedUntil: refusal.Until, RetryAfter: refusal.RetryAfter})
	case errors.Is(err, directory.ErrUnbound):
		h.showChange(w, r, v, account, templates.Password{Unbound: true})
	case errors.Is(err, idp.ErrUsed), errors.Is(err, idp.ErrConflict):
		v.next(w, r) // it was changed already
	default:
		h.fail(w, r, err)
	}
}
