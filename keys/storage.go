package keys

import (
	"context"
	"time"
)

// State is where a signing key stands in its life.
type State string

// The states: the next key is published before it signs, a retired one stays
// published until its last token has ended.
const (
	StateNext    State = "next"
	StateActive  State = "active"
	StateRetired State = "retired"
)

// Record is a signing key as it is kept: the private part sealed.
type Record struct {
	KID       string // RFC 7638 thumbprint
	Use       string // "token" or "challenge"
	Algorithm string // RS256, PS256, ES256, EdDSA
	Number    int64  // 1, 2, ... for each (Use, Algorithm), unique
	State     State
	Sealed    []byte // PKCS#8, sealed with KID as context
	Public    []byte // PKIX DER
	CreatedAt time.Time
	EndsAt    time.Time // retired: when it is no longer published; zero otherwise
}

// Store keeps signing keys.
type Store interface {
	// SigningKeys returns all records that are not past their end at now.
	SigningKeys(ctx context.Context, now time.Time) ([]Record, error)
	// AddSigningKey inserts r; idp.ErrConflict if another node made that number
	// first.
	AddSigningKey(ctx context.Context, r Record) error
	// Rotate makes, in one transaction and only if active and next are what
	// they were, the active key retired until endsAt, the next key active, and
	// inserts a new next key; idp.ErrConflict otherwise. An empty endsAt equal to
	// the transaction's time removes the old key at once.
	Rotate(ctx context.Context, activeKID, nextKID string, endsAt time.Time, next Record) error
}
