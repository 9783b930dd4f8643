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
	return h.enterWith(w, r, v, person, []idp.Evidence{ev}, e)
}

// enterWith is enter with several pieces of evidence and the events to be kept
// with the session.
func (h *Handler) enterWith(w http.ResponseWriter, r *http.Request, v *visit, person *idp.Person,
	evidence []idp.Evidence, events ...idp.Event) error {
	remembered, err := h.rememberBrowser(w, r, person.ID, evidence)
	if err != nil {
		return err
	}
	if v.current == nil || v.current.Person.ID != person.ID {
		_, err = h.Sessions.BeginAll(w, r, person.ID, evidence, events...)
	} else {
		for i := range events {
			events[i].Detail = joinDetail("same session", events[i].Detail)
		}
		err = h.Sessions.StepUpAll(w, r, v.current, evidence, events...)
		if errors.Is(err, idp.ErrConflict) {
			err = nil // the same form, sent twice at once: the other one did it
		}
	}
	return errors.Join(err, remembered())
}

func joinDetail(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}
