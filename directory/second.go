package directory

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
)

// ErrSecond says that an administrator changed the person's name, national ID or
// password, and that a second one has to look before a card is bound.
var ErrSecond = errors.New("a second administrator has to approve")

// What an administrator changed.
const (
	ChangedName       = "name"
	ChangedNationalID = "national_id"
	ChangedPassword   = "password"
)

// AdminChange is one that an administrator made.
type AdminChange struct {
	What  string
	Actor string // who made it: an operator, or "person:" and an ID
	Name  string // of that person, if it was one
	// The operating-system account that typed it, and the ID of the administrator
	// whom that stands for; empty: it was made on a page, or nobody is known.
	Operator, Stands string
	At               time.Time
}

// WaitingCard is a card that was read and confirmed by its holder, and waits for
// a second administrator.
type WaitingCard struct {
	ID        string
	Person    idp.Person
	Card      idp.Card
	AskedAt   time.Time
	EndsAt    time.Time
	State     WaitingState
	DecidedAt time.Time
	Reason    string // of the decision
	Changes   []AdminChange
}

// WaitingState says what became of a waiting card.
type WaitingState string

// The states.
const (
	WaitingOpen     WaitingState = "waiting"
	WaitingApproved WaitingState = "approved"
	WaitingRefused  WaitingState = "refused"
	WaitingReplaced WaitingState = "replaced" // asked for again
)

// Decision is what an administrator says to a waiting card.
type Decision struct {
	ID       string
	PersonID string // the administrator, whose role must reach the card's person
	Operator string // the operating-system account that typed it; empty on a page
	Reason   string
	At       time.Time
}

// DecisionFault says why a decision does not count; its values are keys of the
// words.
type DecisionFault string

// The faults.
const (
	DecisionSelf    DecisionFault = "self"    // made a change that the card waits for, or is its person
	DecisionChanged DecisionFault = "changed" // an administrator changed something since it was asked for, or the person is another now
	DecisionOver    DecisionFault = "over"    // decided, replaced, or past its end
	// The operating-system account that typed it has acted for another administrator.
	DecisionOperator DecisionFault = "operator"
	DecisionTaken    DecisionFault = "taken" // the card is another person's meanwhile, or the person has one
)

func (f DecisionFault) Error() string { return "not decided: " + string(f) }

// Seconds keeps cards that wait for a second administrator.
type Seconds interface {
	// WaitingOf returns the person's newest; idp.ErrNotFound.
	WaitingOf(ctx context.Context, personID string) (*WaitingCard, error)
	// WaitingFor lists those that wait at now, oldest first, of the people whom the
	// administrator's roles reach.
	WaitingFor(ctx context.Context, administrator string, now time.Time) ([]WaitingCard, error)
	// ApproveCard binds the card, by one conditional statement: the first decision
	// counts, of an administrator whose role reaches the person at that moment, who
	// is not the person and made none of the changes, nor typed one nor has now typed
	// the other's, while nothing was changed since. A DecisionFault, or
	// idp.ErrNotFound for a card out of reach.
	ApproveCard(ctx context.Context, d Decision, events ...idp.Event) (personID string, err error)
	// RefuseCard ends the waiting; whoever made a change may, too.
	RefuseCard(ctx context.Context, d Decision, events ...idp.Event) (personID string, err error)
}

// Hand is who makes a change of somebody else.
type Hand struct {
	Actor    string // "person:" and the ID of an administrator, whose role is asked again; or who else it is
	Operator string // the operating-system account that typed it for them; empty on a page
}

// ErrNoRole says that the administrator in whose name a change is made has no
// role, at the moment of the change, that reaches its person.
var ErrNoRole = errors.New("no role that reaches this person")

// ErrOperator says that the operating-system account has acted for another
// administrator: it stands for one.
var ErrOperator = errors.New("this operating-system account acts for another administrator")

// ActorOf is how a person stands in records of what they did to others.
func ActorOf(personID string) string { return "person:" + personID }
