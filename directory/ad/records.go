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
	line := 1
	return r.Directory.pages(ctx, r.Directory.o.Base, r.Filter, r.Attributes, func(some []*ldap.Entry) error {
		for _, e := range some {
			line++
			values := make([]string, len(r.Attributes))
			for i, a := range r.Attributes {
				values[i] = e.GetEqualFoldAttributeValue(a)
			}
			if err := yield(line, values, ""); err != nil {
				return err
			}
		}
		return nil
	})
}
