package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// issue answers a granted request with a code. A saved request is used up in the
// transaction that keeps the code; one that can't have a code is, too.
func (p *Provider) issue(w http.ResponseWriter, r *http.Request, unit *work) {
	q := unit.request
	resp, err := p.engine.NewAuthorizeResponse(r.Context(), q.fosite, unit)
	if err != nil && unit.uses != nil && !p.finished(w, r, unit.uses) {
		return
	}
	switch {
	case errors.Is(err, errSessionEnded) && !q.ask.PromptNone:
		p.sendToLogin(w, r, q)
		return
	case errors.Is(err, errSessionEnded):
		err = newFault(policy.ErrorLoginRequired, "the session has ended")
	}
	if err != nil {
		p.answerError(w, r, q, err)
		return
	}
	p.answer(w, r, q, [][2]string{{"code", resp.GetParameters().Get("code")}})
}

// errSessionEnded: it did between the look at it and the grant.
var errSessionEnded = errors.New("the session has ended")

// codeIssuer is the authorization endpoint's part of the code flow. The whole
// grant is one insert.
type codeIssuer struct{ p *Provider }

func (h *codeIssuer) HandleAuthorizeEndpointRequest(ctx context.Context, ar fosite.AuthorizeRequester, resp fosite.AuthorizeResponder) error {
	w, ok := ar.GetSession().(*work)
	if !ok || !ar.GetResponseTypes().ExactOne("code") {
		return nil
	}
	q, d := w.request, w.decision
	if d.Outcome != policy.Grant {
		return newFault(codeServerError, "nothing was granted")
	}
	about := details{
		RedirectURI: q.redirectURI, Challenge: q.form.Get("code_challenge"), Nonce: q.form.Get("nonce"),
		ACR: d.ACR.ACR(), AMR: d.AMR, AuthTime: d.AuthTime.Unix(), Claims: q.claims,
	}
	text, err := about.encode()
	if err != nil {
		return err
	}
	id := newGrantID(w.now)
	code, hash := newCode(id)
	g := &Grant{
		ID: id, Kind: GrantCode, ClientID: q.client.ID,
		PersonID: w.current.Person.ID, SessionID: w.current.Session.ID,
		Scopes: scopeText(q.scopes), Request: text,
		CodeHash: hash, CodeEndsAt: w.now.Add(h.p.life.Code),
		EndsAt: h.p.grantEnd(w), CreatedAt: w.now,
		Uses: w.uses,
	}
	mark := h.p.grants.mark()
	err = h.p.Grants.CreateGrant(ctx, g)
	if errors.Is(err, idp.ErrConflict) {
		return errSessionEnded
	}
	if err != nil {
		return fmt.Errorf("keep grant: %w", err)
	}
	g.Uses = nil
	h.p.grants.keep(mark, &loaded{grant: g, person: w.current.Person, asOf: w.current.AsOf, details: about, scopes: q.scopes})
	resp.AddParameter("code", code)
	ar.SetResponseTypeHandled("code")
	return nil
}

// grantEnd is the absolute end: with offline_access a time of its own,
// otherwise that of the session.
func (p *Provider) grantEnd(w *work) time.Time {
	if contains(w.request.scopes, scopeOffline) {
		return w.now.Add(p.life.Refresh)
	}
	return w.current.Session.EndsAt
}

// codeExchange is the token endpoint's part of the code flow (RFC 6749 section
// 4.1.3): one read, one update.
type codeExchange struct{ p *Provider }

func (h *codeExchange) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (h *codeExchange) CanHandleTokenEndpointRequest(_ context.Context, ar fosite.AccessRequester) bool {
	return ar.GetGrantTypes().ExactOne("authorization_code")
}

var errCode = newFault(codeInvalidGrant, "the code is not valid")

