package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
)

// credentials is what a client sent to prove who it is.
type credentials struct {
	method string
	id     string
	secret string // the shared secret, or the assertion
}

// errClient is the one answer to every failing authentication: an unknown
// client and a wrong secret look alike.
var errClient = newFault(codeInvalidClient, "client authentication failed")

// errGuess is errClient for what may be a guess, which counts.
var errGuess = &fault{code: errClient.code, description: errClient.description, status: errClient.status}

var errTwoMethods = newFault(codeInvalidRequest, "more than one way of client authentication")

// authenticateClient is fosite's ClientAuthenticationStrategy.
func (p *Provider) authenticateClient(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	c, err := p.clientOf(ctx, r, form)
	if err != nil {
		return nil, err // not a nil *client in an interface
	}
	return c, nil
}

func (p *Provider) clientOf(ctx context.Context, r *http.Request, form url.Values) (*client, error) {
	cred, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	source := idp.OriginFrom(ctx).Address.String()
	if wait := p.throttle.wait(cred.id, source); wait > 0 {
		f := newFault(codeInvalidClient, "too many failures, try again later")
		f.status, f.retryAfter = http.StatusTooManyRequests, wait
		return nil, f
	}
	c, err := p.verifyCredentials(ctx, cred)
	if errors.Is(err, errGuess) {
		if p.throttle.fail(cred.id, source) {
			p.recordThrottle(ctx, cred.id)
		}
	}
	return c, err
}

func (p *Provider) recordThrottle(ctx context.Context, clientID string) {
	if !validClientID(clientID) {
		clientID = ""
	}
	origin := idp.OriginFrom(ctx)
	err := p.Requests.Record(ctx, idp.Event{At: p.now(), Kind: "client.throttle", Result: string(idp.ReasonThrottled),
		ClientID: clientID, Address: origin.Address.String(), RequestID: origin.RequestID})
	if err != nil {
		p.Logger.ErrorContext(ctx, "event not kept", "error", err.Error())
	}
}

func (p *Provider) verifyCredentials(ctx context.Context, cred *credentials) (*client, error) {
	c, err := p.clients.get(ctx, cred.id)
	known := err == nil
	switch {
	case errors.Is(err, idp.ErrNotFound):
		// Go on with nobody, so that the time tells nothing.
		c = &client{&idp.Client{SecretHash: make([]byte, sha256.Size), AuthMethods: []string{cred.method}}}
	case err != nil:
		return nil, err
	case !contains(c.AuthMethods, cred.method):
		return nil, errClient
	}
	switch cred.method {
	case idp.AuthNone:
		if !known || !c.Public() {
			return nil, errClient
		}
	case idp.AuthPrivateKeyJWT:
		if !known {
			return nil, errGuess
		}
		if err := p.verifyAssertion(ctx, c, cred.secret); err != nil {
			return nil, err
		}
	default:
		if !p.secretMatches(c, cred.secret) || !known {
			return nil, errGuess
		}
	}
	return c, nil
}

// secretMatches compares by one SHA-256: a secret has 256 random bits, so a
// slow hash would protect nothing.
func (p *Provider) secretMatches(c *client, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	now := len(c.SecretHash) == sha256.Size && subtle.ConstantTimeCompare(sum[:], c.SecretHash) == 1
	old := len(c.OldSecretHash) == sha256.Size && subtle.ConstantTimeCompare(sum[:], c.OldSecretHash) == 1
	return now || old && p.now().Before(c.OldSecretEnds)
}

// readCredentials finds the one way of authentication in the request (RFC 6749
// section 2.3: not more than one).
func readCredentials(r *http.Request, form url.Values) (*credentials, error) {
	var found []credentials
	if header := r.Header.Values("Authorization"); len(header) > 0 {
		cred, err := basicCredentials(header)
		if err != nil {
			return nil, err
		}
		found = append(found, *cred)
	}
	if form.Has("client_secret") {
		found = append(found, credentials{idp.AuthSecretPost, form.Get("client_id"), form.Get("client_secret")})
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		cred, err := assertionCredentials(form)
		if err != nil {
			return nil, err
		}
		found = append(found, *cred)
	}
	switch id := form.Get("client_id"); {
	case len(found) > 1:
		return nil, errTwoMethods
	case len(found) == 1 && id != "" && id != found[0].id:
		return nil, newFault(codeInvalidRequest, "client_id is not the client that authenticates")
	case len(found) == 1 && found[0].id != "":
		return &found[0], nil
	case len(found) == 0 && id != "":
		return &credentials{method: idp.AuthNone, id: id}, nil
	}
	return nil, errClient
}

// basicCredentials reads the header. Identifier and secret are form encoded
// inside it (RFC 6749 section 2.3.1).
func basicCredentials(header []string) (*credentials, error) {
	scheme, encoded, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Basic") {
		return nil, errClient
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, errClient
	}
	id, secret, ok := strings.Cut(string(plain), ":")
	if !ok {
		return nil, errClient
	}
	if id, err = url.QueryUnescape(id); err != nil {
		return nil, errClient
	}
	if secret, err = url.QueryUnescape(secret); err != nil {
		return nil, errClient
	}
	return &credentials{idp.AuthSecretBasic, id, secret}, nil
}
