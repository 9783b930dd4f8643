package login

import (
	"net/http"

	"taipeion.internal/idp/policy"
)

// stepUp declines a stronger proof that was wished for, not demanded.
func (h *Handler) stepUp(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, policy.StepLevel)
	if v == nil {
		return
	}
	if !v.decision.CanDecline {
		v.next(w, r)
		return
	}
	if one(r.PostForm, "choice") != "decline" {
		h.fail(w, r, errForm)
		return
	}
	h.mark(w, r, v, MarkDeclined)
}
