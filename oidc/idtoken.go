package oidc

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	typeIDToken = "JWT"
	typeAccess  = "at+jwt" // RFC 9068 section 2.1
)

// idToken signs an ID token (OpenID Connect Core 1.0 sections 2 and 3.1.3.6).
// After a refresh it has no nonce (section 12.2).
func (p *Provider) idToken(c *client, w *work, accessToken, nonce string) (string, error) {
	claims := map[string]any{
		"iss": p.Issuer, "sub": w.person.Subject, "aud": c.ID,
		"iat": w.now.Unix(), "exp": w.now.Add(p.life.ID).Unix(),
		"auth_time": w.details.AuthTime, "acr": w.details.ACR, "sid": w.grant.SessionID,
		"at_hash": tokenHash(c.algorithm(), accessToken),
	}
	if len(w.details.AMR) > 0 {
		claims["amr"] = w.details.AMR
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if len(w.details.Claims.IDToken) > 0 {
		addPersonClaims(claims, w.person, nil, w.details.Claims.IDToken, c.Scopes)
	}
	return p.sign(c.algorithm(), typeIDToken, claims)
}

// accessJWT signs an access token of RFC 9068 section 2.2. Its jti is the
// opaque token, by whose hash the grant is found.
func (p *Provider) accessJWT(c *client, w *work, jti string, scopes []string, issued, ends time.Time) (string, error) {
	claims := map[string]any{
		"iss": p.Issuer, "aud": c.audience(), "client_id": c.ID, "sub": c.ID,
		"iat": issued.Unix(), "exp": ends.Unix(), "jti": jti,
	}
	if w.person != nil {
		claims["sub"] = w.person.Subject
		claims["auth_time"], claims["acr"] = w.details.AuthTime, w.details.ACR
		if len(w.details.AMR) > 0 {
			claims["amr"] = w.details.AMR
		}
	}
	if len(scopes) > 0 {
		claims["scope"] = scopeText(scopes)
	}
	return p.sign(c.algorithm(), typeAccess, claims)
}

func (p *Provider) sign(alg, typ string, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	jws, err := p.Keys.Sign(alg, typ, payload)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	return jws, nil
}

// tokenHash is at_hash: the left half of the hash that belongs to the
// signature's algorithm; Ed25519 hashes with SHA-512 (RFC 8032 section 5.1).
func tokenHash(alg, token string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// idTokenClaims is what we read of an ID token that comes back as a hint.
type idTokenClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Session  string   `json:"sid"`
}

// audience is one string or several (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

var errNoIDToken = errors.New("not an ID token of ours")

// readIDToken checks a hint: signed by us, be the key retired, and an ID token
// at all. That it has expired does not matter (Core section 3.1.2.1,
// RP-Initiated Logout 1.0 section 2).
func (p *Provider) readIDToken(jws string) (*idTokenClaims, error) {
	payload, _, err := p.Keys.VerifyTyped(jws, typeIDToken, p.Algorithms...)
	if err != nil {
		return nil, errNoIDToken
	}
	var claims idTokenClaims
	if json.Unmarshal(payload, &claims) != nil || claims.Issuer != p.Issuer ||
		claims.Subject == "" || len(claims.Audience) == 0 {
		return nil, errNoIDToken
	}
	return &claims, nil
}
