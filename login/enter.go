package login

import (
	"errors"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
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
	for i := range evidence {
		evidence[i].At = policy.Given(evidence[i].At, v.flow.Ask.At)
	}
	remembered, err := h.rememberBrowser(w, r, person.ID, evidence)
	if err != nil {
		return err
	}
	if v.current == nil || v.current.Person.ID != person.ID {
		var begun *idp.Session
		begun, err = h.Sessions.BeginAll(w, r, person.ID, evidence, events...)
		v.entered = &policy.Have{Session: begun, Person: person}
	} else {
		for i := range events {
			events[i].Detail = joinDetail("same session", events[i].Detail)
		}
		err = h.Sessions.StepUpAll(w, r, v.current, evidence, events...)
		v.entered = &policy.Have{Session: v.current.Session, Person: v.current.Person}
		if errors.Is(err, idp.ErrConflict) {
			v.entered, err = nil, nil // the same form, sent twice at once: the other one did it
		}
	}
	return errors.Join(err, remembered())
}

// enterByPhone is enter for a login that a phone approved: the approval is used
// up, and the browser noted, in the transaction that keeps the session.
func (h *Handler) enterByPhone(w http.ResponseWriter, r *http.Request, v *visit, used *devicebind.Used) error {
	// The approval may bear another node's clock, a little ahead of ours.
	at := h.Now()
	if used.At.Before(at) {
		at = used.At
	}
	at = policy.Given(at, v.flow.Ask.At) // or one that is behind the node that asked
	ev := idp.Evidence{Method: idp.MethodPhone, At: at, Device: used.DeviceID, Near: true, Act: used.Attempt}
	known, err := h.newlyKnown(w, r, used.PersonID, []idp.Evidence{ev})
	if err != nil {
		return err
	}
	a := session.Approval{Flow: v.flow.Handle, Browser: v.flow.Browser, PersonID: used.PersonID, Known: known}
	if v.current == nil || v.current.Person.ID != used.PersonID {
		var begun *idp.Session
		begun, err = h.Sessions.BeginByPhone(w, r, ev, a, used.Event)
		// The transaction that kept the session asked whether they are in order.
		v.entered = &policy.Have{Session: begun, Person: &idp.Person{ID: used.PersonID, State: idp.PersonEnabled}}
	} else {
		used.Event.Detail = joinDetail("same session", used.Event.Detail)
		err = h.Sessions.StepUpByPhone(w, r, v.current, ev, a, used.Event)
		v.entered = &policy.Have{Session: v.current.Session, Person: v.current.Person}
		if errors.Is(err, idp.ErrConflict) {
			v.entered, err = nil, nil // the same form, sent twice at once: the other one did it
		}
	}
	return h.Factors.Attempts.Settle(r.Context(), v.flow.Handle, v.flow.Browser, err)
}

func joinDetail(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}
