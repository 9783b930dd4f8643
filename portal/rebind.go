package portal

import (
	"errors"
	"fmt"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

func (h *Handler) mountBinder(mux idp.Mux) {
	mux.Handle("GET /account/bind", http.HandlerFunc(h.rebindPage))
	mux.Handle("POST /account/bind", http.HandlerFunc(h.rebind))
	mux.Handle("POST /account/none", http.HandlerFunc(h.withoutTPEAD))
	mux.Handle("GET /account/choose", http.HandlerFunc(h.choosePage))
	mux.Handle("POST /account/choose", http.HandlerFunc(h.keepAccount))
	mux.Handle("POST /account/claim", http.HandlerFunc(h.claimAccount))
}

var rebindNotices = map[string]string{"bound": "bound", "none": "none"}

// rebindPage is 「重新綁定 TPEAD 帳號」.
func (h *Handler) rebindPage(w http.ResponseWriter, r *http.Request) {
	if c := h.logged(w, r, idp.Ask{}, "/account/bind", nil); c != nil {
		h.showRebind(w, r, c, templates.Rebind{Notice: rebindNotices[r.URL.Query().Get("done")]})
	}
}

func (h *Handler) showRebind(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.Rebind) {
	v.Base = base(r, c)
	if err := h.fillRebind(r, c.Person.ID, &v); err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, refusedStatus(v.Reason), v)
}

func (h *Handler) fillRebind(r *http.Request, personID string, v *templates.Rebind) error {
	phase, err := h.Binder.Phases.Phase(r.Context())
	if err != nil {
		return fmt.Errorf("read phase: %w", err)
	}
	v.Off = v.Off || phase != policy.PhaseCoexist
	bound, err := h.Binder.Store.BoundOf(r.Context(), personID)
	if err != nil {
		return fmt.Errorf("read binding: %w", err)
	}
	if v.Shared, err = h.Binder.Shared(r.Context(), personID); err != nil {
		return err
	}
	v.Portal, v.TPEAD, v.Bound, v.None = bound.Portal, bound.TPEAD, bound.TPEAD != "", bound.None
	accounts, err := h.Binder.Gate.Accounts.AccountsOf(r.Context(), personID)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, a := range accounts {
		switch {
		case a.Kind != idp.AccountPortal || a.Closed || a.Name == v.Portal:
		case v.Portal == "":
			v.Portal = a.Name
		default:
			v.Second = append(v.Second, a.Name)
		}
	}
	return nil
}

// rebind takes both credentials. The session at hand stays what it is.
func (h *Handler) rebind(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.logged(w, r, idp.Ask{}, "/account/bind", nil)
	if c == nil {
		return
	}
	err := h.Binder.Bind(r.Context(), c.Person, c.Session.ID,
		directory.Credentials{Name: one(r.PostForm, "portal"), Password: one(r.PostForm, "portal_password")},
		directory.Credentials{Name: one(r.PostForm, "tpead"), Password: one(r.PostForm, "tpead_password")})
	var fault directory.BindFault
	var refusal *directory.Refusal
	switch {
	case err == nil:
		http.Redirect(w, r, "/account/bind?done=bound", http.StatusSeeOther)
	case errors.As(err, &fault):
		h.showRebind(w, r, c, templates.Rebind{Fault: string(fault)})
	case ended(err):
		http.Redirect(w, r, "/account/bind", http.StatusSeeOther)
	case errors.Is(err, directory.ErrPortalOff):
		h.showRebind(w, r, c, templates.Rebind{Off: true})
	case errors.As(err, &refusal):
		h.showRebind(w, r, c, templates.Rebind{Reason: refusal.Reason, LockedUntil: refusal.Until, RetryAfter: refusal.RetryAfter})
	default:
		h.fail(w, r, err)
	}
}

// withoutTPEAD is 「沒有 TPEAD 帳號」.
func (h *Handler) withoutTPEAD(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.logged(w, r, idp.Ask{}, "/account/bind", nil)
	if c == nil {
		return
	}
	err := h.Binder.Without(r.Context(), c.Person)
	switch {
	case errors.Is(err, directory.BindShared):
		h.showRebind(w, r, c, templates.Rebind{})
	case err != nil:
		h.fail(w, r, err)
	default:
		http.Redirect(w, r, "/account/bind?done=none", http.StatusSeeOther)
	}
}
