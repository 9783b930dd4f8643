package outbox

import (
	"context"
	"time"
)

// Store keeps messages from the commit that wants them until they are done.
type Store interface {
	// TakeMessages leases up to limit messages that are due at now, oldest first:
	// nobody else gets them before until. Each take counts as a try.
	TakeMessages(ctx context.Context, lease string, now, until time.Time, limit int) ([]Message, error)
	// MessageDone forgets a message, if the lease is still ours; idp.ErrConflict
	// otherwise.
	MessageDone(ctx context.Context, id, lease string) error
	// MessageLater gives a message back, due at that time, if the lease is still
	// ours; idp.ErrConflict otherwise.
	MessageLater(ctx context.Context, id, lease string, due time.Time) error
	// MessageGivenUp keeps a message that nobody tries any more, for an operator,
	// if the lease is still ours; idp.ErrConflict otherwise.
	MessageGivenUp(ctx context.Context, id, lease string, at time.Time) error
}
