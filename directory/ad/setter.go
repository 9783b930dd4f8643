package ad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

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
	_, err := d.SetMarked(ctx, account, password, mustChange)
	return err
}

var _ directory.Marker = (*Directory)(nil)

// SetMarked implements directory.Marker.
func (d *Directory) SetMarked(ctx context.Context, account idp.Account, password string, mustChange bool) (at time.Time, err error) {
	err = d.setAs(ctx, account, func(ctx context.Context, e *Entry) (err error) {
		at, err = d.setPassword(ctx, e.ID, password, mustChange)
		return err
	})
	return at, err
}

// ChangedSince implements directory.Marker. Of a password that has to be changed,
// Active Directory shows no time; a controller that has not heard of the mark's
// shows one of before.
func (d *Directory) ChangedSince(ctx context.Context, account idp.Account, mark time.Time) (bool, error) {
	e, err := d.mine(ctx, account)
	if err != nil {
		return false, err
	}
	return !mark.IsZero() && !e.MustChange && e.PasswordAt.After(mark), nil
}

// setAt reads when a password was set that this server has just taken; zero if it does
// not tell. Active Directory shows no time of a password that has to be changed, so it
// is the time of the entry's last change there: this one. It has whole seconds, and
// what was set earlier in this one is not after it.
func (d *Directory) setAt(c *conn, dn string) time.Time {
	attribute := "whenChanged"
	if d.o.Plain {
		attribute = "pwdChangedTime"
	}
	r, err := c.ldap.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil || len(r.Entries) != 1 {
		return time.Time{}
	}
	at := stamp(r.Entries[0], attribute)
	if !d.o.Plain && !at.IsZero() {
		at = at.Truncate(time.Second).Add(time.Second)
	}
	return at
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
