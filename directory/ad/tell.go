package ad

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// MakeAccount implements directory.Writer: an enabled account with a password
// that nobody knows. An entry of that name with our mark is one that we made
// before the answer was lost; any other is somebody else's.
func (d *Directory) MakeAccount(ctx context.Context, account idp.Account, displayName string) error {
	known, err := d.known(ctx, account)
	if err != nil || known != "" {
		return err
	}
	e, err := d.Create(ctx, NewAccount{Name: account.Name, DisplayName: displayName, Description: mark(account)})
	if errors.Is(err, idp.ErrConflict) {
		found, findErr := d.Find(ctx, account.Name)
		if findErr == nil && found.Description == mark(account) && !found.Service {
			e, err = found, nil
		}
	}
	if err != nil {
		return err
	}
	return d.remember(ctx, account, e, "")
}

// mark tells an entry that we made for this account from any other. It says
// nothing of the person.
func mark(account idp.Account) string {
	sum := sha256.Sum256([]byte("account made for a person\x00" + account.PersonID + "\x00" + account.Name))
	return "made by the identity provider " + hex.EncodeToString(sum[:12])
}

// Taken implements directory.Registry: anywhere in the domain, and whatever has it.
func (d *Directory) Taken(ctx context.Context, name string) (bool, error) {
	base, filter := d.o.Base, d.byName(name)
	if !d.o.Plain {
		if domain := d.domain(); domain != "" {
			base = domain
		}
		filter = "(|" + filter + "(cn=" + ldap.EscapeFilter(name) + ")"
		if d.o.Suffix != "" {
			filter += "(userPrincipalName=" + ldap.EscapeFilter(name+"@"+d.o.Suffix) + ")"
		}
		filter += ")"
	}
	taken := false
	err := d.do(ctx, true, func(c *conn) error {
		r, err := c.ldap.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 1, int(d.o.Answer.Seconds())+1, false,
			filter, []string{"1.1"}, nil))
		if isCode(err, ldap.LDAPResultSizeLimitExceeded) {
			taken = true
			return nil
		}
		taken = err == nil && len(r.Entries) > 0
		return err
	})
	return taken, err
}

// Hold implements directory.Registry.
func (d *Directory) Hold(ctx context.Context, account idp.Account) error {
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
	err = d.remember(ctx, account, e, known)
	if errors.Is(err, directory.ErrDisabled) {
		return fmt.Errorf("the entry of the account %s is another person's: %w", account.Name, idp.ErrNotFound)
	}
	return err
}

// RenameAccount implements directory.Writer.
func (d *Directory) RenameAccount(ctx context.Context, account idp.Account, former string) error {
	e, err := d.mine(ctx, account, former)
	if err != nil {
		return err
	}
	known, err := d.known(ctx, account)
	if err != nil {
		return err
	}
	// First: if the answer is lost, neither name may find it.
	if err := d.remember(ctx, account, e, known); err != nil {
		return err
	}
	_, err = d.Rename(ctx, e.ID, account.Name)
	return err
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

// mine finds the account's entry by its identity, else by its name: of a rename by
// the one before, since the new one may be somebody else's.
func (d *Directory) mine(ctx context.Context, account idp.Account, former ...string) (*Entry, error) {
	known, err := d.known(ctx, account)
	switch {
	case err != nil:
		return nil, err
	case known != "":
		return d.Get(ctx, known)
	case account.Given:
		return nil, idp.ErrNotFound
	case len(former) > 0:
		return d.Find(ctx, former[0])
	}
	return d.Find(ctx, account.Name)
}
