package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// Registry is a Backend that tells which names are somebody's in it.
type Registry interface {
	// Taken tells whether anybody or anything has the name there.
	Taken(ctx context.Context, name string) (bool, error)
	// Hold remembers which entry is the account's, so that it stays the account's
	// whatever it is called; idp.ErrNotFound: none is.
	Hold(ctx context.Context, account idp.Account) error
}

// registry is that of the directory the account is in, or would be in; nil: that
// is our own store, which knows its names.
func (g *Gate) registry(ctx context.Context, account idp.Account) (Registry, error) {
	backend, err := g.backend(ctx, account)
	if err != nil {
		return nil, err
	}
	r, _ := backend.(Registry)
	return r, nil
}

// claimers is how many names are claimed at once: they share commits.
const claimers = 128

// DrawSingleNames claims n names that nobody ever had here.
func DrawSingleNames(ctx context.Context, used UsedNames, n int, now time.Time) ([]string, error) {
	names, errs := make([]string, n), make([]error, claimers)
	var all sync.WaitGroup
	for w := range min(claimers, n) {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += claimers {
				names[i], errs[w] = drawOne(ctx, used, nil, now)
			}
		})
	}
	all.Wait()
	return names, errors.Join(errs...)
}

// drawOne claims a name that nobody ever had here, nor has in the directory. One
// that is taken there stays claimed: it is never drawn again.
func drawOne(ctx context.Context, used UsedNames, there Registry, now time.Time) (string, error) {
	for range 1000 {
		name := SingleName()
		free, err := used.ClaimName(ctx, name, now)
		if err != nil {
			return "", fmt.Errorf("claim a name: %w", err)
		}
		if free && there != nil {
			taken, err := there.Taken(ctx, name)
			if err != nil {
				return "", fmt.Errorf("ask the directory for a name: %w", err)
			}
			free = !taken
		}
		if free {
			return name, nil
		}
	}
	return "", fmt.Errorf("no name is left among a thousand drawn")
}

// redraw gives the account of an effect another name.
func (t *Teller) redraw(ctx context.Context, lease string, e Effect) error {
	account, err := t.Gate.Accounts.Account(ctx, e.Account)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	there, err := t.Gate.registry(ctx, *account)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	name, err := drawOne(ctx, t.Effects, there, t.Now())
	if err != nil {
		return err
	}
	return t.Effects.EffectRedrawn(ctx, e.ID, lease, name, t.Now())
}
