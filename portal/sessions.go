package portal

import (
	"net/http"

	idp "taipeion.internal/idp"
)

// others in place of an id ends every session but this one.
const others = "others"

// endSession ends one of the person's own sessions, or all the others.
func (h *Handler) endSession(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return
	case c == nil:
		h.askLogin(w, r, idp.Ask{}, "/")
		return
	}
	id := one(r.PostForm, "id")
	if id == c.Session.ID {
		h.leave(w, r, c)
		return
	}
	sessions, err := h.sessionsOf(r, c.Person.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, s := range sessions {
		// Somebody else's session is not in the list, whatever was sent.
		if s.ID == c.Session.ID || id != others && id != s.ID {
			continue
		}
		e := h.event(r.Context(), c, "session.end", "ok")
		e.SessionID, e.Detail = s.ID, "ended from session "+c.Session.ID
		if err := h.Sessions.EndOther(r.Context(), s.ID, e); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	http.Redirect(w, r, "/?done=session", http.StatusSeeOther)
}
