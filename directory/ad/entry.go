package ad

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Entry is an account as the directory has it.
type Entry struct {
	ID          string // objectGUID or entryUUID, as text: what stays when all else changes
	DN          string
	Name        string // sAMAccountName or uid
	UPN         string
	DisplayName string
	Mail        string
	Description string
	Disabled    bool
	Service     bool // a machine's, a service's or one of the system's own
	Locked      bool // by the directory's own reckoning
	LockedAt    time.Time
	BadPassword int // the controller's own count
	MustChange  bool
	PasswordAt  time.Time // when the password was set; zero: it has to be changed, or the directory does not tell
	ExpiresAt   time.Time // zero: never
	Groups      []string  // DNs, direct ones

	badAt int64 // the controller's time of the last wrong password
}

// userAccountControl ([MS-ADTS] section 2.2.16).
const (
	uacDisabled    = 0x0002
	uacLockout     = 0x0010 // in msDS-User-Account-Control-Computed only
	uacNormal      = 0x0200
	uacNoExpire    = 0x10000
	uacAnyTrust    = 0x0800 | 0x1000 | 0x2000 // domains, workstations, servers
	uacServiceMark = 0x1000000 | 0x80000      // trusted (to authenticate) for delegation
)

func (d *Directory) attributes() []string {
	if d.o.Plain {
		return []string{d.o.NameAttribute, d.o.IDAttribute, "objectClass", "cn", "displayName", "mail", "description", "memberOf", "pwdAccountLockedTime", "pwdReset", "pwdChangedTime"}
	}
	return []string{"sAMAccountName", "objectGUID", "objectClass", "userPrincipalName", "displayName", "mail", "description", "memberOf", "userAccountControl",
		"msDS-User-Account-Control-Computed", "lockoutTime", "badPwdCount", "badPasswordTime", "pwdLastSet", "accountExpires", "servicePrincipalName", "isCriticalSystemObject"}
}

// person is the condition on an entry that may be somebody's account.
func (d *Directory) person(condition string) string {
	kind := "(objectCategory=person)(objectClass=user)"
	if d.o.Plain {
		kind = ""
	}
	return "(&" + kind + condition + ")"
}

func (d *Directory) byName(name string) string {
	return "(" + d.o.NameAttribute + "=" + ldap.EscapeFilter(name) + ")"
}

