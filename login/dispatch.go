package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// dispatch is where every step returns to. It shows the page of the step that
// policy asks for, or sends the browser back to where the flow came from.
func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request) {
	handle := one(r.URL.Query(), "flow")
	if handle == "" && !r.URL.Query().Has("flow") {
		http.Redirect(w, r, "/", http.StatusSeeOther) // typed by hand: the first page begins a login
		return
	}
	v, err := h.visit(r, handle)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if v.decision.Outcome != policy.Need {
		h.finish(w, r, v)
		return
	}
	switch v.decision.Step {
	case policy.StepSelect:
		h.showSelect(w, r, v)
	case policy.StepConsent:
		h.showConsent(w, r, v)
	default:
		h.showLogin(w, r, v, h.chooseTab(r, v), problem{})
	}
}

// decide puts the flow's question to policy.
func (h *Handler) decide(ctx context.Context, v *visit) error {
	have := policy.Have{
		Selected: v.flow.Selected, Consented: v.flow.Consented,
		Declined: v.flow.Declined, Cancelled: v.flow.Cancelled,
	}
	if v.current != nil {
		have.Session, have.Person = v.current.Session, v.current.Person
		if v.client != nil && !v.flow.Ask.FirstParty {
			var err error
			if v.consent, err = h.Store.Consent(ctx, v.current.Person.ID, v.client.ID); err != nil {
				return fmt.Errorf("read consent: %w", err)
			}
			have.Consent = v.consent
		}
	}
	v.decision = policy.Decide(v.flow.Ask, have, h.Now())
	return nil
}

// finish leaves the conversation. A relying system's flow is used up by the
// authorization endpoint, which puts the same question once more; our own ends
// here.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.client != nil {
		http.Redirect(w, r, v.path("/oauth2/authorize"), http.StatusSeeOther)
		return
	}
	err := h.Store.FinishFlow(r.Context(), v.flow.Handle, v.flow.Browser, h.Now())
	switch {
	case errors.Is(err, idp.ErrUsed), errors.Is(err, idp.ErrExpired):
		h.fail(w, r, errExpired)
		return
	case err != nil:
		h.fail(w, r, fmt.Errorf("finish flow: %w", err))
		return
	}
	to := "/"
	if v.decision.Outcome == policy.Grant {
		to = rooted(v.flow.ReturnTo)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// onward leaves a step that opened or raised a session. What needs no more reading
// is decided here: a relying system's login that is granted by now goes on to the
// authorization endpoint, which puts the same question itself. All else comes back.
func (h *Handler) onward(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.entered == nil || v.client == nil || !v.flow.Ask.FirstParty {
		v.next(w, r)
		return
	}
	have := *v.entered
	have.Selected, have.Declined = v.flow.Selected, v.flow.Declined
	if policy.Decide(v.flow.Ask, have, h.Now()).Outcome != policy.Grant {
		v.next(w, r)
		return
	}
	http.Redirect(w, r, v.path("/oauth2/authorize"), http.StatusSeeOther)
}

// mark notes a step's outcome in the flow and returns to the dispatcher.
func (h *Handler) mark(w http.ResponseWriter, r *http.Request, v *visit, m Mark) {
	err := h.Store.MarkFlow(r.Context(), v.flow.Handle, v.flow.Browser, m, h.Now())
	switch {
	case errors.Is(err, idp.ErrExpired), errors.Is(err, idp.ErrNotFound):
		h.fail(w, r, errExpired)
	case err != nil:
		h.fail(w, r, fmt.Errorf("mark flow: %w", err))
	default:
		v.next(w, r)
	}
}
