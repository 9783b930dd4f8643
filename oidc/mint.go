package oidc

import (
	"time"

	"github.com/ory/fosite"
)

// mint makes the tokens of an issue, fills their hash in, and leaves the answer
// in the unit of work. Nothing is written.
func (p *Provider) mint(c *client, w *work, i *Issue, scopes []string, nonce string) error {
	opaque := p.tokens.accessToken(i.GrantID, i.Generation, words(w.grant.Scopes), scopes)
	i.AccessHash = hashOf(opaque)
	access := opaque
	if c.JWTAccess {
		var err error
		if access, err = p.accessJWT(c, w, opaque, scopes, i.At, i.AccessEndsAt); err != nil {
			return err
		}
	}
	w.answer = tokenAnswer{
		AccessToken: access, TokenType: "Bearer", Scope: scopeText(scopes),
		ExpiresIn: int64(i.AccessEndsAt.Sub(w.now) / time.Second),
	}
	if i.Generation > 0 {
		w.answer.RefreshToken = p.tokens.refreshToken(i.GrantID, i.Generation)
	}
	if w.person != nil && contains(scopes, scopeOpenID) {
		id, err := p.idToken(c, w, access, nonce)
		if err != nil {
			return err
		}
		w.answer.IDToken = id
	}
	return nil
}

// send tells fosite that there is an answer; the token endpoint writes it.
func (w *work) send(resp fosite.AccessResponder) {
	resp.SetAccessToken(w.answer.AccessToken)
	resp.SetTokenType(w.answer.TokenType)
}