// byID escapes each byte: a GUID is no text (RFC 4515 section 3).
func (d *Directory) byID(id string) (string, error) {
	if d.o.Plain {
		return "(" + d.o.IDAttribute + "=" + ldap.EscapeFilter(id) + ")", nil
	}
	raw, err := guidBytes(id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return "(objectGUID=" + b.String() + ")", nil
}

// Find returns the account of exactly that name: idp.ErrNotFound, ErrAmbiguous.
func (d *Directory) Find(ctx context.Context, name string) (*Entry, error) {
	e, _, err := d.one(ctx, d.person(d.byName(name)))
	if err == nil && !sameName(e.Name, name) {
		return nil, fmt.Errorf("%s: %w", d.o.Name, idp.ErrNotFound) // the server compares more loosely than we do
	}
	return e, err
}

// Get returns the account of that identity.
func (d *Directory) Get(ctx context.Context, id string) (*Entry, error) {
	condition, err := d.byID(id)
	if err != nil {
		return nil, err
	}
	e, _, err := d.one(ctx, d.person(condition))
	if err == nil && e.ID != id {
		return nil, fmt.Errorf("%s: %w", d.o.Name, idp.ErrNotFound)
	}
	return e, err
}

func sameName(a, b string) bool {
	a = policy.NormalizeName(a)
	return a != "" && a == policy.NormalizeName(b)
}

// one searches for the one entry, and says which server had it.
func (d *Directory) one(ctx context.Context, filter string) (*Entry, *server, error) {
	var found *ldap.Entry
	var at *server
	err := d.do(ctx, true, func(c *conn) error {
		at = c.server
		var err error
		found, err = d.single(c, filter)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", d.o.Name, err)
	}
	e, err := d.entry(found)
	return e, at, err
}

// single refuses none and several. Search references are not followed: what
// they name is in no answer.
func (d *Directory) single(c *conn, filter string) (*ldap.Entry, error) {
	r, err := c.ldap.Search(ldap.NewSearchRequest(d.o.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(d.o.Answer.Seconds())+1, false,
		filter, d.attributes(), nil))
	if isCode(err, ldap.LDAPResultSizeLimitExceeded) || err == nil && len(r.Entries) > 1 {
		return nil, enough(ErrAmbiguous)
	}
	if err != nil {
		return nil, err
	}
	if len(r.Entries) == 0 {
		return nil, enough(idp.ErrNotFound)
	}
	return r.Entries[0], nil
}

// enough marks an error that is an answer.
func enough(err error) error { return fmt.Errorf("%w%w", silent{}, err) }

type silent struct{}

func (silent) Error() string   { return "" }
func (silent) Is(t error) bool { return t == errEnough }

// entry reads what the server sent; anything that can't be an account is an error.
func (d *Directory) entry(from *ldap.Entry) (*Entry, error) {
	if _, err := ldap.ParseDN(from.DN); err != nil || from.DN == "" {
		return nil, errors.New("an entry without a proper name")
	}
	e := &Entry{
		DN: from.DN, Name: from.GetEqualFoldAttributeValue(d.o.NameAttribute), UPN: from.GetEqualFoldAttributeValue("userPrincipalName"),
		DisplayName: text(from, "displayName"), Mail: text(from, "mail"), Description: text(from, "description"), Groups: from.GetEqualFoldAttributeValues("memberOf"),
	}
	if e.Name == "" || !utf8.ValidString(e.Name) {
		return nil, errors.New("an entry without an account name")
	}
	if d.o.Plain {
		return d.plainEntry(e, from)
	}
	raw := from.GetEqualFoldRawAttributeValue("objectGUID")
	if len(raw) != 16 {
		return nil, errors.New("an entry without an identity")
	}
	e.ID = guidText(raw)
	flags := number(from, "userAccountControl")
	computed := number(from, "msDS-User-Account-Control-Computed")
	e.Disabled = flags&uacDisabled != 0
	e.Locked = computed&uacLockout != 0
	e.LockedAt = filetime(number(from, "lockoutTime"))
	e.BadPassword = int(number(from, "badPwdCount"))
	e.ExpiresAt = filetime(number(from, "accountExpires"))
	e.badAt = number(from, "badPasswordTime")
	e.PasswordAt = filetime(number(from, "pwdLastSet"))
	e.MustChange = number(from, "pwdLastSet") == 0 && flags&uacNoExpire == 0
	e.Service = flags&uacNormal == 0 || flags&uacAnyTrust != 0 || flags&uacServiceMark != 0 || strings.HasSuffix(e.Name, "$") ||
		len(from.GetEqualFoldAttributeValues("servicePrincipalName")) > 0 ||
		strings.EqualFold(from.GetEqualFoldAttributeValue("isCriticalSystemObject"), "TRUE") || d.below(from.DN, d.o.ServiceBase)
	for _, class := range from.GetEqualFoldAttributeValues("objectClass") {
		e.Service = e.Service || strings.EqualFold(class, "computer") || strings.HasPrefix(strings.ToLower(class), "msds-")
	}
	return e, nil
}

// plainEntry reads what the password policy of draft-behera-ldap-password-policy
// keeps in an entry.
func (d *Directory) plainEntry(e *Entry, from *ldap.Entry) (*Entry, error) {
	e.ID = from.GetEqualFoldAttributeValue(d.o.IDAttribute)
	if e.ID == "" || !utf8.ValidString(e.ID) {
		return nil, errors.New("an entry without an identity")
	}
	if e.DisplayName == "" {
		e.DisplayName = text(from, "cn")
	}
	switch at := from.GetEqualFoldAttributeValue("pwdAccountLockedTime"); at {
	case "":
	case permanent:
		e.Disabled = true
	default:
		e.Locked = true
		if t, err := time.Parse("20060102150405Z", at); err == nil && t.Year() > 1 {
			e.LockedAt = t
		}
	}
	e.MustChange = strings.EqualFold(from.GetEqualFoldAttributeValue("pwdReset"), "TRUE")
	e.PasswordAt = stamp(from, "pwdChangedTime")
	e.Service = strings.HasSuffix(e.Name, "$") || d.below(from.DN, d.o.ServiceBase)
	return e, nil
}

// below tells whether a DN is in or below a base; an empty base has nothing.
func (d *Directory) below(dn, base string) bool { return below(dn, base) }

func below(dn, base string) bool {
	if base == "" {
		return false
	}
	child, err1 := ldap.ParseDN(dn)
	parent, err2 := ldap.ParseDN(base)
	return err1 == nil && err2 == nil && (parent.AncestorOfFold(child) || parent.EqualFold(child))
}

// text leaves out what is no text, or too long for a name.
func text(e *ldap.Entry, attribute string) string {
	s := e.GetEqualFoldAttributeValue(attribute)
	if !utf8.ValidString(s) || len(s) > 1024 {
		return ""
	}
	return s
}

func number(e *ldap.Entry, attribute string) int64 {
	n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(attribute), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// filetime is 100 ns since 1601 ([MS-DTYP] section 2.3.3).
func filetime(n int64) time.Time {
	const epoch = 116444736000000000
	if n <= 0 || n == 1<<63-1 {
		return time.Time{}
	}
	return time.UnixMicro((n - epoch) / 10).UTC()
}

// guidText writes an objectGUID as everybody reads it: the first three fields
// are little-endian ([MS-DTYP] section 2.3.4).
func guidText(b []byte) string {
	h := func(order ...int) string {
		out := make([]byte, len(order))
		for i, at := range order {
			out[i] = b[at]
		}
		return hex.EncodeToString(out)
	}
	return h(3, 2, 1, 0) + "-" + h(5, 4) + "-" + h(7, 6) + "-" + h(8, 9) + "-" + h(10, 11, 12, 13, 14, 15)
}

func guidBytes(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || len(s) != 36 {
		return nil, fmt.Errorf("%q is no identity", s)
	}
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	return b, nil
}
