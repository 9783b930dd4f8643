package directory

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Record is a person as imported, with what Person does not show.
type Record struct {
	Person         idp.Person
	Accounts       []idp.Account
	NationalID     []byte // sealed, with the person's ID as context
	NationalIDHash []byte // keyed hash, unique
	PasswordHash   string // argon2id in PHC form; empty for none
}

// Holder is who holds a name, as it is when a try begins.
type Holder struct {
	Phase    policy.Phase
	PersonID string
	Agency   string     // the person's
	Names    []HeldName // all of the person's, in their order
}

// HeldName is an account with what the phase asks of its name.
type HeldName struct {
	Account idp.Account
	Facts   policy.NameFacts
}

// name finds one of the names; nil if it is none.
func (h *Holder) name(name string) *HeldName {
	for i := range h.Names {
		if h.Names[i].Account.Name == name {
			return &h.Names[i]
		}
	}
	return nil
}

// Accounts keeps people and the names they log in by.
type Accounts interface {
	// Account finds a normalised name; idp.ErrNotFound.
	Account(ctx context.Context, name string) (*idp.Account, error)
	// Holder finds who holds a normalised name, and what a try asks of them before the
	// look at their password, by one look; idp.ErrNotFound. Without a PersonID it knows
	// of that name only.
	Holder(ctx context.Context, name string) (*Holder, error)
	// AccountsOf lists a person's names.
	AccountsOf(ctx context.Context, personID string) ([]idp.Account, error)
	// Person finds a person by ID; idp.ErrNotFound.
	Person(ctx context.Context, id string) (*idp.Person, error)
	// PasswordHash returns the person's argon2id hash in PHC form, empty for none.
	PasswordHash(ctx context.Context, personID string) (string, error)
	// PutPerson inserts the person or updates the one of that ID, with accounts
	// and events, in one transaction; idp.ErrConflict if an account name or the
	// national ID is another person's. An empty PasswordHash keeps the old one.
	PutPerson(ctx context.Context, r Record, events ...idp.Event) error
	// SetState enables or disables a person by hand: it stays so whatever feeds say,
	// and the directories of the person's accounts are told. The first event's actor
	// is who did it.
	SetState(ctx context.Context, personID string, state idp.PersonState, at time.Time, events ...idp.Event) error
	// MayUnlock tells ErrNoRole of an actor who is an administrator and whose role
	// does not reach the person: before directories are asked to open their locks.
	MayUnlock(ctx context.Context, actor, personID string) error
}

// Try asks to look at one password.
type Try struct {
	NameKey   string // the spelling's counter: decides what page is shown
	PersonKey string // the person's counter: decides whether we look
	Spelling  string // how the name was typed, as a keyed hash; empty: does not matter
	At        time.Time
	Rules     policy.Lockout
}

// Reservation is a try that was counted before its password was looked at.
type Reservation struct {
	Try
	NameLockedUntil   time.Time // the spelling was locked already: not counted, not looked at
	NameLockedBy      string    // the spelling of the try that locked it; empty: shown to any
	PersonLockedUntil time.Time // the person was locked already: not looked at
	LocksName         bool      // this very try set the spelling's lock
	LocksPerson       bool      // this very try set the person's lock
	AlsoClears        []string  // the counters of other names with the same password: a success clears them too
}

// May tells whether the password may be looked at.
func (r *Reservation) May() bool {
	return r.NameLockedUntil.IsZero() && r.PersonLockedUntil.IsZero()
}

// Tries counts failures. Every change is one conditional statement for each
// counter, both counters in one transaction, in an order that can't deadlock.
//
// A counter remembers the times of its last failures; it locks when
// Rules.MaxFailures of them lie within Rules.Window, for Rules.Duration from the
// last; tries while locked change nothing.
type Tries interface {
	// Reserve counts the try in both counters as if it had failed. A name that
	// is locked changes nothing at all; a person that is locked is left alone
	// while the name's counter goes on counting.
	Reserve(ctx context.Context, t Try) (*Reservation, error)
	// Succeed clears both counters, and those of AlsoClears, unless another try locked one of the two in
	// the meantime: idp.ErrConflict, and the success must not be shown.
	Succeed(ctx context.Context, r *Reservation, events ...idp.Event) error
	// GiveBack takes the reservation back: the directory certainly did not look.
	GiveBack(ctx context.Context, r *Reservation) error
	// Unlock clears counters, with the events that say who and why; ErrNoRole of an
	// administrator whose role does not reach the person, in the same transaction.
	Unlock(ctx context.Context, keys []string, events ...idp.Event) error
	// LockedUntil returns the end of a counter's lock, zero if it has none, and
	// its failures within the window that ends at now.
	LockedUntil(ctx context.Context, key string, now time.Time, rules policy.Lockout) (until time.Time, failures int, err error)
	// LockedBy returns the spelling of the try that a name's counter counted last:
	// of a locked one, the try that locked it.
	LockedBy(ctx context.Context, key string) (spelling string, err error)
	// NoteSource remembers that the source failed on the name.
	NoteSource(ctx context.Context, source, nameKey string, at time.Time) error
	// SourceNames counts the distinct names the source failed on since then,
	// counting no further than limit.
	SourceNames(ctx context.Context, source string, since time.Time, limit int) (int, error)
}
