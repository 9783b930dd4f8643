package ad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// setTime bounds a change of a password, all in all.
const setTime = 10 * time.Second

// ChangeOf implements directory.Setter.
func (d *Directory) ChangeOf(ctx context.Context, account idp.Account, old, password string) error {
	return d.setAs(ctx, account, func(ctx context.Context, e *Entry) error {
		if !d.o.Plain && e.MustChange {
			// The gate has seen the old one, and a change by the owner may be
			// refused in this state.
			return d.SetPassword(ctx, e.ID, password, false)
		}
		return d.ChangePassword(ctx, e.ID, old, password)
	})
}

// SetOf implements directory.Setter.
func (d *Directory) SetOf(ctx context.Context, account idp.Account, password string, mustChange bool) error {
	return d.setAs(ctx, account, func(ctx context.Context, e *Entry) error {
		return d.SetPassword(ctx, e.ID, password, mustChange)
	})
}

// setAs finds the one entry that is the account's, as for a login.
func (d *Directory) setAs(ctx context.Context, account idp.Account, set func(context.Context, *Entry) error) error {
	ctx, cancel := context.WithTimeout(ctx, setTime)
	defer cancel()
	known, err := d.known(ctx, account)
	if err != nil {
		return err
	}
	e, _, err := d.who(ctx, account, known)
	if errors.Is(err, directory.ErrWrong) {
		return fmt.Errorf("no entry of the account %s: %w", account.Name, idp.ErrNotFound)
	}
	if err != nil {
		return err
	}
	err = set(ctx, e)
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w: %w", directory.ErrRules, err)
	}
	return err
}

var _ directory.Setter = (*Directory)(nil)

// Mailboxes is a mail system that keeps its accounts in an LDAP directory: a
// directory.Mailbox. It is given the password, since the directory hashes it.
type Mailboxes struct {
	Of        string
	Directory *Directory
	Agencies  []string // codes; none: all
}

// Name implements directory.Mailbox.
func (m *Mailboxes) Name() string { return m.Of }

// TakesHash implements directory.Mailbox.
func (m *Mailboxes) TakesHash() bool { return false }

// Takes implements directory.Mailbox.
func (m *Mailboxes) Takes(agency string) bool {
	return len(m.Agencies) == 0 || slices.Contains(m.Agencies, agency)
}

// Deliver implements directory.Mailbox: to the entry that would be looked at for a
// login, if it is no other person's. One that is not there may be made yet:
// idp.ErrNotFound.
func (m *Mailboxes) Deliver(ctx context.Context, account idp.Account, password string) error {
	err := m.Directory.Hold(ctx, account)
	if err == nil {
		err = m.Directory.setAs(ctx, account, func(ctx context.Context, e *Entry) error {
			return m.Directory.SetPassword(ctx, e.ID, password, false)
		})
	}
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w: %w", directory.ErrUndeliverable, err)
	}
	return err
}
