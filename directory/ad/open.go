package ad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// openAtOnce is how many names are in one question.
const openAtOnce = 50

// asking asks a server one question.
type asking func(func(*conn) error) error

// Open returns those of the accounts that may log in now, as far as the
// directory tells without a password: they are there, fulfil the filter, are
// neither disabled nor expired nor a machine's or service's.
func (d *Directory) Open(ctx context.Context, accounts []idp.Account) ([]idp.Account, error) {
	return d.inState(ctx, d.anyServer(ctx), accounts, false)
}

// Shut implements directory.Shutter. Whose entry is not found is not known to be
// closed, nor is who does not fulfil the filter: a group's members may be on their way
// to this controller. An entry that is remembered is closed whatever the filter says.
func (d *Directory) Shut(ctx context.Context, accounts []idp.Account) ([]idp.Account, error) {
	return d.inState(ctx, d.anyServer(ctx), accounts, true)
}

func (d *Directory) anyServer(ctx context.Context) asking {
	return func(f func(*conn) error) error { return d.do(ctx, true, f) }
}

var _ directory.Thorough = (*Directory)(nil)

// Anywhere implements directory.Thorough, over a connection of its own to each server.
func (d *Directory) Anywhere(ctx context.Context, accounts []idp.Account) (open, shut []idp.Account, err error) {
	isOpen, isShut := map[string]bool{}, map[string]bool{}
	asked := false
	var errs []error
	for _, s := range d.servers {
		if err := d.at(ctx, s, accounts, isOpen, isShut); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.address, err))
			continue
		}
		asked = true
	}
	if !asked {
		return nil, nil, fmt.Errorf("%s: %w: %w", d.o.Name, directory.ErrUnreachable, errors.Join(errs...))
	}
	for _, a := range accounts {
		switch {
		case isShut[a.Name]:
			shut = append(shut, a)
		case isOpen[a.Name]:
			open = append(open, a)
			d.o.Logger.WarnContext(ctx, "an account that one controller does not find is on another", "directory", d.o.Name, "person", a.PersonID)
		}
	}
	return open, shut, nil
}

// at asks one server, and notes what it says if it answers all of it.
func (d *Directory) at(ctx context.Context, s *server, accounts []idp.Account, isOpen, isShut map[string]bool) error {
	if d.refusedNow(d.secret(ctx)) {
		return errService
	}
	c, err := d.openAt(ctx, s)
	if err != nil {
		s.failed(ctx)
		return err
	}
	defer c.close()
	ask := func(f func(*conn) error) error { return meaning(c.run(ctx, d.o.Answer, f)) }
	open, err := d.inState(ctx, ask, accounts, false)
	if err != nil {
		return err
	}
	shut, err := d.inState(ctx, ask, accounts, true)
	if err != nil {
		return err
	}
	for _, a := range open {
		isOpen[a.Name] = true
	}
	for _, a := range shut {
		isShut[a.Name] = true
	}
	return nil
}

// inState are those of the accounts that are open, or there and closed.
func (d *Directory) inState(ctx context.Context, ask asking, accounts []idp.Account, shut bool) ([]idp.Account, error) {
	var found []idp.Account
	for some := range slices.Chunk(accounts, openAtOnce) {
		more, err := d.someInState(ctx, ask, some, shut)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (d *Directory) someInState(ctx context.Context, ask asking, accounts []idp.Account, shut bool) ([]idp.Account, error) {
	var byName, byID strings.Builder
	known := make([]string, len(accounts))
	for i, a := range accounts {
		byName.WriteString(d.byName(a.Name))
		var err error
		if known[i], err = d.known(ctx, a); err != nil {
			return nil, err
		}
		if known[i] != "" { // it may have been renamed there already
			condition, err := d.byID(known[i])
			if err != nil {
				return nil, err
			}
			byID.WriteString(condition)
		}
	}
	filter := "(|" + byName.String() + byID.String() + ")" + d.o.Filter
	if shut && d.o.Filter != "" && byID.Len() > 0 {
		filter = "(|(&(|" + byName.String() + ")" + d.o.Filter + ")" + byID.String() + ")"
	}
	names, ids, err := d.openEntries(ask, d.person(filter), shut)
	if err != nil {
		return nil, err
	}
	var found []idp.Account
	for i, a := range accounts {
		if known[i] != "" && ids[known[i]] || known[i] == "" && !a.Given && names[policy.NormalizeName(a.Name)] {
			found = append(found, a)
		}
	}
	return found, nil
}

// openEntries are the names and the identities of the entries that are open, or
// closed.
func (d *Directory) openEntries(ask asking, filter string, shut bool) (names, ids map[string]bool, err error) {
	err = ask(func(c *conn) error {
		names, ids = map[string]bool{}, map[string]bool{}
		r, err := c.ldap.Search(ldap.NewSearchRequest(d.o.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, d.attributes(), nil))
		if err != nil {
			return err
		}
		for _, found := range r.Entries {
			e, err := d.entry(found)
			if err == nil && shut != e.open(d.o.Now()) {
				names[policy.NormalizeName(e.Name)], ids[e.ID] = true, true
			}
		}
		return nil
	})
	return names, ids, err
}
