package ad

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// NewAccount is an account to be made.
type NewAccount struct {
	Name        string // sAMAccountName, uid; also the CN, and with the suffix the UPN
	DisplayName string
	Mail        string
	Under       string // DN of its container; empty: the base's own place for people
	Password    string // empty: one that nobody knows
	MustChange  bool   // at the first login
	Disabled    bool
	Service     bool // a service's: it never logs in to us
	Description string
}

// maxSAM is Active Directory's limit for a user's sAMAccountName.
const maxSAM = 20

// badInName are characters that sAMAccountName can't hold ([MS-SAMR] 3.1.1.6).
const badInName = "\"/\\[]:;|=,+*?<>@"

func (d *Directory) checkName(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.HasSuffix(name, ".") || strings.HasSuffix(name, "$") ||
		strings.ContainsAny(name, badInName) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) || len(utf16.Encode([]rune(name))) > maxSAM {
		return fmt.Errorf("%q can't be an account's name", name)
	}
	return nil
}

// Create makes an account with its password: all of it or nothing. Where the
// name is taken it is idp.ErrConflict.
func (d *Directory) Create(ctx context.Context, n NewAccount) (*Entry, error) {
	if err := d.checkName(n.Name); err != nil {
		return nil, err
	}
	if n.Password == "" {
		n.Password = unknownPassword()
	}
	if _, err := d.Find(ctx, n.Name); !errors.Is(err, idp.ErrNotFound) {
		if err == nil || errors.Is(err, ErrAmbiguous) {
			err = fmt.Errorf("%s: the name %s is taken: %w", d.o.Name, n.Name, idp.ErrConflict)
		}
		return nil, err
	}
	under := n.Under
	switch {
	case under == "" && n.Service:
		under = d.o.ServiceBase
	case under == "":
		under = d.people()
	}
	if under == "" || !d.below(under, d.o.Base) && !d.below(under, d.o.ServiceBase) {
		return nil, fmt.Errorf("%q is not below the base", under)
	}
	var err error
	if d.o.Plain {
		err = d.createPlain(ctx, n, under)
	} else {
		err = d.createAD(ctx, n, under)
	}
	if err != nil {
		return nil, fmt.Errorf("create account: %w", err)
	}
	return d.Find(ctx, n.Name)
}

// people is where accounts go that nobody chose a place for.
func (d *Directory) people() string {
	if root := d.domain(); !d.o.Plain && strings.EqualFold(root, d.o.Base) {
		return "CN=Users," + root
	}
	return d.o.Base
}

func (d *Directory) createAD(ctx context.Context, n NewAccount, under string) error {
	quoted, err := unicodePassword(n.Password)
	if err != nil {
		return err
	}
	add := ldap.NewAddRequest("CN="+ldap.EscapeDN(n.Name)+","+under, nil)
	add.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "user"})
	add.Attribute("sAMAccountName", []string{n.Name})
	if d.o.Suffix != "" {
		add.Attribute("userPrincipalName", []string{n.Name + "@" + d.o.Suffix})
	}
	optional(add, "displayName", n.DisplayName)
	optional(add, "mail", n.Mail)
	optional(add, "description", n.Description)
	flags := uacNormal
	if n.Service {
		flags |= uacNoExpire // nobody is there to change it
	}
	if n.Disabled {
		flags |= uacDisabled
	}
	// In one operation: the directory checks the password by its rules, and
	// either there is an account with all of it or none.
	add.Attribute("unicodePwd", []string{quoted})
	add.Attribute("userAccountControl", []string{strconv.Itoa(flags)})
	if n.MustChange {
		add.Attribute("pwdLastSet", []string{"0"})
	}
	return d.do(ctx, false, func(c *conn) error { return c.ldap.Add(add) })
}

func (d *Directory) createPlain(ctx context.Context, n NewAccount, under string) error {
	add := ldap.NewAddRequest(d.o.NameAttribute+"="+ldap.EscapeDN(n.Name)+","+under, nil)
	add.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "inetOrgPerson"})
	add.Attribute(d.o.NameAttribute, []string{n.Name})
	shown := n.DisplayName
	if shown == "" {
		shown = n.Name
	}
	add.Attribute("cn", []string{shown})
	add.Attribute("sn", []string{shown})
	optional(add, "displayName", n.DisplayName)
	optional(add, "mail", n.Mail)
	optional(add, "description", n.Description)
	if err := d.do(ctx, false, func(c *conn) error { return c.ldap.Add(add) }); err != nil {
		return err
	}
	if _, err := d.passwd(ctx, add.DN, n.Password); err != nil {
		// Until it has one, nobody can log in with it: nothing was opened.
		gone := d.do(context.WithoutCancel(ctx), false, func(c *conn) error { return c.ldap.Del(ldap.NewDelRequest(add.DN, nil)) })
		return errors.Join(err, gone)
	}
	if n.Disabled {
		return d.permanentLock(ctx, add.DN, true)
	}
	return d.reset(ctx, add.DN, n.MustChange)
}

