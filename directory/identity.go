package directory

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Identities remembers which entry of which directory is whose: a name that is
// given to another entry later opens nothing.
type Identities interface {
	// Identity returns the identity of the account's entry; idp.ErrNotFound.
	Identity(ctx context.Context, directory, account string) (string, error)
	// KeepIdentity remembers it, under the person's newest name for it;
	// idp.ErrConflict if the entry is another person's, or the account has
	// another entry.
	KeepIdentity(ctx context.Context, directory string, account idp.Account, identity string, at time.Time) error
	// ForgetIdentity forgets the account's entries, and in whose directory it is, on
	// record: an administrator says that the one of its name in the directory of
	// its person's agency is meant from now on; idp.ErrNotFound.
	ForgetIdentity(ctx context.Context, account string, events ...idp.Event) error
}
