package login

import (
	"net/http"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// problem is why the last try did not succeed; the zero value: there was none.
type problem struct {
	reason idp.Reason
	until  time.Time     // when a lock opens
	retry  time.Duration // when to come back
}

// status is the same 200 for a wrong, a disabled and a locked try, so that it
// tells nothing; only what concerns the source or ourselves has its own.
func (p problem) status() int {
	switch p.reason {
	case idp.ReasonThrottled:
		return http.StatusTooManyRequests
	case idp.ReasonBusy, idp.ReasonUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// tabPage shows one tab because the person asked for it.
func (h *Handler) tabPage(tab string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := h.visit(r, one(r.URL.Query(), "flow"))
		if err != nil {
			h.fail(w, r, err)
			return
		}
		if !v.asks(proofs...) {
			v.next(w, r)
			return
		}
		h.showLogin(w, r, v, tab, problem{})
	})
}

// showLogin draws the login page. What was typed is not put back into it: the
// answer to a failure is the same to the byte, whatever name failed.
func (h *Handler) showLogin(w http.ResponseWriter, r *http.Request, v *visit, tab string, p problem) {
	view := templates.Login{
		Base: v.base(r, "/login/"+tab), Flow: v.handle, Tab: tab, System: v.system(r),
		Reason: p.reason, LockedUntil: p.until, RetryAfter: p.retry, CardOpens: !h.Settings.LockCards,
		StepUp:      v.decision.Step == policy.StepLevel,
		CanDecline:  v.decision.Step == policy.StepLevel && v.decision.CanDecline,
		OnlyCard:    v.onlyCard(),
		AgentOrigin: h.Settings.AgentOrigin, ChallengeURL: v.path("/login/card/challenge"),
		OnlyPassword: v.flow.Ask.Method == idp.MethodPassword,
		BindURL:      "/card/bind",
	}
	if view.StepUp || !v.decision.CanDecline {
		view.Need = v.decision.Level // at a login, what is only wished for closes no tab
	}
	view.Account = v.hint()
	view.OpensAgent = tab == templates.TabCard && h.Settings.AgentOrigin != ""
	if p.retry > 0 {
		retryAfter(w, p.retry)
	}
	if err := h.offerFactors(r, v, &view); err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, p.status(), view)
}

// hint is the account that we may expect.
func (v *visit) hint() string {
	if hint := v.flow.Ask.LoginHint; hint != "" && len(hint) <= policy.MaxName {
		return hint
	}
	if v.current != nil && v.decision.Step != policy.StepSelect {
		return v.current.Person.Username
	}
	return ""
}

// onlyCard tells whether nothing below the card will do.
func (v *visit) onlyCard() bool {
	return v.flow.Ask.Method == idp.MethodCard ||
		v.flow.Ask.Method == "" && v.decision.Level == idp.LevelCard && !v.decision.CanDecline
}

// chooseTab picks the tab: the only one that helps, else the one that was used
// last in this browser, else QR where it runs on a phone, else the password.
func (h *Handler) chooseTab(r *http.Request, v *visit) string {
	switch {
	case v.flow.Ask.Method == idp.MethodPassword:
		return templates.TabPassword
	case v.onlyCard(), v.decision.Step == policy.StepLevel && v.decision.Level == idp.LevelCard:
		return templates.TabCard
	}
	if c, err := r.Cookie(h.tabCookie()); err == nil {
		switch c.Value {
		case templates.TabPassword, templates.TabCard, templates.TabQR:
			return c.Value
		}
	}
	if strings.Contains(r.UserAgent(), "Mobi") {
		return templates.TabQR
	}
	return templates.TabPassword
}

func (h *Handler) tabCookie() string {
	if h.Sessions.Insecure {
		return "idp-tab"
	}
	return "__Host-idp-tab"
}

// rememberTab notes the way that led in. A failure remembers nothing: its
// answer sets no cookie.
func (h *Handler) rememberTab(w http.ResponseWriter, tab string) {
	http.SetCookie(w, &http.Cookie{
		Name: h.tabCookie(), Value: tab, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
		Secure: !h.Sessions.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
