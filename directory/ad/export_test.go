package ad

import (
	"context"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// RenameEntry gives an entry any relative name, as others may.
func RenameEntry(ctx context.Context, d *Directory, dn, rdn string) error {
	return d.modifyDN(ctx, dn, rdn, "")
}

// SetAttribute writes any attribute, as others may.
func SetAttribute(ctx context.Context, t testing.TB, d *Directory, dn, attribute string, values ...string) {
	t.Helper()
	m := ldap.NewModifyRequest(dn, nil)
	m.Replace(attribute, values)
	if err := d.modify(ctx, m); err != nil {
		t.Fatal(err)
	}
}

// SetPage makes pages of so many entries.
func SetPage(d *Directory, entries uint32) { d.page = entries }
