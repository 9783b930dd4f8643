package oidc

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
)

// parkedFor is how long a request that came by POST waits for its GET.
const parkedFor = 2 * time.Minute

// park saves a request that another site's form posted: it came without our
// cookies (SameSite=Lax), which the GET that follows will bring. It is bound to
// the browser by a cookie of its own, so that logins under way in other windows
// keep theirs.
func (p *Provider) park(w http.ResponseWriter, r *http.Request, path string, form url.Values) {
	handle, hash := session.NewHandle()
	value, browser := session.NewHandle()
	now := p.now()
	err := p.Requests.CreateFlow(r.Context(), &idp.Flow{
		Handle: hash, Browser: browser, Request: form.Encode(), ReturnTo: path,
		Ask: idp.Ask{ClientID: form.Get("client_id"), At: now}, CreatedAt: now, EndsAt: now.Add(parkedFor),
	})
	if err != nil {
		p.pageNotSaved(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: p.parkCookie(), Value: value, Path: "/", MaxAge: int(parkedFor / time.Second),
		Secure: !p.Sessions.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	seeOther(w, path+"?flow="+handle)
}

func (p *Provider) parkCookie() string {
	if p.Sessions.Insecure {
		return "idp-post"
	}
	return "__Host-idp-post"
}

// parked gives a saved request back to the browser that posted it;
// idp.ErrNotFound if there is none for that path.
func (p *Provider) parked(r *http.Request, flow *idp.Flow, path string) (url.Values, error) {
	c, err := r.Cookie(p.parkCookie())
	if err != nil || flow.ReturnTo != path || !p.now().Before(flow.EndsAt) ||
		subtle.ConstantTimeCompare(session.HandleHash(c.Value), flow.Browser) != 1 {
		return nil, idp.ErrNotFound
	}
	form, err := url.ParseQuery(flow.Request)
	if err != nil {
		return nil, errors.Join(idp.ErrNotFound, err)
	}
	return form, nil
}
