package portal

import (
	"errors"
	"net/http"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

var chooseNotices = map[string]string{"kept": "kept", "claimed": "claimed"}

// choosePage is where a person who has several TPEAD accounts keeps one, when the
// portal is off.
func (h *Handler) choosePage(w http.ResponseWriter, r *http.Request) {
	if c := h.logged(w, r, idp.Ask{}, "/account/choose", nil); c != nil {
		h.showChoose(w, r, c, templates.Choose{Notice: chooseNotices[r.URL.Query().Get("done")]})
	}
}

// keepAccount keeps one account, by its password, and disables the others.
func (h *Handler) keepAccount(w http.ResponseWriter, r *http.Request) {
	h.choice(w, r, "/account/choose?done=kept", func(c *session.Current) error {
		return h.Binder.Keep(r.Context(), c.Person, h.proof(r, c), directory.Credentials{Name: one(r.PostForm, "keep"), Password: one(r.PostForm, "password")})
	})
}

// claimAccount makes an account that was never bound one of those to choose from.
func (h *Handler) claimAccount(w http.ResponseWriter, r *http.Request) {
	h.choice(w, r, "/account/choose?done=claimed", func(c *session.Current) error {
		return h.Binder.Claim(r.Context(), c.Person, h.proof(r, c), directory.Credentials{Name: one(r.PostForm, "tpead"), Password: one(r.PostForm, "tpead_password")})
	})
}

// ownCard is how old the reading of a card may be that proves who chooses.
const ownCard = 10 * time.Minute

// proof is what the form and the session have to prove that it is the person.
func (h *Handler) proof(r *http.Request, c *session.Current) directory.Proof {
	return directory.Proof{
		Card: h.cardProves(c), Session: c.Session.ID,
		Credentials: directory.Credentials{Name: one(r.PostForm, "own"), Password: one(r.PostForm, "own_password")},
	}
}

func (h *Handler) cardProves(c *session.Current) bool {
	return slices.ContainsFunc(c.Session.Evidence, func(e idp.Evidence) bool {
		return e.Method == idp.MethodCard && h.Now().Sub(e.At) <= ownCard
	})
}

// ended tells whether the session ended while what was asked in it was done: the
// page leads to the login.
func ended(err error) bool {
	return errors.Is(err, idp.Denied{Reason: devicebind.ReasonFactorFresh})
}

func (h *Handler) choice(w http.ResponseWriter, r *http.Request, done string, do func(*session.Current) error) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.logged(w, r, idp.Ask{}, "/account/choose", nil)
	if c == nil {
		return
	}
	err := do(c)
	var fault directory.BindFault
	var refusal *directory.Refusal
	switch {
	case err == nil:
		http.Redirect(w, r, done, http.StatusSeeOther)
	case errors.As(err, &fault):
		h.showChoose(w, r, c, templates.Choose{Fault: string(fault)})
	case errors.Is(err, directory.ErrPortalOn), errors.Is(err, idp.ErrConflict), ended(err): // nothing to choose, or not any more
		http.Redirect(w, r, "/account/choose", http.StatusSeeOther)
	case errors.As(err, &refusal):
		h.showChoose(w, r, c, templates.Choose{Reason: refusal.Reason, LockedUntil: refusal.Until, RetryAfter: refusal.RetryAfter})
	default:
		h.fail(w, r, err)
	}
}

func (h *Handler) showChoose(w http.ResponseWriter, r *http.Request, c *session.Current, v templates.Choose) {
	v.Base = base(r, c)
	rivals, err := h.Binder.MustChoose(r.Context(), c.Person.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, one := range rivals {
		v.Accounts = append(v.Accounts, templates.RivalRow{Name: one.Name, Bound: one.Bound, Past: one.Past})
		v.KeepOwn = v.KeepOwn || one.Claimed && !one.Past && !h.cardProves(c)
	}
	v.ClaimOwn = !h.cardProves(c)
	h.Pages.Render(w, r, refusedStatus(v.Reason), v)
}

// refusedStatus is the status of a page that says why a password was not looked at.
func refusedStatus(reason idp.Reason) int {
	switch reason {
	case idp.ReasonThrottled:
		return http.StatusTooManyRequests
	case idp.ReasonBusy, idp.ReasonUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}
