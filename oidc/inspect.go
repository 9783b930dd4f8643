package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
)

// inspector finds the grant behind a token, for userinfo and introspection. It
// is fosite's TokenIntrospector.
type inspector struct{ p *Provider }

// errInactive is the one answer for every token that is not live.
var errInactive = newFault(codeInvalidToken, "the token is not valid")

func (h *inspector) IntrospectToken(ctx context.Context, token string, _ fosite.TokenUse, ar fosite.AccessRequester, scopes []string) (fosite.TokenUse, error) {
	w, ok := ar.GetSession().(*work)
	if !ok {
		return "", fosite.ErrUnknownRequest
	}
	kind, err := h.find(ctx, w, token)
	if err != nil {
		return "", err
	}
	if !alive(w.grant, w.person, w.now) {
		return "", errInactive
	}
	for _, s := range scopes {
		if s != "" && !contains(w.scopes, s) {
			return "", errInactive
		}
	}
	// A disabled client's tokens are dead, whoever presents them.
	if w.owner, err = h.p.clients.get(ctx, w.grant.ClientID); errors.Is(err, idp.ErrNotFound) {
		return "", errInactive
	} else if err != nil {
		return "", err
	}
	if w.grant.Kind == GrantCode {
		ok, err := h.p.consented(ctx, w.owner, w.grant.PersonID, w.scopes)
		if err != nil {
			return "", err
		}
		if !ok {
			return "", errInactive // the consent was withdrawn
		}
	}
	w.kind = kind
	return kind, nil
}

// find takes an access token by its grant and hash, and a refresh token by its
// grant.
func (h *inspector) find(ctx context.Context, w *work, token string) (fosite.TokenUse, error) {
	if id, generation, ok := h.p.tokens.readRefresh(token); ok {
		return fosite.RefreshToken, h.findRefresh(ctx, w, id, generation)
	}
	opaque := token
	if strings.Count(token, ".") == 2 {
		var ok bool
		if opaque, ok = h.p.readAccessJWT(token); !ok {
			return "", errInactive
		}
	}
	id, ok := grantOf(opaque)
	if !ok {
		return "", errInactive
	}
	l, err := h.p.grants.byAccess(ctx, id, hashOf(opaque))
	if errors.Is(err, idp.ErrNotFound) {
		return "", errInactive
	}
	if err != nil {
		return "", fmt.Errorf("look up access token: %w", err)
	}
	if !w.now.Before(l.grant.AccessEndsAt) {
		return "", errInactive
	}
	w.use(l)
	w.scopes = scopesOf(opaque, w.scopes)
	return fosite.AccessToken, nil
}

func (h *inspector) findRefresh(ctx context.Context, w *work, id []byte, generation int64) error {
	g, person, err := h.p.Grants.GrantByID(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return errInactive
	}
	if err != nil {
		return fmt.Errorf("look up refresh token: %w", err)
	}
	if generation != g.Generation || !w.now.Before(g.RefreshEndsAt) {
		return errInactive
	}
	return w.take(g, person)
}

// readAccessJWT checks an access token of RFC 9068 (section 4) and gives the
// opaque token inside. An ID token is none: the typ tells.
func (p *Provider) readAccessJWT(jws string) (opaque string, ok bool) {
	payload, _, err := p.Keys.VerifyTyped(jws, typeAccess, p.Algorithms...)
	if err != nil {
		return "", false
	}
	var claims struct {
		Issuer string `json:"iss"`
		ID     string `json:"jti"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Issuer != p.Issuer || claims.ID == "" {
		return "", false
	}
	return claims.ID, true
}
