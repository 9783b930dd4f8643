package idp

import "time"

// Client authentication methods (RFC 7591 section 2, OpenID Connect Core 1.0
// section 9).
const (
	AuthNone          = "none"
	AuthSecretBasic   = "client_secret_basic"
	AuthSecretPost    = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"
)

// Client is a relying system (RFC 6749 section 1.1). The zero value of every
// optional field is the safe choice.
type Client struct {
	ID             string
	Name           string // shown to people, zh-Hant
	NameEN         string
	AuthMethods    []string // one of: {none}, {client_secret_basic, client_secret_post}, a single one of these, {private_key_jwt}
	SecretHash     []byte   // SHA-256 of a secret of 256 random bits
	OldSecretHash  []byte   // still accepted until OldSecretEnds, after a rotation
	OldSecretEnds  time.Time
	JWKS           string   // JSON Web Key Set of a private_key_jwt client
	RedirectURIs   []string // compared exactly (RFC 9700 section 2.1); loopback: any port (RFC 8252 section 7.3)
	PostLogoutURIs []string // OpenID Connect RP-Initiated Logout 1.0 section 3
	Origins        []string // CORS origins for token and userinfo
	Scopes         []string // what it may ask for
	GrantTypes     []string // authorization_code, refresh_token, client_credentials
	Audience       []string // aud of its RFC 9068 access tokens; its own ID if empty
	PKCEOptional   bool     // legacy confidential clients only
	IDTokenAlg     string   // RS256 if empty
	JWTAccess      bool     // RFC 9068 access tokens instead of opaque ones
	MinLevel       Level    // the least level it accepts
	FirstParty     bool     // the city's own: no consent page
	MayIntrospect  bool     // may introspect any token, not only its own
	URI            string   // where the system lives, for links
	Disabled       bool
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Public tells whether the client can't keep a secret.
func (c *Client) Public() bool {
	return len(c.AuthMethods) == 1 && c.AuthMethods[0] == AuthNone
}

// Allows tells whether the client may use the grant type.
func (c *Client) Allows(grantType string) bool {
	for _, g := range c.GrantTypes {
		if g == grantType {
			return true
		}
	}
	return false
}
