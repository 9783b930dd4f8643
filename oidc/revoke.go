package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
)

// revoke is the revocation endpoint (RFC 7009). A 200 means that nothing of the
// token's grant works any more.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	form, err := bodyParameters(w, r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if form.Get("token") == "" {
		p.fail(w, r, newFault(codeInvalidRequest, "token is missing"))
		return
	}
	if err := p.engine.NewRevocationRequest(r.Context(), cleanPost(r, form)); err != nil {
		p.fail(w, r, err) // also a failure of the store, which fosite's own writer calls a success
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// revoker is fosite's RevocationHandler. Revoking any token ends its whole
// grant (section 2.1 allows it of an access token and asks it of a refresh
// token).
type revoker struct{ p *Provider }

func (h *revoker) RevokeToken(ctx context.Context, token string, _ fosite.TokenType, asking fosite.Client) error {
	g, err := h.find(ctx, token)
	if errors.Is(err, idp.ErrNotFound) {
		return nil // section 2.2: an unknown token is as good as revoked
	}
	if err != nil {
		return fmt.Errorf("look up token: %w", err)
	}
	if g.ClientID != asking.GetID() {
		return newFault(codeUnauthorizedClient, "the token is not this client's")
	}
	origin, now := idp.OriginFrom(ctx), h.p.now()
	event := idp.Event{
		At: now, Kind: "grant.revoke", Result: "ok", PersonID: g.PersonID, ClientID: g.ClientID,
		SessionID: g.SessionID, Address: origin.Address.String(), RequestID: origin.RequestID,
		Detail: grantName(g.ID),
	}
	if !g.RevokedAt.IsZero() {
		return nil
	}
	if err := h.p.Grants.RevokeGrant(ctx, g.ID, now, event); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	h.p.grants.forget(g.ID)
	return nil
}

// find takes a refresh token of any generation, or the current access token.
func (h *revoker) find(ctx context.Context, token string) (*Grant, error) {
	if id, _, ok := h.p.tokens.readRefresh(token); ok {
		g, _, err := h.p.Grants.GrantByID(ctx, id)
		return g, err
	}
	if strings.Count(token, ".") == 2 {
		opaque, ok := h.p.readAccessJWT(token)
		if !ok {
			return nil, idp.ErrNotFound
		}
		token = opaque
	}
	id, ok := grantOf(token)
	if !ok {
		return nil, idp.ErrNotFound
	}
	g, _, err := h.p.Grants.GrantByAccess(ctx, id, hashOf(token))
	return g, err
}
