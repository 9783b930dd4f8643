package oidc

import (
	"net/http"

	"github.com/ory/fosite"
)

// introspection is an answer of RFC 7662 section 2.2.
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Username  string   `json:"username,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	Issued    int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
}

// introspect is the introspection endpoint. A confidential client learns about
// its own tokens, and about any if it is registered for that; of all others it
// learns nothing.
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	form, err := bodyParameters(w, r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	asking, err := p.clientOf(r.Context(), r, form)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if asking.Public() { // RFC 7662 section 2.1: some form of authorization
		p.fail(w, r, errClient)
		return
	}
	token := form.Get("token")
	if token == "" {
		p.fail(w, r, newFault(codeInvalidRequest, "token is missing"))
		return
	}
	unit := &work{now: p.now()}
	_, _, err = p.engine.IntrospectToken(r.Context(), token, fosite.TokenType(form.Get("token_type_hint")), unit,
		words(form.Get("scope"))...)
	if err != nil {
		if f := asFault(err); f.code != codeInvalidToken {
			p.fail(w, r, f)
			return
		}
		writeJSON(w, http.StatusOK, introspection{})
		return
	}
	if unit.grant.ClientID != asking.ID && !asking.MayIntrospect {
		writeJSON(w, http.StatusOK, introspection{})
		return
	}
	writeJSON(w, http.StatusOK, p.describe(unit))
}

func (p *Provider) describe(w *work) *introspection {
	g := w.grant
	a := &introspection{
		Active: true, Scope: scopeText(w.scopes), ClientID: g.ClientID, Issuer: p.Issuer,
		Audience: w.owner.audience(), Subject: g.ClientID, SessionID: g.SessionID,
		ACR: w.details.ACR, AMR: w.details.AMR, AuthTime: w.details.AuthTime,
	}
	if w.person != nil {
		a.Subject, a.Username = w.person.Subject, w.person.Username
	}
	ends := g.RefreshEndsAt
	if w.kind == fosite.AccessToken {
		a.TokenType, ends = "Bearer", g.AccessEndsAt
	}
	a.Expires = earlier(ends, g.EndsAt).Unix()
	switch {
	case !g.RotatedAt.IsZero():
		a.Issued = g.RotatedAt.Unix()
	case !g.CodeUsedAt.IsZero():
		a.Issued = g.CodeUsedAt.Unix()
	default:
		a.Issued = g.CreatedAt.Unix()
	}
	return a
}
