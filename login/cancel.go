package login

import (
	"net/http"

	"taipeion.internal/idp/policy"
)

// cancel gives up: the relying system hears access_denied. Whoever was logged in
// before is so still, and no surer than before.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, policy.StepLogin, policy.StepLevel, policy.StepSelect, policy.StepConsent)
	if v == nil {
		return
	}
	h.mark(w, r, v, MarkCancelled)
}
