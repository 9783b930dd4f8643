package login

import (
	"errors"
	"net/http"

	idp "taipeion.internal/idp"
)

// enter turns evidence into a session. The browser's own session is stepped up
// if it is the same person's; anybody else gets a new one, which ends it.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, v *visit, person *idp.Person, ev idp.Evidence) error {
	e := h.event(r.Context(), v.flow, "login."+string(ev.Method), "ok")
	e.PersonID = person.ID
	if v.current == nil || v.current.Person.ID != person.ID {
		_, err := h.Sessions.Begin(w, r, person.ID, ev, e)
		return err
	}
	e.Detail = "same session"
	err := h.Sessions.StepUp(w, r, v.current, ev, e)
	if errors.Is(err, idp.ErrConflict) {
		return nil // the same form, sent twice at once: the other one did it
	}
	return err
}
