package portal

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Pending is a card that was read and verified and waits for its holder to
// confirm the binding.
type Pending struct {
	Key       []byte // SHA-256 of the value in the form
	SessionID string
	Card      idp.Card
	Details   []byte // JSON: what the confirmation page showed
	EndsAt    time.Time
}

// Store keeps what the first page and the binding wizard need.
type Store interface {
	// SavePending keeps p in the place of an older one of the same session.
	SavePending(ctx context.Context, p *Pending) error
	// TakePending takes it by one conditional statement: same session, not past
	// its end at now; idp.ErrUsed otherwise.
	TakePending(ctx context.Context, key []byte, sessionID string, now time.Time) (*Pending, error)
	// Clients lists the relying systems, without disabled ones.
	Clients(ctx context.Context) ([]idp.Client, error)
	// CreateFlow saves a login for one of our own pages.
	CreateFlow(ctx context.Context, f *idp.Flow) error
	// CardsOf lists the cards bound to a person.
	CardsOf(ctx context.Context, personID string) ([]idp.Card, error)
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}
