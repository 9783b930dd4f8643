package main

import (
	"context"
	"fmt"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/server"
	"taipeion.internal/idp/store"
)

// boundedStarts is the store, with bounds on what one source can make it write:
// the logins that it begins, and refusals that repeat.
type boundedStarts struct {
	*store.Store
	record *repeats
	budget *server.Budget
}

// Record keeps events, of repeated refusals one in a while.
func (b boundedStarts) Record(ctx context.Context, events ...idp.Event) error {
	return b.record.Record(ctx, events...)
}

// CreateFlow gives idp.ErrOverloaded to a source that has had its share.
func (b boundedStarts) CreateFlow(ctx context.Context, f *idp.Flow) error {
	if err := b.budget.Take(idp.OriginFrom(ctx)); err != nil {
		return fmt.Errorf("begin a login: %w", err)
	}
	return b.Store.CreateFlow(ctx, f)
}
