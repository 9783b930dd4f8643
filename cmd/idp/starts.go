package main

import (
	"context"
	"fmt"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/server"
	"taipeion.internal/idp/store"
)

// boundedStarts is the store, with a bound on the logins that one source may
// begin.
type boundedStarts struct {
	*store.Store
	budget *server.Budget
}

// CreateFlow gives idp.ErrOverloaded to a source that has had its share.
func (b boundedStarts) CreateFlow(ctx context.Context, f *idp.Flow) error {
	if err := b.budget.Take(idp.OriginFrom(ctx)); err != nil {
		return fmt.Errorf("begin a login: %w", err)
	}
	return b.Store.CreateFlow(ctx, f)
}
