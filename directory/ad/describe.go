package ad

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

var (
	_ directory.Describer  = (*Directory)(nil)
	_ directory.NameShower = (*Directory)(nil)
)

// shown is one attribute of a description.
type shown struct{ attribute, value string }

// maxShown is how many characters an attribute takes: Active Directory's
// department and company hold 64.
const maxShown = 64

// shows is how a description is shown. In a plain directory the unit and the
// agency have the names of RFC 4519.
func (d *Directory) shows(to directory.Description) []shown {
	surname, given := directory.SplitName(to.Name)
	unit, agency := "department", "company"
	if d.o.Plain {
		unit, agency = "ou", "o"
	}
	list := []shown{
		{"displayName", to.Name}, {"sn", surname}, {"givenName", given}, {unit, to.Unit}, {"title", to.Title}, {agency, to.AgencyName},
	}
	for i, s := range list {
		if r := []rune(s.value); len(r) > maxShown {
			list[i].value = string(r[:maxShown])
		}
	}
	return list
}

// Describe implements directory.Describer.
func (d *Directory) Describe(ctx context.Context, account idp.Account, to directory.Description) error {
	e, fields, err := d.differs(ctx, account, to)
	if err != nil {
		return err
	}
	m := ldap.NewModifyRequest(e.DN, nil)
	for _, f := range fields {
		switch {
		case f.Field == inPlace:
		case f.New == "" && f.Field == "sn" && d.o.Plain: // RFC 4519 section 2.32: a person has one
		case f.New == "":
			m.Delete(f.Field, nil)
		default:
			m.Replace(f.Field, []string{f.New})
		}
	}
	if len(m.Changes) > 0 {
		if err := d.modify(ctx, m); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(fields, func(f directory.FieldChange) bool { return f.Field == inPlace }) {
		if _, err = d.Move(ctx, e.ID, d.o.Places[to.Agency]); errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrConflict) {
			// It is the place that is missing, or the name's in it: not the account.
			err = fmt.Errorf("%w: move to the agency's place: %s", ErrRefused, err)
		}
	}
	return err
}

// ShownName implements directory.NameShower.
func (d *Directory) ShownName(ctx context.Context, account idp.Account) (string, error) {
	e, err := d.mine(ctx, account)
	if err != nil {
		return "", err
	}
	return e.DisplayName, nil
}

// inPlace is the field of an entry that is not where its agency's are.
const inPlace = "place"

// Differs implements directory.Describer. What is not there shows nothing.
func (d *Directory) Differs(ctx context.Context, account idp.Account, to directory.Description) ([]directory.FieldChange, error) {
	_, fields, err := d.differs(ctx, account, to)
	if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrConflict) {
		return nil, nil
	}
	return fields, err
}

func (d *Directory) differs(ctx context.Context, account idp.Account, to directory.Description) (*Entry, []directory.FieldChange, error) {
	e, err := d.mine(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	if e.Service {
		return nil, nil, idp.ErrConflict
	}
	want := d.shows(to)
	names := make([]string, len(want))
	for i, s := range want {
		names[i] = s.attribute
	}
	var fields []directory.FieldChange
	err = d.do(ctx, true, func(c *conn) error {
		fields = nil
		r, err := c.ldap.Search(ldap.NewSearchRequest(e.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", names, nil))
		if err != nil {
			return err
		}
		if len(r.Entries) != 1 {
			return enough(idp.ErrNotFound)
		}
		for _, s := range want {
			if is := text(r.Entries[0], s.attribute); is != s.value {
				fields = append(fields, directory.FieldChange{Field: s.attribute, Old: is, New: s.value})
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if place := d.o.Places[to.Agency]; place != "" && !d.below(e.DN, place) {
		fields = append(fields, directory.FieldChange{Field: inPlace, Old: parentOf(e.DN), New: place})
	}
	return e, fields, nil
}

func parentOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return ""
	}
	return (&ldap.DN{RDNs: parsed.RDNs[1:]}).String()
}
