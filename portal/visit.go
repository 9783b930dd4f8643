package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// askLogin sends the browser through a login that ends at returnTo, one of our
// own rooted paths.
func (h *Handler) askLogin(w http.ResponseWriter, r *http.Request, ask idp.Ask, returnTo string) {
	h.askLoginAt(w, r, "/login", ask, returnTo)
}

// askLoginAt is askLogin that begins at one of the login's own pages.
func (h *Handler) askLoginAt(w http.ResponseWriter, r *http.Request, page string, ask idp.Ask, returnTo string) {
	handle, hash := session.NewHandle()
	ask.At = h.Now()
	flow := &idp.Flow{
		Handle: hash, Browser: h.Sessions.EnsureBrowser(w, r), ReturnTo: returnTo, Ask: ask,
		CreatedAt: ask.At, EndsAt: ask.At.Add(orElse(h.Settings.FlowLife, 30*time.Minute)),
	}
	if err := h.Store.CreateFlow(r.Context(), flow); err != nil {
		h.fail(w, r, fmt.Errorf("save flow: %w", err))
		return
	}
	http.Redirect(w, r, page+"?flow="+url.QueryEscape(handle), http.StatusSeeOther)
}

// form reads a form; it answers by itself when that can't be done.
func (h *Handler) form(w http.ResponseWriter, r *http.Request, limit int64) bool {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseForm()
	if err == nil {
		return true
	}
	var tooLarge *http.MaxBytesError
	if !errors.As(err, &tooLarge) {
		err = errForm
	}
	h.fail(w, r, err)
	return false
}

// one returns a field that was sent exactly once, else nothing.
func one(form url.Values, name string) string {
	if len(form[name]) != 1 {
		return ""
	}
	return form[name][0]
}

// base is what every page of a logged-in person has.
func base(r *http.Request, c *session.Current) templates.Base {
	b := templates.Base{Reference: idp.OriginFrom(r.Context()).RequestID}
	if c != nil {
		b.Account = &templates.Who{Name: c.Person.Name, Username: c.Person.Username}
	}
	return b
}

// event is what the person of a session did.
func (h *Handler) event(ctx context.Context, c *session.Current, kind, result string) idp.Event {
	o := idp.OriginFrom(ctx)
	e := idp.Event{
		At: h.Now(), Kind: kind, Result: result, PersonID: c.Person.ID, SessionID: c.Session.ID,
		RequestID: o.RequestID,
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	return e
}

// name is a system's name in the language of the page.
func name(r *http.Request, c idp.Client) string {
	switch {
	case c.NameEN != "" && templates.Language(r) == templates.English:
		return c.NameEN
	case c.Name != "":
		return c.Name
	}
	return c.ID
}
