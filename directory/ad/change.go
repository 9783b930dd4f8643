package ad

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// ErrUnsupported says that a plain LDAP directory has no such thing.
var ErrUnsupported = errors.New("this directory has no such thing")

// flag sets or clears "disabled" and leaves all other flags as they are: the
// old value is deleted and the new one added in one operation, so that a change
// in between is a conflict and never undone.
func (d *Directory) flag(ctx context.Context, id string, disabled bool) error {
	if d.o.Plain {
		return d.plainFlag(ctx, id, disabled)
	}
	condition, err := d.byID(id)
	if err != nil {
		return err
	}
	for range 3 {
		var dn string
		var old int64
		err := d.do(ctx, true, func(c *conn) error {
			e, err := d.single(c, d.person(condition))
			if err == nil {
				dn, old = e.DN, number(e, "userAccountControl")
			}
			return err
		})
		if err != nil {
			return err
		}
		now := old &^ uacDisabled
		if disabled {
			now = old | uacDisabled
		}
		if now == old {
			return nil
		}
		m := ldap.NewModifyRequest(dn, nil)
		m.Delete("userAccountControl", []string{strconv.FormatInt(old, 10)})
		m.Add("userAccountControl", []string{strconv.FormatInt(now, 10)})
		if err = d.modify(ctx, m); !isCode(err, ldap.LDAPResultNoSuchAttribute) {
			return err
		}
	}
	return fmt.Errorf("the account is being changed by somebody else: %w", idp.ErrConflict)
}

// plainFlag uses the permanent lock of the password policy's draft (section
// 5.3.3): a time of all zeros.
func (d *Directory) plainFlag(ctx context.Context, id string, disabled bool) error {
	e, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	m := ldap.NewModifyRequest(e.DN, nil)
	if disabled {
		m.Replace("pwdAccountLockedTime", []string{permanent})
	} else {
		m.Delete("pwdAccountLockedTime", nil)
	}
	if err = d.modify(ctx, m); isCode(err, ldap.LDAPResultNoSuchAttribute) {
		return nil
	}
	if isCode(err, ldap.LDAPResultUndefinedAttributeType) {
		return fmt.Errorf("%w: it keeps no password policy", ErrUnsupported)
	}
	return err
}

const permanent = "000001010000Z"

// Rename gives an account another name: its DN, sAMAccountName and UPN. Its
// identity, groups and password stay. An interrupted rename is finished by
// calling it again.
func (d *Directory) Rename(ctx context.Context, id, name string) (*Entry, error) {
	if err := d.checkName(name); err != nil {
		return nil, err
	}
	e, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	switch other, err := d.Find(ctx, name); {
	case err == nil && other.ID != id, errors.Is(err, ErrAmbiguous):
		return nil, fmt.Errorf("the name %s is taken: %w", name, idp.ErrConflict)
	case err != nil && !errors.Is(err, idp.ErrNotFound):
		return nil, err
	}
	attribute := "CN"
	if d.o.Plain {
		attribute = d.o.NameAttribute
	} else if e.Name != name || d.o.Suffix != "" && e.UPN != name+"@"+d.o.Suffix {
		m := ldap.NewModifyRequest(e.DN, nil)
		m.Replace("sAMAccountName", []string{name})
		if d.o.Suffix != "" {
			m.Replace("userPrincipalName", []string{name + "@" + d.o.Suffix})
		}
		if err := d.modify(ctx, m); err != nil {
			return nil, err
		}
	}
	if err := d.modifyDN(ctx, e.DN, attribute+"="+ldap.EscapeDN(name), ""); err != nil {
		return nil, err
	}
	return d.Get(ctx, id)
}

// Move puts an account below another container of the base.
func (d *Directory) Move(ctx context.Context, id, under string) (*Entry, error) {
	if !d.below(under, d.o.Base) {
		return nil, fmt.Errorf("%q is not below the base", under)
	}
	e, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	dn, err := ldap.ParseDN(e.DN)
	if err != nil {
		return nil, err
	}
	if err := d.modifyDN(ctx, e.DN, (&ldap.DN{RDNs: dn.RDNs[:1]}).String(), under); err != nil {
		return nil, err
	}
	return d.Get(ctx, id)
}

// modifyDN renames or moves; to be there already is no error.
func (d *Directory) modifyDN(ctx context.Context, from, rdn, under string) error {
	old, err := ldap.ParseDN(from)
	if err != nil {
		return err
	}
	want := rdn + ","
	if under == "" {
		want += (&ldap.DN{RDNs: old.RDNs[1:]}).String()
	} else {
		want += under
	}
	if to, err := ldap.ParseDN(want); err != nil {
		return err
	} else if to.Equal(old) {
		return nil
	}
	request := ldap.NewModifyDNRequest(from, rdn, true, under)
	if err := d.do(ctx, false, func(c *conn) error { return c.ldap.ModifyDN(request) }); err != nil {
		return fmt.Errorf("rename entry: %w", err)
	}
	return nil
}

// wrongOld tells a wrong old password from a new one that the rules refuse:
// Active Directory answers both with constraintViolation.
func wrongOld(err error) error {
	if err != nil && isCode(err, ldap.LDAPResultConstraintViolation, ldap.LDAPResultInvalidCredentials) {
		text := err.Error()
		if strings.Contains(text, "00000056") || isCode(err, ldap.LDAPResultInvalidCredentials) { // ERROR_INVALID_PASSWORD
			return fmt.Errorf("%w: %w", directory.ErrWrong, err)
		}
	}
	return err
}

// passwd changes a password by RFC 3062: as its owner where the old one is
// given, else as an administrator.
func (d *Directory) passwd(ctx context.Context, dn, old, password string) error {
	if password == "" {
		return errors.New("an empty password is never set")
	}
	if old != "" {
		// The server takes the old one only of the service account's own
		// entry: a bind proves it.
		if err := d.bind(ctx, nil, dn, old); err != nil {
			return err
		}
	}
	request := ldap.NewPasswordModifyRequest(dn, "", password)
	err := d.do(ctx, false, func(c *conn) error {
		_, err := c.ldap.PasswordModify(request)
		return err
	})
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}
