package oidc

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// Signer signs tokens and publishes the keys; keys.Ring is one.
type Signer interface {
	// Sign makes a compact JWS with the active key of the algorithm.
	Sign(alg, typ string, claims []byte) (string, error)
	// PublicJWKS is the key set as JSON: next, active and retired keys.
	PublicJWKS() []byte
	// VerifyTyped checks a JWS of ours, also by a retired key, of one typ only.
	VerifyTyped(jws, typ string, algs ...string) (claims []byte, kid string, err error)
}

// Sealer derives our token keys; keys.Sealer is one.
type Sealer interface {
	// Derive gives 32 bytes for the label, the same on every node.
	Derive(label string) []byte
}

// Pages shows pages to people; templates.Renderer is one.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, v templates.View)
}

// ClientLister lists the registered clients, without disabled ones.
type ClientLister interface {
	Clients(ctx context.Context) ([]idp.Client, error)
}

// Lifetimes says how long things live. A zero field takes its default.
type Lifetimes struct {
	Code        time.Duration // authorization code; default and at most 60 s
	Access      time.Duration // access token; default 10 min
	ID          time.Duration // ID token; default 1 h
	Refresh     time.Duration // absolute end of a grant with offline_access; default 30 days
	RefreshIdle time.Duration // a refresh token not used for so long is dead; default 7 days
	Grace       time.Duration // an honest retry of a refresh gets the same answer; default 60 s
	Flow        time.Duration // a login under way; default 15 min
}

func (l Lifetimes) withDefaults() Lifetimes {
	set := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	set(&l.Code, time.Minute)
	l.Code = min(l.Code, time.Minute)
	set(&l.Access, 10*time.Minute)
	set(&l.ID, time.Hour)
	set(&l.Refresh, 30*24*time.Hour)
	set(&l.RefreshIdle, 7*24*time.Hour)
	set(&l.Grace, time.Minute)
	set(&l.Flow, 15*time.Minute)
	return l
}

// Provider is the OpenID Provider. Fill the exported fields, then Mount.
type Provider struct {
	Issuer     string // without a trailing slash; byte for byte the "iss" of everything
	Grants     Grants
	Requests   Requests
	Clients    ClientLister // for CORS; nil: no origin is allowed
	Sessions   *session.Manager
	Keys       Signer
	Algorithms []string // of ID tokens; default RS256, PS256, ES256, EdDSA
	Sealer     Sealer
	Pages      Pages
	Now        func() time.Time
	Lifetimes  Lifetimes
	Logger     *slog.Logger
	// CacheGrants is how long a live access token is known without asking the
	// store again; 0: always ask; at most 500 ms.
	CacheGrants time.Duration

	once     sync.Once
	life     Lifetimes
	engine   *fosite.Fosite
	tokens   *minter
	clients  *clientCache
	origins  *originList
	throttle *throttle
	grants   *grantCache
	metadata *document
	jwks     *document
}

// The endpoints' paths.
const (
	PathAuthorize  = "/oauth2/authorize"
	PathToken      = "/oauth2/token"
	PathUserinfo   = "/oauth2/userinfo"
	PathIntrospect = "/oauth2/introspect"
	PathRevoke     = "/oauth2/revoke"
	PathJWKS       = "/oauth2/jwks"
	PathLogout     = "/oauth2/logout"
	PathDiscovery  = "/.well-known/openid-configuration"
	PathMetadata   = "/.well-known/oauth-authorization-server"
)

// Mount adds the endpoints to the mux.
func (p *Provider) Mount(mux idp.Mux) {
	p.once.Do(p.init)
	route := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, h) }
	route("GET "+PathAuthorize, p.authorize)
	route("POST "+PathAuthorize, p.authorize)
	route("POST "+PathToken, p.cors(p.token))
	route("GET "+PathUserinfo, p.cors(p.userinfo))
	route("POST "+PathUserinfo, p.cors(p.userinfo))
	route("POST "+PathIntrospect, p.introspect)
	route("POST "+PathRevoke, p.revoke)
	route("GET "+PathLogout, p.logout)
	route("POST "+PathLogout, p.logout)
	route("GET "+PathJWKS, p.cors(p.serveJWKS))
	route("GET "+PathDiscovery, p.cors(p.serveMetadata))
	route("GET "+PathMetadata, p.cors(p.serveMetadata))
	for _, path := range []string{PathAuthorize, PathLogout} {
		route("HEAD "+path, notAllowed) // a GET's effects without its answer
	}
	for _, path := range []string{PathToken, PathUserinfo, PathJWKS, PathDiscovery, PathMetadata} {
		route("OPTIONS "+path, p.preflight)
	}
}

func notAllowed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, POST")
	w.WriteHeader(http.StatusMethodNotAllowed)
}

func (p *Provider) init() {
	p.Issuer = strings.TrimRight(p.Issuer, "/")
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if len(p.Algorithms) == 0 {
		p.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	p.life = p.Lifetimes.withDefaults()
	p.tokens = newMinter(p.Sealer)
	p.clients = &clientCache{source: p.Requests, now: p.Now}
	p.origins = &originList{source: p.Clients, now: p.Now}
	p.throttle = &throttle{now: p.Now}
	p.grants = newGrantCache(p.Grants, min(p.CacheGrants, maxGrantAge), p.Now)
	p.metadata = newDocument(p.metadataJSON())
	p.jwks = &document{}
	p.engine = p.newEngine()
}

// newEngine sets fosite up: our own client authentication and handlers, and
// lifespans longer than ours, because it reads the wall clock while our
// conditional statements decide by Now.
func (p *Provider) newEngine() *fosite.Fosite {
	return &fosite.Fosite{
		Store: fositeClients{p.clients},
		Config: &fosite.Config{
			IDTokenIssuer:                p.Issuer,
			TokenURL:                     p.Issuer + PathToken,
			AuthorizeCodeLifespan:        24 * time.Hour,
			AccessTokenLifespan:          365 * 24 * time.Hour,
			ScopeStrategy:                fosite.ExactScopeStrategy,
			AudienceMatchingStrategy:     fosite.ExactAudienceMatchingStrategy,
			EnforcePKCE:                  true,
			EnforcePKCEForPublicClients:  true,
			MinParameterEntropy:          1,
			OmitRedirectScopeParam:       true,
			ClientAuthenticationStrategy: p.authenticateClient,
			AuthorizeEndpointHandlers:    fosite.AuthorizeEndpointHandlers{&codeIssuer{p}},
			TokenEndpointHandlers: fosite.TokenEndpointHandlers{
				&codeExchange{p}, &refreshExchange{p}, &clientCredentials{p},
			},
			TokenIntrospectionHandlers: fosite.TokenIntrospectionHandlers{&inspector{p}},
			RevocationHandlers:         fosite.RevocationHandlers{&revoker{p}},
		},
	}
}

// now is the time by our clock, as exact as the store keeps it.
func (p *Provider) now() time.Time { return p.Now().Truncate(time.Microsecond) }
