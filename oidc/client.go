package oidc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
)

// maxClientAge is how long a client is known without asking the store again:
// whatever an operator changes works everywhere within that time.
const maxClientAge = 500 * time.Millisecond

const maxCachedClients = 4096

// client is a relying system in the form that fosite knows.
type client struct{ *idp.Client }

func (c *client) GetID() string                   { return c.ID }
func (c *client) GetHashedSecret() []byte         { return nil } // we compare ourselves
func (c *client) GetRedirectURIs() []string       { return c.RedirectURIs }
func (c *client) GetGrantTypes() fosite.Arguments { return c.GrantTypes }
func (c *client) GetScopes() fosite.Arguments     { return c.Scopes }
func (c *client) IsPublic() bool                  { return c.Public() }
func (c *client) GetAudience() fosite.Arguments   { return nil }

// GetResponseTypes is code alone: neither the implicit nor a hybrid flow
// (RFC 9700 section 2.1.2).
func (c *client) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }

func (c *client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeQuery, fosite.ResponseModeFormPost}
}

// audience is the aud of the client's RFC 9068 access tokens.
func (c *client) audience() []string {
	if len(c.Audience) == 0 {
		return []string{c.ID}
	}
	return c.Audience
}

func (c *client) algorithm() string {
	if c.IDTokenAlg == "" {
		return "RS256" // OpenID Connect Core 1.0 section 2, id_token_signed_response_alg
	}
	return c.IDTokenAlg
}

// clientCache keeps clients for a moment. Unknown ones are not kept.
type clientCache struct {
	source Requests
	now    func() time.Time

	mu   sync.RWMutex
	byID map[string]cachedClient
}

type cachedClient struct {
	client *client
	until  time.Time
}

// get gives idp.ErrNotFound for an unknown and for a disabled client alike.
func (c *clientCache) get(ctx context.Context, id string) (*client, error) {
	if !validClientID(id) {
		return nil, idp.ErrNotFound
	}
	now := c.now()
	c.mu.RLock()
	known, ok := c.byID[id]
	c.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known.enabled()
	}
	found, err := c.source.Client(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("look up client: %w", err)
	}
	known = cachedClient{&client{found}, now.Add(maxClientAge)}
	c.mu.Lock()
	if c.byID == nil || len(c.byID) >= maxCachedClients {
		c.byID = map[string]cachedClient{}
	}
	c.byID[id] = known
	c.mu.Unlock()
	return known.enabled()
}

func (c cachedClient) enabled() (*client, error) {
	if c.client.Disabled {
		return nil, idp.ErrNotFound
	}
	return c.client, nil
}

// fositeClients is fosite's view of the clients. Client assertions are checked
// by us, and not here.
type fositeClients struct{ cache *clientCache }

func (s fositeClients) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	c, err := s.cache.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return c, nil
}

var errForeignAssertion = errors.New("client assertions are checked elsewhere")

func (fositeClients) ClientAssertionJWTValid(context.Context, string) error {
	return errForeignAssertion
}

func (fositeClients) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return errForeignAssertion
}
