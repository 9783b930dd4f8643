package login

import (
	"fmt"
	"net/http"
	"slices"

	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

func (h *Handler) showConsent(w http.ResponseWriter, r *http.Request, v *visit) {
	h.Pages.Render(w, r, http.StatusOK, templates.Consent{
		Base: v.base(r, "/login"), Flow: v.handle, System: v.system(r), SystemURI: v.client.URI,
		Scopes: v.flow.Ask.Scopes, Name: v.current.Person.Name, Sid: v.current.Session.ID,
	})
}

// consent remembers what this person allowed this client, and notes in the flow
// that it was asked.
func (h *Handler) consent(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, policy.StepConsent)
	if v == nil || v.stale(w, r) {
		return
	}
	switch one(r.PostForm, "choice") {
	case "allow":
		scopes := slices.Concat(v.consent, v.flow.Ask.Scopes)
		slices.Sort(scopes)
		e := h.event(r.Context(), v.flow, "consent", "ok")
		e.PersonID, e.SessionID = v.current.Person.ID, v.current.Session.ID
		err := h.Store.SaveConsent(r.Context(), v.current.Person.ID, v.client.ID, slices.Compact(scopes), h.Now(), e)
		if err != nil {
			h.fail(w, r, fmt.Errorf("save consent: %w", err))
			return
		}
		h.mark(w, r, v, MarkConsented)
	case "deny":
		h.mark(w, r, v, MarkCancelled)
	default:
		h.fail(w, r, errForm)
	}
}
