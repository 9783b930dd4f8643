package oidc

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// GrantKind tells how a grant came about.
type GrantKind string

// The kinds.
const (
	GrantCode   GrantKind = "authorization_code"
	GrantClient GrantKind = "client_credentials"
)

// Grant is all that one authorization left behind: its code, its PKCE and
// OpenID Connect state, its current access token and its refresh family. One
// row, one insert and one update for a whole code flow.
//
// Secrets are not in it: the code and the access token by their SHA-256, the
// refresh token not at all (it is derived by HMAC from ID and Generation).
type Grant struct {
	ID            []byte // 16 bytes, the time and 80 random bits; in each of its secrets, too
	Kind          GrantKind
	ClientID      string
	PersonID      string // empty for client credentials
	SessionID     string // "sid"; empty for client credentials
	Scopes        string // granted, space separated
	Request       []byte // JSON, ours: redirect_uri, nonce, acr, amr, auth_time, claims, code_challenge ...
	CodeHash      []byte // nil for client credentials
	CodeEndsAt    time.Time
	CodeUsedAt    time.Time // zero until redeemed
	AccessHash    []byte    // of the current access token
	AccessEndsAt  time.Time
	Generation    int64     // of the refresh token; 0: none was issued
	RotatedAt     time.Time // when that generation was made
	RefreshEndsAt time.Time // idle end of the current refresh token
	EndsAt        time.Time // the absolute end of all of it
	RevokedAt     time.Time // zero while it lives
	CreatedAt     time.Time

	Uses *idp.Flow // the saved request that ends with it; nil: there was none
}

// Issue is what a redemption or a rotation adds to a grant.
type Issue struct {
	GrantID       []byte
	Generation    int64 // the new one
	AccessHash    []byte
	AccessEndsAt  time.Time
	RefreshEndsAt time.Time
	At            time.Time
	Events        []idp.Event
}

// Grants keeps grants. Reads return the person too (nil for client
// credentials) as they are now, in one round trip, so that a disabled person's
// tokens are dead at once; the caller looks at State, RevokedAt and the ends.
type Grants interface {
	// CreateGrant inserts the grant and its events in one transaction. In it the
	// flow that it uses is used up as by FinishFlow, at CreatedAt: idp.ErrUsed if
	// it can't be any more. With the scope offline_access: idp.ErrConflict if its
	// session has ended, or is not there; the end of a session finds the grant or
	// comes before it.
	CreateGrant(ctx context.Context, g *Grant, events ...idp.Event) error
	// GrantByID, GrantByCode and GrantByAccess give idp.ErrNotFound; the latter
	// two also if the grant has another code or access token than that of the hash.
	GrantByID(ctx context.Context, id []byte) (*Grant, *idp.Person, error)
	GrantByCode(ctx context.Context, id, codeHash []byte) (*Grant, *idp.Person, error)
	GrantByAccess(ctx context.Context, id, accessHash []byte) (*Grant, *idp.Person, error)
	// RedeemCode is one conditional statement: code unused, not past its end at
	// i.At, grant not revoked. Otherwise idp.ErrUsed and nothing changes.
	RedeemCode(ctx context.Context, i Issue) error
	// Rotate is one conditional statement: the grant's generation is
	// i.Generation-1, it is not revoked and neither end has passed at i.At.
	// Otherwise idp.ErrConflict and nothing changes.
	Rotate(ctx context.Context, i Issue) error
	// RevokeGrant ends the grant; doing it again is no error.
	RevokeGrant(ctx context.Context, id []byte, at time.Time, events ...idp.Event) error
}

// Requests keeps what an authorization request needs besides grants.
type Requests interface {
	// Client gives idp.ErrNotFound; a disabled client is returned as such.
	Client(ctx context.Context, id string) (*idp.Client, error)
	// UseAssertion takes the jti of a client assertion for its life: idp.ErrUsed
	// if that client used it before (RFC 7523 section 3, no. 7).
	UseAssertion(ctx context.Context, clientID, jti string, endsAt time.Time) error
	// CreateFlow saves a login under way.
	CreateFlow(ctx context.Context, f *idp.Flow) error
	// Flow gives idp.ErrNotFound for an unknown or finished one; the caller
	// checks browser and end.
	Flow(ctx context.Context, handle []byte) (*idp.Flow, error)
	// FlowAndSession is Flow with what there is of a session that was not ended, by
	// its token's hash, and its person; nil without one.
	FlowAndSession(ctx context.Context, handle, tokenHash []byte) (*idp.Flow, *idp.Session, *idp.Person, error)
	// FinishFlow uses the flow up by one conditional statement (same browser,
	// not past its end at now): idp.ErrUsed otherwise.
	FinishFlow(ctx context.Context, handle, browser []byte, now time.Time) error
	// Consent returns the scopes that the person allowed the client, nil for none.
	Consent(ctx context.Context, personID, clientID string) ([]string, error)
	// Record keeps events that belong to no other change.
	Record(ctx context.Context, events ...idp.Event) error
}
