package ad

import (
	"context"
	"errors"

	idp "taipeion.internal/idp"
)

// MakeAccount implements directory.Writer: an enabled account with a password
// that nobody knows. Names are drawn once for ever, so that an entry of that name
// and person is one that we made before the answer was lost.
func (d *Directory) MakeAccount(ctx context.Context, account idp.Account, displayName string) error {
	known, err := d.known(ctx, account)
	if err != nil || known != "" {
		return err
	}
	e, err := d.Create(ctx, NewAccount{Name: account.Name, DisplayName: displayName})
	if errors.Is(err, idp.ErrConflict) {
		found, findErr := d.Find(ctx, account.Name)
		if findErr == nil && found.DisplayName == displayName && !found.Service {
			e, err = found, nil
		}
	}
	if err != nil {
		return err
	}
	return d.remember(ctx, account, e, "")
}

// RenameAccount implements directory.Writer.
func (d *Directory) RenameAccount(ctx context.Context, account idp.Account, former string) error {
	e, err := d.mine(ctx, account, former)
	if err != nil {
		return err
	}
	if e, err = d.Rename(ctx, e.ID, account.Name); err != nil {
		return err
	}
	known, err := d.known(ctx, account)
	if err != nil {
		return err
	}
	return d.remember(ctx, account, e, known)
}

// SwitchAccount implements directory.Writer. Closing what is not there is done.
func (d *Directory) SwitchAccount(ctx context.Context, account idp.Account, open bool) error {
	e, err := d.mine(ctx, account)
	switch {
	case errors.Is(err, idp.ErrNotFound) && !open:
		return nil
	case err != nil:
		return err
	case e.Service:
		return idp.ErrConflict
	case open:
		return d.Enable(ctx, e.ID)
	}
	return d.Disable(ctx, e.ID)
}

// Closed implements directory.Writer.
func (d *Directory) Closed(ctx context.Context, account idp.Account) (bool, error) {
	e, err := d.mine(ctx, account)
	if err != nil {
		return false, err
	}
	if e.Service {
		return false, idp.ErrConflict
	}
	return e.Disabled, nil
}

// mine finds the account's entry by its identity, else by its name or a former
// one.
func (d *Directory) mine(ctx context.Context, account idp.Account, former ...string) (*Entry, error) {
	known, err := d.known(ctx, account)
	if err != nil {
		return nil, err
	}
	if known != "" {
		return d.Get(ctx, known)
	}
	for _, name := range append(former, account.Name) {
		e, err := d.Find(ctx, name)
		if !errors.Is(err, idp.ErrNotFound) {
			return e, err
		}
	}
	return nil, idp.ErrNotFound
}
