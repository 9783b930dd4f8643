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
	var open []idp.Account
	for len(accounts) > 0 {
		some := accounts[:min(openAtOnce, len(accounts))]
		accounts = accounts[len(some):]
		names, err := d.openNames(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, a := range some {
			if names[policy.NormalizeName(a.Name)] {
				open = append(open, a)
			}
		}
	}
	return open, nil
}

func (d *Directory) openNames(ctx context.Context, accounts []idp.Account) (map[string]bool, error) {
	var any strings.Builder
	for _, a := range accounts {
		any.WriteString(d.byName(a.Name))
	}
	filter := d.person("(|" + any.String() + ")" + d.o.Filter)
	var names map[string]bool
	err := d.do(ctx, true, func(c *conn) error {
		names = map[string]bool{}
		r, err := c.ldap.Search(ldap.NewSearchRequest(d.o.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, d.attributes(), nil))
		if err != nil {
			return err
		}
		for _, found := range r.Entries {
			e, err := d.entry(found)
			if err == nil && !e.Disabled && !e.Service && (e.ExpiresAt.IsZero() || e.ExpiresAt.After(d.o.Now())) {
				names[policy.NormalizeName(e.Name)] = true
			}
		}
		return nil
	})
	return names, err
}
