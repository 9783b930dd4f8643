package ad

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"taipeion.internal/idp/directory"
)

// pageSize is what a controller gives at once, by default.
const pageSize = 500

var errNoEnd = errors.New("the pages of a search don't go on")

// pages goes through all entries of a search, page by page (RFC 2696): no more than
// one is in memory. All come from one server over one connection.
func (d *Directory) pages(ctx context.Context, base, filter string, attributes []string, f func(some []*ldap.Entry) error) error {
	paging := ldap.NewControlPaging(d.page)
	return d.session(ctx, func(run func(func(*conn) error) error) error {
		for {
			var found *ldap.SearchResult
			err := run(func(c *conn) (err error) {
				found, err = c.ldap.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
					filter, attributes, []ldap.Control{paging}))
				return err
			})
			if err != nil {
				return err
			}
			if err := f(found.Entries); err != nil {
				return enough(err)
			}
			cookie, ok := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			switch {
			case !ok || len(cookie.Cookie) == 0:
				return nil
			case len(found.Entries) == 0 && string(cookie.Cookie) == string(paging.Cookie):
				return enough(errNoEnd)
			}
			paging.SetCookie(cookie.Cookie)
		}
	})
}

var _ directory.Lister = (*Directory)(nil)

// Entries implements directory.Lister. Groups of entries are not asked for: those of
// one entry may be long.
func (d *Directory) Entries(ctx context.Context, yield func(some []directory.Listed, unread int) error) error {
	attributes := slices.DeleteFunc(d.attributes(), func(a string) bool { return a == "memberOf" })
	if d.o.Plain {
		attributes = append(attributes, "createTimestamp", "pwdLastSuccess", "authTimestamp")
	} else {
		attributes = append(attributes, "whenCreated", "lastLogonTimestamp")
	}
	filter := d.person("(" + d.o.NameAttribute + "=*)" + d.o.Filter)
	return d.pages(ctx, d.o.Base, filter, attributes, func(some []*ldap.Entry) error {
		list, unread := make([]directory.Listed, 0, len(some)), 0
		for _, from := range some {
			e, err := d.entry(from)
			if err != nil {
				unread++
				continue
			}
			list = append(list, d.listed(e, from))
		}
		return yield(list, unread)
	})
}

func (d *Directory) listed(e *Entry, from *ldap.Entry) directory.Listed {
	l := directory.Listed{
		ID: e.ID, Name: e.Name, DisplayName: e.DisplayName, Place: parentOf(e.DN), Service: e.Service, Closed: e.shut(d.o.Now()),
	}
	if d.o.Plain {
		l.CreatedAt, l.LastLoginAt = stamp(from, "createTimestamp"), stamp(from, "pwdLastSuccess")
		if l.LastLoginAt.IsZero() {
			l.LastLoginAt = stamp(from, "authTimestamp")
		}
		return l
	}
	// Of lastLogon each controller has its own; this one goes round, and is written
	// anew when it is two weeks old.
	l.CreatedAt, l.LastLoginAt = stamp(from, "whenCreated"), filetime(number(from, "lastLogonTimestamp"))
	return l
}

// shut tells whether the entry is disabled or expired.
func (e *Entry) shut(now time.Time) bool {
	return e.Disabled || !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(now)
}

// open tells whether the entry may log in, as far as it tells without a password.
func (e *Entry) open(now time.Time) bool { return !e.Service && !e.shut(now) }

// stamp reads a time (RFC 4517 section 3.3.13, in UTC); zero if it is none.
func stamp(e *ldap.Entry, attribute string) time.Time {
	text, ok := strings.CutSuffix(e.GetEqualFoldAttributeValue(attribute), "Z")
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse("20060102150405", text) // a fraction is read too
	if err != nil || t.Year() < 1601 {
		return time.Time{}
	}
	return t
}
