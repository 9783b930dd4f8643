package ad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
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

func (d *Directory) plainFlag(ctx context.Context, id string, disabled bool) error {
	e, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	return d.permanentLock(ctx, e.DN, disabled)
}

// permanentLock uses that of the password policy's draft (section 5.3.3): a
// time of all zeros. Such a server calls every password of the entry wrong.
func (d *Directory) permanentLock(ctx context.Context, dn string, closed bool) error {
	m := ldap.NewModifyRequest(dn, nil)
	if closed {
		m.Replace("pwdAccountLockedTime", []string{permanent})
	} else {
		m.Delete("pwdAccountLockedTime", nil)
	}
	return policyless(d.modify(ctx, m), !closed)
}

// reset says whether the person has to change the password at the next login;
// a server may demand it of itself after an administrator's change.
func (d *Directory) reset(ctx context.Context, dn string, must bool) error {
	m := ldap.NewModifyRequest(dn, nil)
	if must {
		m.Replace("pwdReset", []string{"TRUE"})
	} else {
		m.Delete("pwdReset", nil)
	}
	return policyless(d.modify(ctx, m), !must)
}

// policyless forgives what is not there where it is taken away.
func policyless(err error, taken bool) error {
	unknown := isCode(err, ldap.LDAPResultUndefinedAttributeType)
	switch {
	case taken && (unknown || isCode(err, ldap.LDAPResultNoSuchAttribute)):
		return nil
	case unknown:
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

// changeOwn changes a password by RFC 3062 over a connection of its owner's, so
// that the server's rules for owners hold.
func (d *Directory) changeOwn(ctx context.Context, dn, old, password string) error {
	if old == "" || password == "" {
		return errors.New("an empty password is never sent")
	}
	value := ber.NewSequence("")
	for tag, text := range []string{dn, old, password} {
		value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, ber.Tag(tag), text, ""))
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, "1.3.6.1.4.1.4203.1.11.1", ""))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, string(value.Bytes()), ""))
	return d.bindThen(ctx, nil, dn, old, func(ctx context.Context, conn net.Conn) error {
		code, diagnostic, err := exchange(ctx, conn, 2, op, ldap.ApplicationExtendedResponse)
		if err != nil {
			return fmt.Errorf("%s: %w: %w: change password: %w", d.o.Name, idp.ErrUnavailable, directory.ErrUncertain, err)
		}
		if code != ldap.LDAPResultSuccess {
			return meaning(ldap.NewError(uint16(code), errors.New(diagnostic)))
		}
		return nil
	})
}

// passwd sets a password by RFC 3062 as an administrator.
func (d *Directory) passwd(ctx context.Context, dn, password string) (at time.Time, err error) {
	if password == "" {
		return at, errors.New("an empty password is never set")
	}
	request := ldap.NewPasswordModifyRequest(dn, "", password)
	at, err = d.thenSetAt(ctx, dn, func(c *conn) error {
		_, err := c.ldap.PasswordModify(request)
		return err
	})
	if err != nil {
		return at, fmt.Errorf("set password: %w", err)
	}
	return at, nil
}
