package portal

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// logout ends the browser's session. Without one there is nothing to end, and
// the page says so all the same.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
	case c == nil:
		http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
	default:
		h.leave(w, r, c)
	}
}

func (h *Handler) leave(w http.ResponseWriter, r *http.Request, c *session.Current) {
	ended, err := h.Sessions.End(w, r, c, h.event(r.Context(), c, "logout", "ok"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// What was ended is told by the next page, once; it is no secret, but an
	// address must not be able to claim it.
	cookie := h.endedCookie(base64.RawURLEncoding.EncodeToString([]byte(strings.Join(ended, " "))))
	if len(cookie.Value) <= 2048 {
		http.SetCookie(w, cookie)
	}
	http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
}

func (h *Handler) endedCookie(value string) *http.Cookie {
	c := &http.Cookie{
		Name: "__Host-idp-ended", Value: value, Path: "/", MaxAge: 60,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if h.Sessions.Insecure {
		c.Name, c.Secure = "idp-ended", false
	}
	return c
}

// loggedOut says what was ended.
func (h *Handler) loggedOut(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return
	case c != nil:
		http.Redirect(w, r, "/", http.StatusSeeOther) // logged in again meanwhile
		return
	}
	view := templates.LoggedOut{Base: base(r, nil)}
	if ids := h.ended(r); len(ids) > 0 {
		clients, err := h.Store.Clients(r.Context())
		if err != nil {
			h.fail(w, r, err)
			return
		}
		for _, client := range clients {
			if slices.Contains(ids, client.ID) {
				view.Ended = append(view.Ended, name(r, client))
			}
		}
	}
	h.Pages.Render(w, r, http.StatusOK, view)
}

func (h *Handler) ended(r *http.Request) []string {
	c, err := r.Cookie(h.endedCookie("").Name)
	if err != nil {
		return nil
	}
	ids, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	return strings.Fields(string(ids))
}
