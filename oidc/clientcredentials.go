package oidc

import (
	"context"
	"fmt"

	"github.com/ory/fosite"
)

// clientCredentials lets a system speak for itself (RFC 6749 section 4.4): one
// insert.
type clientCredentials struct{ p *Provider }

func (h *clientCredentials) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

func (h *clientCredentials) CanHandleTokenEndpointRequest(_ context.Context, ar fosite.AccessRequester) bool {
	return ar.GetGrantTypes().ExactOne("client_credentials")
}

func (h *clientCredentials) HandleTokenEndpointRequest(_ context.Context, ar fosite.AccessRequester) error {
	c, w, err := parties(ar, "client_credentials")
	if err != nil {
		return err
	}
	if c.Public() { // section 4.4: confidential clients only
		return newFault(codeUnauthorizedClient, "a public client may not use this grant type")
	}
	var own []string
	for _, s := range c.Scopes {
		if !contains(personScopes, s) {
			own = append(own, s)
		}
	}
	w.scopes, err = narrow(own, ar.GetRequestForm().Get("scope"))
	return err
}

func (h *clientCredentials) PopulateTokenEndpointResponse(ctx context.Context, ar fosite.AccessRequester, resp fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, ar) {
		return fosite.ErrUnknownRequest
	}
	c, w, err := parties(ar, "client_credentials")
	if err != nil {
		return err
	}
	w.grant = &Grant{
		ID: newGrantID(w.now), Kind: GrantClient, ClientID: c.ID, Scopes: scopeText(w.scopes),
		EndsAt: w.now.Add(h.p.life.Access), CreatedAt: w.now,
	}
	i := Issue{GrantID: w.grant.ID, At: w.now, AccessEndsAt: w.grant.EndsAt}
	if err := h.p.mint(c, w, &i, w.scopes, ""); err != nil {
		return err
	}
	w.grant.AccessHash, w.grant.AccessEndsAt = i.AccessHash, i.AccessEndsAt
	if w.grant.Request, err = w.details.encode(); err != nil {
		return err
	}
	if err := h.p.Grants.CreateGrant(ctx, w.grant); err != nil {
		return fmt.Errorf("keep grant: %w", err)
	}
	w.send(resp)
	return nil
}
