package cardreader

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Issued is a challenge that was given to a browser, as it is kept: enough to
// rebuild its exact bytes.
type Issued struct {
	Key        []byte // what it belongs to: a hash of the flow or session; one open challenge for each
	Browser    []byte // SHA-256 of the flow cookie
	Purpose    string
	Client     string
	ClientName string
	PersonID   string // binding: whom the card will be bound to
	Nonce      []byte // 32 random bytes
	IssuedAt   time.Time
	EndsAt     time.Time
}

// Challenges keeps open challenges and bound cards.
type Challenges interface {
	// CreateChallenge saves i in the place of an older one of the same key.
	CreateChallenge(ctx context.Context, i *Issued) error
	// UseChallenge takes the challenge by one conditional statement: of that
	// key and browser, not past its end at now; idp.ErrUsed otherwise.
	UseChallenge(ctx context.Context, key, browser []byte, now time.Time) (*Issued, error)
	// CardByHolder finds the bound card of a holder, with its person;
	// idp.ErrNotFound.
	CardByHolder(ctx context.Context, issuerKeyID, subjectSerial string) (*idp.Card, *idp.Person, error)
	// BindCard binds by one insert: idp.ErrConflict if that holder is bound to
	// another person, or the person has another card bound. Binding the same
	// holder to the same person again updates the certificate.
	BindCard(ctx context.Context, c *idp.Card, events ...idp.Event) error
	// CardsOf lists the cards bound to a person.
	CardsOf(ctx context.Context, personID string) ([]idp.Card, error)
	// BoundCards lists bound cards in the order of their IDs, after that one.
	BoundCards(ctx context.Context, after string, limit int) ([]idp.Card, error)
	// UnbindCard ends a binding and the sessions that card opened;
	// idp.ErrNotFound if it is not bound.
	UnbindCard(ctx context.Context, cardID string, at time.Time, events ...idp.Event) error
}
