package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/keys"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	clockLeeway   = 10 * time.Second // how far a client's clock may be off
	maxAssertion  = time.Hour        // how far in the future an assertion may end
	maxJTI        = 512
)

// assertionAlgorithms are those in the metadata.
var assertionAlgorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}

type assertionClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Expires  *float64        `json:"exp"`
	Before   *float64        `json:"nbf"`
	Issued   *float64        `json:"iat"`
	ID       string          `json:"jti"`
}

// assertionCredentials reads a client assertion's claims to learn whose it
// claims to be (RFC 7521 section 4.2: client_id is optional). Nothing of it is
// believed before verifyAssertion.
func assertionCredentials(form url.Values) (*credentials, error) {
	jws := form.Get("client_assertion")
	if form.Get("client_assertion_type") != assertionType || jws == "" {
		return nil, newFault(codeInvalidRequest, "client_assertion_type must be that of a JWT, with a client_assertion")
	}
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil, errClient
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errClient
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return nil, errClient
	}
	return &credentials{idp.AuthPrivateKeyJWT, claims.Subject, jws}, nil
}

// verifyAssertion checks a client assertion (RFC 7523 section 3, OpenID Connect
// Core 1.0 section 9).
func (p *Provider) verifyAssertion(ctx context.Context, c *client, jws string) error {
	payload, err := keys.VerifyWithJWKS(jws, c.JWKS, assertionAlgorithms)
	if err != nil {
		return errGuess
	}
	var claims assertionClaims
	if json.Unmarshal(payload, &claims) != nil {
		return errClient
	}
	now := p.now()
	ends, ok := p.assertionHolds(c, &claims, now)
	if !ok {
		return errClient
	}
	// The hash bounds what a client makes us keep.
	sum := sha256.Sum256([]byte(claims.ID))
	err = p.Requests.UseAssertion(ctx, c.ID, hex.EncodeToString(sum[:]), ends.Add(clockLeeway))
	if errors.Is(err, idp.ErrUsed) {
		return errClient
	}
	if err != nil {
		return fmt.Errorf("use client assertion: %w", err)
	}
	return nil
}

func (p *Provider) assertionHolds(c *client, claims *assertionClaims, now time.Time) (ends time.Time, ok bool) {
	// One audience as a string: a list could name another server too, which
	// might then replay the assertion here.
	var audience string
	if json.Unmarshal(claims.Audience, &audience) != nil ||
		audience != p.Issuer && audience != p.Issuer+PathToken {
		return ends, false
	}
	if claims.Issuer != c.ID || claims.Subject != c.ID || claims.ID == "" || len(claims.ID) > maxJTI ||
		claims.Expires == nil {
		return ends, false
	}
	ends, ok = unixTime(*claims.Expires)
	if !ok || !now.Before(ends.Add(clockLeeway)) || ends.After(now.Add(maxAssertion+clockLeeway)) {
		return ends, false
	}
	for _, from := range []*float64{claims.Before, claims.Issued} {
		if from == nil {
			continue
		}
		if t, ok := unixTime(*from); !ok || t.After(now.Add(clockLeeway)) {
			return ends, false
		}
	}
	return ends, true
}

// unixTime reads a NumericDate (RFC 7519 section 2).
func unixTime(f float64) (time.Time, bool) {
	if f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	whole, frac := math.Modf(f)
	return time.Unix(int64(whole), int64(frac*1e9)), true
}
