package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// logoutRequest is a request of OpenID Connect RP-Initiated Logout 1.0 section
// 2, checked.
type logoutRequest struct {
	form   url.Values
	client *client // nil: nobody said which
	hint   *idTokenClaims
	target string // the registered address to go on to, with the state
}

// logout is the end-session endpoint.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	form, err := parameters(w, r)
	if err != nil {
		p.page(w, r, &refusal{templates.ErrorLogout, asFault(err)})
		return
	}
	if handle := form.Get("flow"); handle != "" && r.Method == http.MethodGet {
		if form, err = p.parkedLogout(r, handle); err != nil {
			p.page(w, r, err)
			return
		}
	}
	q, err := p.readLogout(r, form)
	if err != nil {
		p.page(w, r, err)
		return
	}
	current, err := p.Sessions.Current(r)
	if err != nil {
		p.page(w, r, err)
		return
	}
	switch {
	case current == nil && r.Method == http.MethodPost && p.Sessions.Browser(r) == nil:
		p.park(w, r, PathLogout, q.form) // from another site: without our cookies
	case current == nil:
		p.afterLogout(w, r, q, nil, q.hint != nil)
	case q.names(current) || confirmed(r, form):
		p.endSession(w, r, q, current)
	default:
		p.confirmLogout(w, r, q, current)
	}
}

var errLogout = &refusal{templates.ErrorLogout, newFault(codeInvalidRequest, "the logout request can't be trusted")}

// readLogout checks what a relying system sent. A hint that we did not sign, a
// client that the hint is not for and an address that is not registered are
// each refused wholly.
func (p *Provider) readLogout(r *http.Request, form url.Values) (*logoutRequest, error) {
	q := &logoutRequest{form: known(form)}
	clientID := form.Get("client_id")
	if hint := form.Get("id_token_hint"); hint != "" {
		var err error
		if q.hint, err = p.readIDToken(hint); err != nil {
			return nil, errLogout
		}
		if clientID == "" && len(q.hint.Audience) == 1 {
			clientID = q.hint.Audience[0]
		}
		if !slices.Contains(q.hint.Audience, clientID) {
			return nil, errLogout
		}
	}
	if clientID != "" {
		c, err := p.clients.get(r.Context(), clientID)
		if errors.Is(err, idp.ErrNotFound) {
			return nil, errLogout
		}
		if err != nil {
			return nil, err
		}
		q.client = c
	}
	target := form.Get("post_logout_redirect_uri")
	if target == "" {
		return q, nil
	}
	if q.client == nil || !slices.Contains(q.client.PostLogoutURIs, target) || len(form.Get("state")) > maxState {
		return nil, errLogout
	}
	q.target = target
	if state := form.Get("state"); state != "" {
		q.target = withQuery(target, [][2]string{{"state", state}})
	}
	return q, nil
}

// names tells whether the hint names the person who is logged in: then nobody
// has to be asked (section 2).
func (q *logoutRequest) names(c *session.Current) bool {
	return q.hint != nil && q.hint.Subject == c.Person.Subject
}

// ownForms tells our own confirmation from a form on another site.
var ownForms = http.NewCrossOriginProtection()

func confirmed(r *http.Request, form url.Values) bool {
	return r.Method == http.MethodPost && form.Get("confirm") == "yes" && ownForms.Check(r) == nil
}

func (p *Provider) confirmLogout(w http.ResponseWriter, r *http.Request, q *logoutRequest, current *session.Current) {
	view := templates.LogoutConfirm{Hidden: map[string]string{}}
	view.Locales = q.form.Get("ui_locales")
	view.Account = &templates.Who{Name: current.Person.Name, Username: current.Person.Username}
	if q.client != nil {
		view.System = p.clientName(r, q.client)
		view.Hidden["client_id"] = q.client.ID
	}
	if q.target != "" {
		view.FormAction = []string{originOf(q.target)}
	}
	for _, name := range []string{"post_logout_redirect_uri", "state", "ui_locales"} {
		if v := q.form.Get(name); v != "" {
			view.Hidden[name] = v
		}
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

func (p *Provider) endSession(w http.ResponseWriter, r *http.Request, q *logoutRequest, current *session.Current) {
	origin := idp.OriginFrom(r.Context())
	event := idp.Event{
		At: p.now(), Kind: "logout", Result: "ok", PersonID: current.Person.ID, SessionID: current.Session.ID,
		Address: origin.Address.String(), RequestID: origin.RequestID,
	}
	if q.client != nil {
		event.ClientID = q.client.ID
	}
	clients, err := p.Sessions.End(w, r, current, event)
	if err != nil {
		p.page(w, r, err)
		return
	}
	p.ForgetGrants()
	p.afterLogout(w, r, q, clients, true)
}

// afterLogout goes on to the relying system, or says what was ended. Where
// neither a hint nor the person spoke for the request, it may have come from
// anybody: then the way on is offered and not taken (section 3).
func (p *Provider) afterLogout(w http.ResponseWriter, r *http.Request, q *logoutRequest, ended []string, onward bool) {
	if q.target != "" && onward {
		seeOther(w, q.target)
		return
	}
	view := templates.LoggedOut{ReturnURL: q.target}
	view.Locales = q.form.Get("ui_locales")
	if q.client != nil {
		view.ReturnName = p.clientName(r, q.client)
	}
	for _, id := range ended {
		if c, err := p.clients.get(r.Context(), id); err == nil {
			view.Ended = append(view.Ended, p.clientName(r, c))
		}
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

func (p *Provider) clientName(r *http.Request, c *client) string {
	if c.NameEN != "" && templates.Language(r) == "en" {
		return c.NameEN
	}
	return c.Name
}

// parkedLogout takes up a request that was posted.
func (p *Provider) parkedLogout(r *http.Request, handle string) (url.Values, error) {
	flow, err := p.Requests.Flow(r.Context(), session.HandleHash(handle))
	if errors.Is(err, idp.ErrNotFound) {
		return nil, errLogout
	}
	if err != nil {
		return nil, fmt.Errorf("look up the saved request: %w", err)
	}
	form, err := p.parked(r, flow, PathLogout)
	if err != nil {
		return nil, errLogout
	}
	return form, nil
}
