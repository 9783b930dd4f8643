package ad

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// Records are the entries of a directory as rows of a feed: feed.Records.
type Records struct {
	Directory  *Directory
	Filter     string   // which entries, as an LDAP filter
	Attributes []string // the columns; of several values the first counts
}

// Each gives the entries below the base, page by page (RFC 2696); a line is the
// number of an entry, the first being 2 as in a file.
func (r Records) Each(ctx context.Context, yield func(line int, values []string, fault string) error) error {
	if err := yield(1, r.Attributes, ""); err != nil {
		return err
	}
	d, paging, line := r.Directory, ldap.NewControlPaging(pageSize), 1
	return d.session(ctx, func(page func(func(*conn) error) error) error {
		for {
			var found *ldap.SearchResult
			err := page(func(c *conn) (err error) {
				found, err = c.ldap.Search(ldap.NewSearchRequest(d.o.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
					r.Filter, r.Attributes, []ldap.Control{paging}))
				return err
			})
			if err != nil {
				return err
			}
			for _, e := range found.Entries {
				line++
				values := make([]string, len(r.Attributes))
				for i, a := range r.Attributes {
					values[i] = e.GetEqualFoldAttributeValue(a)
				}
				if err := yield(line, values, ""); err != nil {
					return enough(err)
				}
			}
			cookie, ok := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			if !ok || len(cookie.Cookie) == 0 {
				return nil
			}
			paging.SetCookie(cookie.Cookie)
		}
	})
}
