package session

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Approval is a login that a phone approved.
type Approval struct {
	Flow, Browser []byte // SHA-256 of the flow's handle and of the browser's cookie
	PersonID      string // whose phone
	Known         []byte // the browser is noted as used by that person; nil: it is not
}

// Store keeps sessions. Tokens are known by their SHA-256 only.
type Store interface {
	// CreateSession inserts s under tokenHash and, in the same transaction, ends
	// the session known by replaces (nil: none), and keeps the events. A card in
	// the evidence is still bound, or idp.Denied{ReasonCardUnusable}: the end of a
	// binding finds the session or comes before it. A password in the evidence was
	// looked at after it was last changed, or idp.Denied{ReasonWrong}, likewise.
	CreateSession(ctx context.Context, s *idp.Session, tokenHash, replaces []byte, events ...idp.Event) error
	// Session returns a session that has not been ended, with its person as
	// they are now; idp.ErrNotFound otherwise. Limits are the caller's to check.
	Session(ctx context.Context, tokenHash []byte) (*idp.Session, *idp.Person, error)
	// TouchSession notes the last use.
	TouchSession(ctx context.Context, id string, seenAt time.Time) error
	// RenewSession replaces token and evidence by one conditional statement:
	// idp.ErrConflict if oldHash is not the live token any more. As to cards it
	// is like CreateSession.
	RenewSession(ctx context.Context, oldHash, newHash []byte, evidence []idp.Evidence, now time.Time, events ...idp.Event) error
	// CreateByPhone and RenewByPhone are the same for a login that a phone approved:
	// the approval is used up in the same transaction; idp.ErrUsed if it is gone,
	// or its phone may not be used any more.
	CreateByPhone(ctx context.Context, s *idp.Session, tokenHash, replaces []byte, a Approval, events ...idp.Event) error
	RenewByPhone(ctx context.Context, oldHash, newHash []byte, evidence []idp.Evidence, now time.Time, a Approval, events ...idp.Event) error
	// EndSession ends the session and every grant of it without the scope
	// offline_access, in one transaction, and returns the client IDs that had
	// grants in it. Ending it again is no error.
	EndSession(ctx context.Context, id string, at time.Time, events ...idp.Event) (clients []string, err error)
	// PersonSessions lists the sessions of a person that have not been ended
	// and whose absolute end is after now, newest first.
	PersonSessions(ctx context.Context, personID string, now time.Time) ([]idp.Session, error)
}
