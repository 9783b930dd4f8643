package directory

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Intent is a password that is being set in a directory elsewhere. It is kept
// before the directory is asked, so that a node that ends between the directory's
// change and our own leaves what is needed to finish it.
type Intent struct {
	ID       string
	PersonID string
	Account  string      // whose password it is
	New      NewPassword // what is kept once the directory has it
	Event    idp.Event   // what is then on record
	Secret   []byte      // the password, sealed: to ask the directory whether it has it
	MadeAt   time.Time
	DueAt    time.Time // until then whoever began it is at it
	EndsAt   time.Time // when the secret is wiped at the latest
	Tries    int
	Lease    string // who is at it; empty: who began it
	Fault    string // what the last look said
}

// PasswordIntents keeps what was begun: for each person one change at a time.
type PasswordIntents interface {
	// BeginPassword keeps an intent; idp.ErrConflict while the person has one that
	// is not finished, idp.ErrUsed if somebody knows the password of New.First, ErrNoRole
	// or ErrOperator of who resets it. NewPassword.Intent of SetPassword ends it.
	BeginPassword(ctx context.Context, i Intent) error
	// TakeIntents leases up to limit intents that are due at now, of that person or,
	// if it is empty, of all: nobody else gets them before until. Each take counts
	// as a try.
	TakeIntents(ctx context.Context, personID, lease string, now, until time.Time, limit int) ([]Intent, error)
	// IntentLater gives one back, due then; idp.ErrConflict if the lease is not
	// ours any more, as the others.
	IntentLater(ctx context.Context, id, lease string, due time.Time, fault string) error
	// DropIntent forgets one that changed nothing. Whoever began it knows that, and
	// forgets an administrator's reset too; nobody else does.
	DropIntent(ctx context.Context, id, lease string, events ...idp.Event) error
	// GiveUpIntent forgets one of which nobody could say whether it changed
	// anything, and ends all sessions and tokens of its person.
	GiveUpIntent(ctx context.Context, id, lease string, at time.Time, events ...idp.Event) error
}

// The times of intents. The lease is longer than setting a password, asking for
// it and keeping it may take together.
const (
	intentLife  = 24 * time.Hour
	intentLease = time.Minute
	intentSet   = 15 * time.Second // less than what is left of the lease: then it is kept
	intentAgain = time.Minute      // between two looks that find another password
	intentBatch = 16
	intentEvery = 2 * time.Second
)

// faultWrong says that the directory had another password.
const faultWrong = "wrong"

func intentContext(i *Intent) string { return "password-intent/" + i.PersonID + "/" + i.ID }
