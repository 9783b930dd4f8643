package session

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Store keeps sessions. Tokens are known by their SHA-256 only.
type Store interface {
	// CreateSession inserts s under tokenHash and, in the same transaction, ends
	// the session known by replaces (nil: none), and keeps the events.
	CreateSession(ctx context.Context, s *idp.Session, tokenHash, replaces []byte, events ...idp.Event) error
	// Session returns a session that has not been ended, with its person as
	// they are now; idp.ErrNotFound otherwise. Limits are the caller's to check.
	Session(ctx context.Context, tokenHash []byte) (*idp.Session, *idp.Person, error)
	// TouchSession notes the last use.
	TouchSession(ctx context.Context, id string, seenAt time.Time) error
	// RenewSession replaces token and evidence by one conditional statement:
	// idp.ErrConflict if oldHash is not the live token any more.
	RenewSession(ctx context.Context, oldHash, newHash []byte, evidence []idp.Evidence, now time.Time, events ...idp.Event) error
	// EndSession ends the session and every grant of it without the scope
	// offline_access, in one transaction, and returns the client IDs that had
	// grants in it. Ending it again is no error.
	EndSession(ctx context.Context, id string, at time.Time, events ...idp.Event) (clients []string, err error)
	// PersonSessions lists the sessions of a person that have not been ended
	// and whose absolute end is after now, newest first.
	PersonSessions(ctx context.Context, personID string, now time.Time) ([]idp.Session, error)
}
