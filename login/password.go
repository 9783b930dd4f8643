package login

import (
	"errors"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/templates"
)

// password takes the password form. What can't be a name or a password at all
// goes the same way: the gate refuses it unlooked.
func (h *Handler) password(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, proofs...)
	if v == nil {
		return
	}
	looked := h.Now() // before the look: the password may be changed while it lasts
	person, err := h.Gate.CheckPassword(r.Context(), one(r.PostForm, "account"), one(r.PostForm, "password"))
	if err != nil {
		h.passwordRefused(w, r, v, err)
		return
	}
	if h.askCode(w, r, v, person, looked) {
		return
	}
	if err := h.enter(w, r, v, person, idp.Evidence{Method: idp.MethodPassword, At: looked}); err != nil {
		h.fail(w, r, err)
		return
	}
	h.rememberTab(w, templates.TabPassword)
	h.onward(w, r, v)
}

func (h *Handler) passwordRefused(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if h.Passwords != nil && errors.Is(err, directory.ErrMustChange) {
		asked, err := h.Passwords.Asked(r.Context(), err)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.showChange(w, r, v, one(r.PostForm, "account"), templates.Password{Given: asked.Given, Own: asked.Own})
		return
	}
	var refusal *directory.Refusal
	if !errors.As(err, &refusal) {
		h.fail(w, r, err)
		return
	}
	p := problem{reason: refusal.Reason, until: refusal.Until, retry: refusal.RetryAfter}
	if p.reason == idp.ReasonUnavailable && p.retry == 0 {
		p.retry = retryUnavailable
	}
	h.showLogin(w, r, v, templates.TabPassword, p)
}