func (h *codeExchange) HandleTokenEndpointRequest(ctx context.Context, ar fosite.AccessRequester) error {
	c, w, err := parties(ar, "authorization_code")
	if err != nil {
		return err
	}
	form := ar.GetRequestForm()
	code := form.Get("code")
	if code == "" {
		return newFault(codeInvalidRequest, "code is missing")
	}
	id, ok := grantOf(code)
	if !ok {
		return errCode
	}
	l, err := h.p.grants.byCode(ctx, id, hashOf(code))
	if errors.Is(err, idp.ErrNotFound) {
		return errCode
	}
	if err != nil {
		return fmt.Errorf("look up code: %w", err)
	}
	g, person := l.grant, l.person
	if g.ClientID != c.ID {
		return errCode // and nothing happens to whoever it belongs to
	}
	w.use(l)
	proved := verifierMatches(w.details.Challenge, form.Get("code_verifier"))
	if !g.CodeUsedAt.IsZero() && (proved || !c.Public()) {
		// RFC 6749 section 4.1.2: a second use ends what the first one gave. A
		// public client has nothing but the verifier to show that it is the one.
		return h.p.endReused(ctx, w, "code.reuse", errCode)
	}
	switch {
	case !g.CodeUsedAt.IsZero(), !proved, form.Get("redirect_uri") != w.details.RedirectURI,
		!w.now.Before(g.CodeEndsAt), !alive(g, person, w.now):
		return errCode
	}
	return nil
}

func (h *codeExchange) PopulateTokenEndpointResponse(ctx context.Context, ar fosite.AccessRequester, resp fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, ar) {
		return fosite.ErrUnknownRequest
	}
	c, w, err := parties(ar, "authorization_code")
	if err != nil {
		return err
	}
	i := Issue{GrantID: w.grant.ID, At: w.now, AccessEndsAt: h.p.accessEnd(w)}
	if c.Allows("refresh_token") {
		i.Generation = 1
		i.RefreshEndsAt = earlier(w.now.Add(h.p.life.RefreshIdle), w.grant.EndsAt)
	}
	// Everything is signed before the code is used up: a failure here costs
	// nobody the code.
	if err := h.p.mint(c, w, &i, w.scopes, w.details.Nonce); err != nil {
		return err
	}
	mark := h.p.grants.mark()
	err = h.p.Grants.RedeemCode(ctx, i)
	if errors.Is(err, idp.ErrUsed) {
		return h.p.endReused(ctx, w, "code.reuse", errCode)
	}
	if err != nil {
		return fmt.Errorf("redeem code: %w", err)
	}
	h.p.grants.issued(mark, w, &i)
	w.send(resp)
	return nil
}

// parties gives the client and our unit of work of a token request, and checks
// that the client may use the grant type.
func parties(ar fosite.AccessRequester, grantType string) (*client, *work, error) {
	c, ok := ar.GetClient().(*client)
	w, ok2 := ar.GetSession().(*work)
	if !ok || !ok2 {
		return nil, nil, errClient
	}
	if !c.Allows(grantType) {
		return nil, nil, newFault(codeUnauthorizedClient, "the client may not use this grant type")
	}
	return c, w, nil
}

// alive tells whether anything of a grant may still be used: it was not
// revoked, it has not ended, and its person is still enabled.
func alive(g *Grant, person *idp.Person, now time.Time) bool {
	if !g.RevokedAt.IsZero() || !now.Before(g.EndsAt) {
		return false
	}
	if g.Kind == GrantClient {
		return g.PersonID == ""
	}
	return person != nil && person.State == idp.PersonEnabled
}

// endReused ends the grant whose code or refresh token came a second time
// (RFC 9700 section 4.14.2), keeps that on record, and gives the refusal.
func (p *Provider) endReused(ctx context.Context, w *work, kind string, refusal error) error {
	origin := idp.OriginFrom(ctx)
	event := idp.Event{
		At: w.now, Kind: kind, Result: "revoked", PersonID: w.grant.PersonID, ClientID: w.grant.ClientID,
		SessionID: w.grant.SessionID, Address: origin.Address.String(), RequestID: origin.RequestID,
		Detail: grantName(w.grant.ID),
	}
	if err := p.Grants.RevokeGrant(ctx, w.grant.ID, w.now, event); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	p.grants.forget(w.grant.ID)
	return refusal
}

func (p *Provider) accessEnd(w *work) time.Time {
	return earlier(w.now.Add(p.life.Access), w.grant.EndsAt)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func scopeText(scopes []string) string { return strings.Join(scopes, " ") }