func optional(add *ldap.AddRequest, attribute, value string) {
	if value != "" {
		add.Attribute(attribute, []string{value})
	}
}

// unknownPassword is one that nobody knows, of all four classes.
func unknownPassword() string { return rand.Text() + rand.Text() + "-aA1" }

// unicodePassword is the form that Active Directory takes passwords in
// ([MS-ADTS] section 3.1.1.3.1.5): in quotes, as UTF-16 little-endian.
func unicodePassword(password string) (string, error) {
	if password == "" || strings.ContainsRune(password, 0) {
		return "", errors.New("an empty password is never set")
	}
	units := utf16.Encode([]rune(`"` + password + `"`))
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return string(out), nil
}

// SetPassword sets a new password, as an administrator does. mustChange asks
// the person for another one at the next login.
func (d *Directory) SetPassword(ctx context.Context, id, password string, mustChange bool) error {
	_, err := d.setPassword(ctx, id, password, mustChange)
	return err
}

// setPassword also returns the directory's own time of it.
func (d *Directory) setPassword(ctx context.Context, id, password string, mustChange bool) (at time.Time, err error) {
	e, err := d.Get(ctx, id)
	if err != nil {
		return at, err
	}
	if d.o.Plain {
		if at, err = d.passwd(ctx, e.DN, password); err != nil {
			return at, err
		}
		if err := d.reset(ctx, e.DN, mustChange); err != nil {
			return at, fmt.Errorf("%w: %w", directory.ErrUncertain, err) // it has the password
		}
		return at, nil
	}
	quoted, err := unicodePassword(password)
	if err != nil {
		return at, err
	}
	m := ldap.NewModifyRequest(e.DN, nil)
	m.Replace("unicodePwd", []string{quoted})
	last := "-1" // now
	if mustChange {
		last = "0"
	}
	m.Replace("pwdLastSet", []string{last})
	at, err = d.thenSetAt(ctx, e.DN, func(c *conn) error { return c.ldap.Modify(m) })
	if err != nil {
		return at, fmt.Errorf("modify: %w", err)
	}
	return at, nil
}

// thenSetAt sets a password once, and asks the same server for the time of it. What
// goes wrong with the question is no fault of the change's.
func (d *Directory) thenSetAt(ctx context.Context, dn string, set func(*conn) error) (at time.Time, err error) {
	done := false
	err = d.do(ctx, false, func(c *conn) error {
		if err := set(c); err != nil {
			return err
		}
		done, at = true, d.setAt(c, dn)
		return nil
	})
	if done {
		err = nil
	}
	return at, err
}

// ChangePassword changes it as its owner does, who knows the old one: the
// directory's rules hold, its history among them. A wrong old one is
// directory.ErrWrong, and counts there as a try: ask directory.Gate first.
func (d *Directory) ChangePassword(ctx context.Context, id, old, password string) error {
	e, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	if d.o.Plain {
		return d.changeOwn(ctx, e.DN, old, password)
	}
	from, err := unicodePassword(old)
	if err != nil {
		return err
	}
	to, err := unicodePassword(password)
	if err != nil {
		return err
	}
	m := ldap.NewModifyRequest(e.DN, nil)
	m.Delete("unicodePwd", []string{from})
	m.Add("unicodePwd", []string{to})
	return wrongOld(d.modify(ctx, m))
}

// Enable opens a disabled account.
func (d *Directory) Enable(ctx context.Context, id string) error { return d.flag(ctx, id, false) }

// Disable closes an account.
func (d *Directory) Disable(ctx context.Context, id string) error { return d.flag(ctx, id, true) }

// Delete removes an account for good.
func (d *Directory) Delete(ctx context.Context, id string) error {
	e, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	return d.do(ctx, false, func(c *conn) error { return c.ldap.Del(ldap.NewDelRequest(e.DN, nil)) })
}
