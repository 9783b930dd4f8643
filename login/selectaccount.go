package login

import (
	"net/http"

	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

func (h *Handler) showSelect(w http.ResponseWriter, r *http.Request, v *visit) {
	person := v.current.Person
	h.Pages.Render(w, r, http.StatusOK, templates.Select{
		Base: v.base(r, "/login"), Flow: v.handle, System: v.system(r),
		Name: person.Name, Username: person.Username, Agency: person.Agency.Name, Sid: v.current.Session.ID,
	})
}

// selectAccount goes on as the person who is logged in, or lets somebody else
// log in; the session that is there lives on until they have.
func (h *Handler) selectAccount(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, policy.StepSelect)
	if v == nil || v.stale(w, r) {
		return
	}
	switch one(r.PostForm, "choice") {
	case "continue":
		h.mark(w, r, v, MarkSelected)
	case "other":
		http.Redirect(w, r, v.path("/login/"+h.chooseTab(r, v)), http.StatusSeeOther)
	default:
		h.fail(w, r, errForm)
	}
}
