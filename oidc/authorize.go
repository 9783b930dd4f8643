package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// authorize is the authorization endpoint (RFC 6749 section 3.1, OpenID Connect
// Core 1.0 section 3.1.2). With nothing but "flow" it goes on with a request
// that was saved.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	form, err := parameters(w, r)
	if err != nil {
		p.page(w, r, &refusal{templates.ErrorRequest, asFault(err)})
		return
	}
	if handle := form.Get("flow"); handle != "" && !form.Has("client_id") && r.Method == http.MethodGet {
		p.resume(w, r, handle, form)
		return
	}
	p.begin(w, r, form)
}

// begin answers an authorization request.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, form url.Values) {
	q, err := p.identify(r.Context(), form)
	if err != nil {
		p.page(w, r, err)
		return
	}
	if err := p.check(r.Context(), q); err != nil {
		p.answerError(w, r, q, err)
		return
	}
	look := p.Sessions.Recent
	if contains(q.scopes, scopeOffline) {
		look = p.Sessions.Current // what outlives the session is not given on belief
	}
	current, err := look(r)
	if err != nil {
		p.answerError(w, r, q, err)
		return
	}
	if r.Method == http.MethodPost && current == nil && p.Sessions.Browser(r) == nil {
		// A POST from another site comes without our cookies (SameSite=Lax): the
		// request is kept and asked again by GET, which brings them.
		p.park(w, r, PathAuthorize, q.form)
		return
	}
	decision, err := p.decide(r, q, current, nil)
	if err != nil {
		p.answerError(w, r, q, err)
		return
	}
	switch decision.Outcome {
	case policy.Grant:
		p.issue(w, r, &work{now: p.now(), request: q, current: current, decision: decision})
	case policy.Need:
		p.sendToLogin(w, r, q)
	default:
		p.answerError(w, r, q, newFault(decision.Error, "the login was not granted"))
	}
}

// decide puts the request's question to policy.
func (p *Provider) decide(r *http.Request, q *request, current *session.Current, flow *idp.Flow) (policy.Decision, error) {
	have := policy.Have{}
	ask := q.ask
	if flow != nil {
		ask = flow.Ask
		have.Selected, have.Consented = flow.Selected, flow.Consented
		have.Declined, have.Cancelled = flow.Declined, flow.Cancelled
	}
	if current != nil {
		have.Session, have.Person = current.Session, current.Person
		if !ask.FirstParty {
			consent, err := p.Requests.Consent(r.Context(), current.Person.ID, ask.ClientID)
			if err != nil && !errors.Is(err, idp.ErrNotFound) {
				return policy.Decision{}, fmt.Errorf("look up consent: %w", err)
			}
			have.Consent = consent
		}
	}
	return policy.Decide(ask, have, p.now()), nil
}

// sendToLogin saves the request and hands over to package login.
func (p *Provider) sendToLogin(w http.ResponseWriter, r *http.Request, q *request) {
	handle, hash := session.NewHandle()
	flow := p.newFlow(q, hash)
	flow.Browser = p.Sessions.EnsureBrowser(w, r)
	if err := p.Requests.CreateFlow(r.Context(), flow); err != nil {
		p.pageNotSaved(w, r, err)
		return
	}
	seeOther(w, "/login?flow="+handle)
}

// pageNotSaved says that no login can begin now. A redirect would send the
// person in a circle: relying systems try again by themselves.
func (p *Provider) pageNotSaved(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, idp.ErrOverloaded) {
		w.Header().Set("Retry-After", "60")
		p.pageReason(w, r, http.StatusTooManyRequests, idp.ReasonThrottled)
		return
	}
	p.page(w, r, fmt.Errorf("save the request: %w", err))
}

func (p *Provider) newFlow(q *request, hash []byte) *idp.Flow {
	now := p.now()
	return &idp.Flow{
		Handle: hash, Request: q.form.Encode(), RedirectTo: originOf(q.redirectURI), Ask: q.ask,
		CreatedAt: now, EndsAt: now.Add(p.life.Flow),
	}
}

// originOf is the origin of a redirect URI for form-action; of a scheme without
// authority it is the scheme (Content Security Policy Level 3 section 2.3.1).
func originOf(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// page shows an error where a redirect must not happen.
func (p *Provider) page(w http.ResponseWriter, r *http.Request, err error) {
	f := asFault(err)
	p.logFault(r.Context(), f)
	view := templates.Error{Status: f.status, Code: f.code, Hint: f.description}
	view.Reference = idp.OriginFrom(r.Context()).RequestID
	view.Locales = r.URL.Query().Get("ui_locales")
	var e *refusal
	switch {
	case errors.As(err, &e):
		view.Title = e.title
	case f.status >= http.StatusInternalServerError:
		view.Title, view.Hint = templates.ErrorUnavailable, ""
		if f.status == http.StatusInternalServerError {
			view.Title = templates.ErrorInternal
		}
		w.Header().Set("Retry-After", "1")
	default:
		view.Title = templates.ErrorRequest
	}
	p.Pages.Render(w, r, f.status, view)
}

// pageReason shows why a saved request does not go on.
func (p *Provider) pageReason(w http.ResponseWriter, r *http.Request, status int, reason idp.Reason) {
	view := templates.Error{Status: status, Reason: reason}
	view.Reference = idp.OriginFrom(r.Context()).RequestID
	p.Pages.Render(w, r, status, view)
}

// seeOther redirects. 303 makes every browser turn a POST with a password into
// a GET (RFC 9700 section 4.12).
func seeOther(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}
