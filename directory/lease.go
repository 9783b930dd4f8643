package directory

import (
	"context"
	"time"
)

// Leases sees to it that one node of many does a thing.
type Leases interface {
	// TakeLease takes or renews a lease; false while it is another's.
	TakeLease(ctx context.Context, name, holder string, now, until time.Time) (bool, error)
	// DropLease gives it back, if it is the holder's.
	DropLease(ctx context.Context, name, holder string) error
	// LeaseHolder says who has it; empty for nobody.
	LeaseHolder(ctx context.Context, name string, now time.Time) (string, error)
}
