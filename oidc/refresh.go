package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
)

// refreshExchange rotates refresh tokens (RFC 6749 section 6, RFC 9700 section
// 4.14.2). The tokens of a generation are derived from it, so there is never
// more than one successor: a retry within the grace gets the same one again.
type refreshExchange struct{ p *Provider }

func (h *refreshExchange) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

func (h *refreshExchange) CanHandleTokenEndpointRequest(_ context.Context, ar fosite.AccessRequester) bool {
	return ar.GetGrantTypes().ExactOne("refresh_token")
}

var errRefresh = newFault(codeInvalidGrant, "the refresh token is not valid")

func (h *refreshExchange) HandleTokenEndpointRequest(ctx context.Context, ar fosite.AccessRequester) error {
	c, w, err := parties(ar, "refresh_token")
	if err != nil {
		return err
	}
	token := ar.GetRequestForm().Get("refresh_token")
	if token == "" {
		return newFault(codeInvalidRequest, "refresh_token is missing")
	}
	id, generation, ok := h.p.tokens.readRefresh(token)
	if !ok {
		return errRefresh
	}
	if err := h.load(ctx, c, w, id); err != nil {
		return err
	}
	if generation > w.grant.Generation { // rotated on another node a moment ago
		h.p.grants.forget(id)
		if err := h.load(ctx, c, w, id); err != nil {
			return err
		}
	}
	// Narrowed first, so that a bad scope never costs the token.
	if w.scopes, err = narrow(w.scopes, ar.GetRequestForm().Get("scope")); err != nil {
		return err
	}
	return h.place(ctx, w, generation)
}

// load reads the grant and everything that may end it: the person, the client,
// the consent.
func (h *refreshExchange) load(ctx context.Context, c *client, w *work, id []byte) error {
	l, err := h.p.grants.byGrantID(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return errRefresh
	}
	if err != nil {
		return fmt.Errorf("look up grant: %w", err)
	}
	if g := l.grant; g.ClientID != c.ID || g.Kind != GrantCode || !alive(g, l.person, w.now) {
		return errRefresh
	}
	w.use(l)
	consented, err := h.p.consented(ctx, c, w.grant.PersonID, w.scopes)
	if err == nil && !consented {
		err = errRefresh
	}
	return err
}

// consented tells whether the consent behind a grant still stands. First-party
// clients need none.
func (p *Provider) consented(ctx context.Context, c *client, personID string, scopes []string) (bool, error) {
	if c.FirstParty {
		return true, nil
	}
	consent, err := p.Requests.Consent(ctx, personID, c.ID)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return false, fmt.Errorf("look up consent: %w", err)
	}
	for _, s := range scopes {
		if !contains(consent, s) {
			return false, nil
		}
	}
	return true, nil
}

// place says what a token of that generation may do: rotate (the current one),
// get the current tokens again (the one before, within the grace), or end the
// family (an older one).
func (h *refreshExchange) place(ctx context.Context, w *work, generation int64) error {
	g := w.grant
	switch {
	case generation == g.Generation:
		if !w.now.Before(g.RefreshEndsAt) {
			return errRefresh
		}
		w.rotate = true
		return nil
	case generation == g.Generation-1 && generation > 0 && w.now.Sub(g.RotatedAt) <= h.p.life.Grace:
		return nil
	case generation < g.Generation:
		return h.p.endReused(ctx, w, "refresh.reuse", errRefresh)
	}
	return errRefresh
}

func (h *refreshExchange) PopulateTokenEndpointResponse(ctx context.Context, ar fosite.AccessRequester, resp fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, ar) {
		return fosite.ErrUnknownRequest
	}
	c, w, err := parties(ar, "refresh_token")
	if err != nil {
		return err
	}
	if !w.rotate {
		return h.again(c, w, resp)
	}
	i := Issue{
		GrantID: w.grant.ID, Generation: w.grant.Generation + 1, At: w.now, AccessEndsAt: h.p.accessEnd(w),
		RefreshEndsAt: earlier(w.now.Add(h.p.life.RefreshIdle), w.grant.EndsAt),
	}
	if err := h.p.mint(c, w, &i, w.scopes, ""); err != nil {
		return err
	}
	mark := h.p.grants.mark()
	err = h.p.Grants.Rotate(ctx, i)
	if errors.Is(err, idp.ErrConflict) {
		return h.lostRace(ctx, c, w, resp)
	}
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	h.p.grants.issued(mark, w, &i)
	w.send(resp)
	return nil
}

// lostRace answers the slower of two requests with the same token: what the
// faster one made, if that is what stopped us.
func (h *refreshExchange) lostRace(ctx context.Context, c *client, w *work, resp fosite.AccessResponder) error {
	before, scopes := w.grant.Generation, w.scopes
	h.p.grants.forget(w.grant.ID) // what we knew is out of date
	if err := h.load(ctx, c, w, w.grant.ID); err != nil {
		return err
	}
	w.scopes = scopes
	if err := h.place(ctx, w, before); err != nil {
		return err
	}
	if w.grant.Generation != before+1 {
		return errRefresh
	}
	return h.again(c, w, resp)
}

// again gives the tokens of the current generation once more. They live as
// long as the first time.
func (h *refreshExchange) again(c *client, w *work, resp fosite.AccessResponder) error {
	g := w.grant
	i := Issue{GrantID: g.ID, Generation: g.Generation, At: g.RotatedAt, AccessEndsAt: g.AccessEndsAt}
	if !w.now.Before(g.AccessEndsAt) {
		return errRefresh
	}
	if err := h.p.mint(c, w, &i, w.scopes, ""); err != nil {
		return err
	}
	if !sameHash(i.AccessHash, g.AccessHash) {
		return errRefresh // asked for other scopes this time: that would be a branch
	}
	w.send(resp)
	return nil
}

// narrow gives the scopes that were asked for out of those granted: fewer, and
// never one more (RFC 6749 section 6).
func narrow(granted []string, asked string) ([]string, error) {
	wanted := words(asked)
	if len(wanted) == 0 {
		return granted, nil
	}
	var out []string
	for _, s := range granted {
		if contains(wanted, s) {
			out = append(out, s)
		}
	}
	if len(out) != len(wanted) {
		return nil, newFault(codeInvalidScope, "a scope was not granted")
	}
	return out, nil
}
