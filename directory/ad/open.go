package ad

import (
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// openAtOnce is how many names are in one question.
const openAtOnce = 50

// Open returns those of the accounts that may log in now, as far as the
// directory tells without a password: they are there, fulfil the filter, are
// neither disabled nor expired nor a machine's or service's.
func (d *Directory) Open(ctx context.Context, accounts []idp.Account) ([]idp.Account, error) {
	return d.inState(ctx, accounts, false)
}

// Shut implements directory.Shutter. Whoever does not fulfil the filter, or whose
// entry is not found, is not known to be closed.
func (d *Directory) Shut(ctx context.Context, accounts []idp.Account) ([]idp.Account, error) {
	return d.inState(ctx, accounts, true)
}

// inState are those of the accounts that are open, or there and closed.
func (d *Directory) inState(ctx context.Context, accounts []idp.Account, shut bool) ([]idp.Account, error) {
	var open []idp.Account
	for len(accounts) > 0 {
		some := accounts[:min(openAtOnce, len(accounts))]
		accounts = accounts[len(some):]
		found, err := d.openOf(ctx, some, shut)
		if err != nil {
			return nil, err
		}
		open = append(open, found...)
	}
	return open, nil
}

func (d *Directory) openOf(ctx context.Context, accounts []idp.Account, shut bool) ([]idp.Account, error) {
	var conditions strings.Builder
	known := make([]string, len(accounts))
	for i, a := range accounts {
		conditions.WriteString(d.byName(a.Name))
		var err error
		if known[i], err = d.known(ctx, a); err != nil {
			return nil, err
		}
		if known[i] != "" { // it may have been renamed there already
			byID, err := d.byID(known[i])
			if err != nil {
				return nil, err
			}
			conditions.WriteString(byID)
		}
	}
	names, ids, err := d.openEntries(ctx, d.person("(|"+conditions.String()+")"+d.o.Filter), shut)
	if err != nil {
		return nil, err
	}
	var open []idp.Account
	for i, a := range accounts {
		if known[i] != "" && ids[known[i]] || known[i] == "" && !a.Given && names[policy.NormalizeName(a.Name)] {
			open = append(open, a)
		}
	}
	return open, nil
}

// openEntries are the names and the identities of the entries that are open, or
// closed.
func (d *Directory) openEntries(ctx context.Context, filter string, shut bool) (names, ids map[string]bool, err error) {
	err = d.do(ctx, true, func(c *conn) error {
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
