package directory

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
)

// PasswordStanding is what is known of a person's password.
type PasswordStanding struct {
	ChangedAt  time.Time // zero: never by us
	MustChange bool
	EndsAt     time.Time // a start password's end; zero: none
	ResetAt    time.Time // when an administrator set it last; zero: never
	ToldAt     time.Time // when its directory had it, by the directory's clock; zero: it did not tell
	History    [][]byte  // sealed hashes, newest first
}

// NewPassword is a password that was set.
type NewPassword struct {
	PersonID   string
	Accounts   []string  // whose password it is now
	First      string    // the one of them whose password nobody knew; empty: whatever they were
	Hash       string    // argon2id, where it is looked at here; empty: elsewhere
	Sealed     []byte    // the same or another hash of it, sealed, for the history
	Former     []byte    // the one before, sealed, where the history does not hold it yet
	Keep       int       // how many the history holds
	MustChange bool      // it is a start password
	EndsAt     time.Time // of a start password
	Reset      bool      // an administrator did it
	Actor      string    // who that is; a first card binding then waits for another one
	Operator   string    // who typed it, as in Hand
	Session    string    // goes on; every other one ends
	Since      time.Time // ChangedAt when the change was decided on
	At         time.Time
	Deliveries []Delivery
	Letters    []outbox.Message `json:"-"` // that tell the person
	ToldAt     time.Time        `json:"-"` // when its directory had it, by the directory's clock
	Intent     string           `json:"-"` // ends with it; empty: none
	Lease      string           `json:"-"` // of the intent
	Anyway     bool             `json:"-"` // the directory has it, whoever is at the intent or has ended it
}

// DeliveryState says how far a delivery is.
type DeliveryState string

// The states of a delivery. All but the first hold no secret any more.
const (
	DeliveryWaiting  DeliveryState = "waiting"
	DeliveryDone     DeliveryState = "done"
	DeliveryReplaced DeliveryState = "replaced" // a newer password took its place
	DeliveryFailed   DeliveryState = "failed"   // refused for good, or too old
)

// Delivery is a password on its way to a mailbox.
type Delivery struct {
	ID       string
	PersonID string
	Target   string // the connector
	Account  string
	Secret   []byte // sealed: a hash where the connector takes one, else the password
	State    DeliveryState
	MadeAt   time.Time
	EndsAt   time.Time // when the secret is wiped at the latest
	Tries    int
	Fault    string // why the last try failed; never holds the secret
}

// PasswordKeeper keeps what Passwords needs.
type PasswordKeeper interface {
	// PasswordStanding returns the zero value for a person without one.
	PasswordStanding(ctx context.Context, personID string) (*PasswordStanding, error)
	// SetPassword keeps a new password, its history and its deliveries, ends
	// the person's other sessions and all their refresh tokens, and keeps the
	// events and letters, and ends the intent, in one transaction; idp.ErrConflict
	// if the password was changed after n.Since, idp.ErrUsed if somebody knows that of
	// n.First, or, but with n.Anyway, somebody else is at the intent or has ended it. Older deliveries to the same account are replaced; one that
	// is under way is waited for. ErrNoRole, ErrOperator of who resets one here; of
	// one elsewhere they are said when it begins.
	SetPassword(ctx context.Context, n NewPassword, events ...idp.Event) error
	// PasswordSettled forgets that a start password has to be changed, if nothing was
	// changed after since.
	PasswordSettled(ctx context.Context, personID string, since time.Time) error
	// PasswordKnown notes that somebody knows the account's password, so that no first
	// one is set any more, with the event if nobody did before.
	PasswordKnown(ctx context.Context, personID, account string, event idp.Event) error
	// TakeDeliveries leases up to limit deliveries that are due at now: nobody
	// else gets them before until. Each take counts as a try.
	TakeDeliveries(ctx context.Context, lease string, now, until time.Time, limit int) ([]Delivery, error)
	// SettleDelivery ends a delivery in that state and wipes its secret, or, if
	// the state is DeliveryWaiting, makes it due again then; idp.ErrConflict if
	// the lease is not ours any more.
	SettleDelivery(ctx context.Context, id, lease string, state DeliveryState, due time.Time, fault string) error
	// WipeDeliveries ends those past their end, and returns how many.
	WipeDeliveries(ctx context.Context, now time.Time) (int64, error)
	// DeliveriesOf lists a person's newest deliveries, without secrets.
	DeliveriesOf(ctx context.Context, personID string, limit int) ([]Delivery, error)
}
