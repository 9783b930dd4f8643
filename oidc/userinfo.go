package oidc

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ory/fosite"
)

// userinfo is the UserInfo endpoint (OpenID Connect Core 1.0 section 5.3).
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, err := bearerToken(w, r)
	if err != nil {
		p.failBearer(w, r, err)
		return
	}
	unit := &work{now: p.now()}
	kind, _, err := p.engine.IntrospectToken(r.Context(), token, fosite.AccessToken, unit)
	if err != nil {
		p.failBearer(w, r, err)
		return
	}
	if kind != fosite.AccessToken || unit.person == nil {
		p.failBearer(w, r, errInactive)
		return
	}
	if !contains(unit.scopes, scopeOpenID) {
		p.failBearer(w, r, newFault(codeInsufficientScope, "the token is not for openid"))
		return
	}
	claims := map[string]any{"sub": unit.person.Subject}
	addPersonClaims(claims, unit.person, unit.scopes, unit.details.Claims.UserInfo, unit.owner.Scopes)
	writeJSON(w, http.StatusOK, claims)
}

var errNoToken = errors.New("no access token")

// bearerToken finds the access token in the header or, of a POST, in the form
// (RFC 6750 sections 2.1 and 2.2); the query is not looked at. One way per
// request (section 2).
func bearerToken(w http.ResponseWriter, r *http.Request) (string, error) {
	var token string
	header := r.Header.Values("Authorization")
	if len(header) > 1 {
		return "", newFault(codeInvalidRequest, "more than one Authorization header")
	}
	if len(header) == 1 {
		scheme, value, _ := strings.Cut(header[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", errNoToken
		}
		if token = strings.TrimSpace(value); token == "" {
			return "", newFault(codeInvalidRequest, "the Authorization header has no token")
		}
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := bodyParameters(w, r)
		if err != nil {
			return "", err
		}
		if body := form.Get("access_token"); body != "" {
			if token != "" {
				return "", newFault(codeInvalidRequest, "the token is sent in two ways")
			}
			token = body
		}
	}
	if token == "" {
		return "", errNoToken
	}
	return token, nil
}

// failBearer answers as RFC 6750 section 3 says: without a token the challenge
// names no error.
func (p *Provider) failBearer(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNoToken) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="taipeion"`)
		writeJSON(w, http.StatusUnauthorized, struct{}{})
		return
	}
	f := asFault(err)
	if f.status < http.StatusInternalServerError {
		challenge := `Bearer realm="taipeion", error="` + f.code + `", error_description="` + f.description + `"`
		if f.code == codeInsufficientScope {
			challenge += `, scope="openid"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	p.fail(w, r, f)
}
