package oidc

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
)

// work is what one request of ours carries through fosite: the unit of work
// that our handlers fill and that is written by one statement. It is fosite's
// Session; fosite's own expiry is not used.
type work struct {
	now time.Time

	// at the authorization endpoint
	request  *request
	current  *session.Current
	decision policy.Decision
	uses     *idp.Flow // the saved request that the code ends; nil: there is none

	// the grant at hand
	grant   *Grant
	person  *idp.Person
	asOf    time.Time // when both were read
	details details
	scopes  []string // of the access token
	rotate  bool     // a new generation is due
	owner   *client  // whose grant it is
	kind    fosite.TokenType

	answer tokenAnswer
}

func (*work) SetExpiresAt(fosite.TokenType, time.Time) {}
func (*work) GetExpiresAt(fosite.TokenType) time.Time  { return time.Time{} }
func (*work) GetUsername() string                      { return "" }
func (w *work) GetSubject() string                     { return "" }
func (w *work) Clone() fosite.Session                  { c := *w; return &c }

// details is the part of a grant that the store need not understand.
type details struct {
	RedirectURI string        `json:"redirect_uri,omitempty"`
	Challenge   string        `json:"code_challenge,omitempty"`
	Nonce       string        `json:"nonce,omitempty"`
	ACR         string        `json:"acr,omitempty"`
	AMR         []string      `json:"amr,omitempty"`
	AuthTime    int64         `json:"auth_time,omitempty"` // Unix seconds
	Claims      claimsRequest `json:"claims,omitzero"`
}

func (d *details) encode() ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode grant: %w", err)
	}
	return text, nil
}

// loaded is a grant as read, with its details decoded. Nobody changes it.
type loaded struct {
	grant   *Grant
	person  *idp.Person
	asOf    time.Time // when both were read
	details details
	scopes  []string
}

func load(g *Grant, person *idp.Person, asOf time.Time) (*loaded, error) {
	l := &loaded{grant: g, person: person, asOf: asOf, scopes: words(g.Scopes)}
	if len(g.Request) > 0 {
		if err := json.Unmarshal(g.Request, &l.details); err != nil {
			return nil, fmt.Errorf("decode grant: %w", err)
		}
	}
	return l, nil
}

// use makes l the grant at hand.
func (w *work) use(l *loaded) {
	w.grant, w.person, w.asOf, w.details, w.scopes = l.grant, l.person, l.asOf, l.details, l.scopes
}

// take makes g the grant at hand.
func (w *work) take(g *Grant, person *idp.Person) error {
	l, err := load(g, person, w.now)
	if err != nil {
		return err
	}
	w.use(l)
	return nil
}

// tokenAnswer is a successful answer of the token endpoint (RFC 6749 section
// 5.1, OpenID Connect Core 1.0 section 3.1.3.3).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}
