package admin

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// Store finds what an administrator may see. Each look-up is given who asks, and
// answers about people of the agencies that their roles reach now, nobody else.
type Store interface {
	// RolesOf lists the roles of a person.
	RolesOf(ctx context.Context, personID string) (policy.Roles, error)
	// AgencyRates lists binding rates by agency: of that agency alone, or of those
	// whose name or code has the text in it; those without an account that can be
	// bound are left out.
	AgencyRates(ctx context.Context, administrator, agency, text string, skip, limit int) ([]directory.AgencyRate, error)
	// Missing lists an agency's accounts that can be bound and are not.
	Missing(ctx context.Context, administrator, agency string, skip, limit int) ([]directory.Candidate, error)
	// FindPeople finds people by a part of their name, or the beginning of an account.
	FindPeople(ctx context.Context, administrator, name, account string, limit int) ([]idp.Person, error)
	// PersonFor finds whose account it is; idp.ErrNotFound, also for a person out of
	// reach.
	PersonFor(ctx context.Context, administrator, account string) (*idp.Person, error)
	// CreateFlow saves a login for one of our own pages.
	CreateFlow(ctx context.Context, f *idp.Flow) error
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}

// People keeps what a person's page shows and undoes.
type People interface {
	// Phase is that of the migration.
	Phase(ctx context.Context) (policy.Phase, error)
	BindingsOf(ctx context.Context, personID string) ([]directory.Binding, error)
	// Whoever calls these is asked for their role again, in the transaction:
	// directory.ErrNoRole.

	// Unbind undoes the binding of a portal account; idp.ErrNotFound without one.
	// directory.ErrPortalOff: the portal is off, and the account is the person's own.
	Unbind(ctx context.Context, portal, actor, reason string, at time.Time, events ...idp.Event) error
	// CardsOf lists the cards bound to a person.
	CardsOf(ctx context.Context, personID string) ([]idp.Card, error)
	// UnbindCard ends a card's binding, and the sessions that it and its phones
	// opened; idp.ErrNotFound if it is not bound.
	UnbindCard(ctx context.Context, cardID string, at time.Time, events ...idp.Event) error
	// History lists a person's changes, newest first.
	History(ctx context.Context, personID string, limit int) ([]directory.Entry, error)
	// EventsOf lists what concerned a person, newest first.
	EventsOf(ctx context.Context, personID string, limit int) ([]idp.Event, error)
	// DeliveriesOf lists a person's newest mail deliveries, without secrets.
	DeliveriesOf(ctx context.Context, personID string, limit int) ([]directory.Delivery, error)
}
