package admin

import (
	"errors"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/templates"
)

var decided = map[string]string{"approve": "approve", "refuse": "refuse"}

// approvals lists first card bindings that wait for a second administrator.
func (h *Handler) approvals(w http.ResponseWriter, r *http.Request, v *visit) {
	h.showApprovals(w, r, v, templates.AdminApprovals{Done: decided[one(r.URL.Query(), "done")]})
}

func (h *Handler) showApprovals(w http.ResponseWriter, r *http.Request, v *visit, view templates.AdminApprovals) {
	view.Base = base(r, v.Current)
	waiting, err := h.Seconds.WaitingFor(r.Context(), v.id(), h.Now())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, c := range waiting {
		row := templates.WaitingRow{
			ID: c.ID, Name: c.Person.Name, Username: c.Person.Username, Agency: c.Person.Agency.Name, Unit: c.Person.Unit,
			CardName: c.Card.Name, CardEnds: c.Card.NotAfter, AskedAt: c.AskedAt, EndsAt: c.EndsAt, Own: c.Person.ID == v.id(),
		}
		for _, change := range c.Changes {
			by := change.Name
			if by == "" {
				by = change.Actor
			}
			if change.Operator != "" && change.Operator != by {
				by += " (" + change.Operator + ")"
			}
			row.Changes = append(row.Changes, templates.ChangeRow{What: change.What, By: by, At: change.At})
			row.Own = row.Own || change.Actor == directory.ActorOf(v.id()) || change.Stands == v.id()
		}
		view.Cards = append(view.Cards, row)
	}
	h.Pages.Render(w, r, http.StatusOK, view)
}

// decide approves or refuses; one statement of the store says whether it counts.
func (h *Handler) decide(w http.ResponseWriter, r *http.Request, v *visit) {
	if !h.form(w, r) {
		return
	}
	do, reason := decided[one(r.PostForm, "do")], reasonOf(r)
	if do == "" {
		h.fail(w, r, errForm)
		return
	}
	if reason == "" {
		h.showApprovals(w, r, v, templates.AdminApprovals{Fault: "reason"})
		return
	}
	call := h.Seconds.ApproveCard
	if do == "refuse" {
		call = h.Seconds.RefuseCard
	}
	_, err := call(r.Context(), directory.Decision{ID: one(r.PostForm, "id"), PersonID: v.id(), Reason: reason, At: h.Now()},
		h.event(r.Context(), v, "card."+do, "", reason))
	var fault directory.DecisionFault
	switch {
	case errors.As(err, &fault):
		h.showApprovals(w, r, v, templates.AdminApprovals{Fault: string(fault)})
	case errors.Is(err, idp.ErrNotFound):
		h.outOfReach(w, r, v, "card."+do, reason)
	case err != nil:
		h.fail(w, r, err)
	default:
		http.Redirect(w, r, "/admin/approvals?done="+do, http.StatusSeeOther)
	}
}

// outOfReach answers a decision about a card that is out of the administrator's
// reach: to one without any role by now what they are told anywhere here, else as
// if the card were not there.
func (h *Handler) outOfReach(w http.ResponseWriter, r *http.Request, v *visit, kind, reason string) {
	roles, err := h.Store.RolesOf(r.Context(), v.id())
	switch {
	case err != nil:
		h.fail(w, r, err)
	case len(roles) == 0:
		h.refuse(w, r, v, kind, "", reason)
	default:
		h.fail(w, r, idp.ErrNotFound)
	}
}
