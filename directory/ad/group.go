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

// inChain is LDAP_MATCHING_RULE_IN_CHAIN: the server itself goes through nested
// groups ([MS-ADTS] section 3.1.1.3.4.4.3).
const inChain = ":1.2.840.113556.1.4.1941:"

// maxNested bounds the nested groups of a plain directory that are gone through.
const maxNested = 10_000

// Group is a group of the directory.
type Group struct {
	ID   string
	DN   string
	Name string
}

func (d *Directory) groupClass() string {
	if d.o.Plain {
		return "(objectClass=groupOfNames)"
	}
	return "(objectClass=group)"
}

func (d *Directory) groupName() string {
	if d.o.Plain {
		return "cn"
	}
	return "sAMAccountName"
}

// FindGroup returns the group of exactly that name: idp.ErrNotFound, ErrAmbiguous.
func (d *Directory) FindGroup(ctx context.Context, name string) (*Group, error) {
	var found *Group
	err := d.do(ctx, true, func(c *conn) error {
		r, err := c.ldap.Search(ldap.NewSearchRequest(d.root(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false,
			"(&"+d.groupClass()+"("+d.groupName()+"="+ldap.EscapeFilter(name)+"))", []string{d.groupName(), d.o.IDAttribute}, nil))
		switch {
		case isCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(r.Entries) > 1:
			return enough(ErrAmbiguous)
		case err != nil:
			return err
		case len(r.Entries) == 0 || !sameName(r.Entries[0].GetEqualFoldAttributeValue(d.groupName()), name):
			return enough(idp.ErrNotFound)
		}
		found = d.group(r.Entries[0])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: find group: %w", d.o.Name, err)
	}
	return found, nil
}

func (d *Directory) group(e *ldap.Entry) *Group {
	g := &Group{DN: e.DN, Name: e.GetEqualFoldAttributeValue(d.groupName()), ID: e.GetEqualFoldAttributeValue(d.o.IDAttribute)}
	if raw := e.GetEqualFoldRawAttributeValue("objectGUID"); !d.o.Plain && len(raw) == 16 {
		g.ID = guidText(raw)
	}
	return g
}

// root is where groups are looked for.
func (d *Directory) root() string {
	if d.o.GroupBase != "" {
		return d.o.GroupBase
	}
	if root := d.domain(); root != "" {
		return root
	}
	return d.o.Base
}

// CreateGroup makes a group below a container. A plain directory's needs a
// first member.
func (d *Directory) CreateGroup(ctx context.Context, name, under string, members ...string) (*Group, error) {
	if err := d.checkName(name); err != nil {
		return nil, err
	}
	add := ldap.NewAddRequest("CN="+ldap.EscapeDN(name)+","+under, nil)
	if d.o.Plain {
		add.Attribute("objectClass", []string{"top", "groupOfNames"})
		add.Attribute("cn", []string{name})
	} else {
		add.Attribute("objectClass", []string{"top", "group"})
		add.Attribute("sAMAccountName", []string{name})
	}
	if len(members) > 0 {
		add.Attribute("member", members)
	}
	if err := d.do(ctx, false, func(c *conn) error { return c.ldap.Add(add) }); err != nil {
		return nil, fmt.Errorf("%s: create group: %w", d.o.Name, err)
	}
	return d.FindGroup(ctx, name)
}

// AddMember puts an account or group (by DN) into a group; being in it already
// is no error.
func (d *Directory) AddMember(ctx context.Context, group, member string) error {
	m := ldap.NewModifyRequest(group, nil)
	m.Add("member", []string{member})
	err := d.modify(ctx, m)
	if errors.Is(err, idp.ErrConflict) {
		return nil
	}
	return err
}

// RemoveMember takes it out again; not being in it is no error.
func (d *Directory) RemoveMember(ctx context.Context, group, member string) error {
	m := ldap.NewModifyRequest(group, nil)
	m.Delete("member", []string{member})
	err := d.modify(ctx, m)
	if isCode(err, ldap.LDAPResultNoSuchAttribute) || !d.o.Plain && isCode(err, ldap.LDAPResultUnwillingToPerform) {
		return nil // Active Directory answers unwillingToPerform
	}
	return err
}

// Groups lists all groups that a DN is in, through any nesting, in no order.
// Circles are no trouble.
func (d *Directory) Groups(ctx context.Context, dn string) ([]Group, error) {
	if !d.o.Plain {
		var found []Group
		err := d.each(ctx, "(&(objectClass=group)(member"+inChain+"="+ldap.EscapeFilter(dn)+"))", func(e *ldap.Entry) error {
			found = append(found, *d.group(e))
			return nil
		})
		return found, err
	}
	seen := map[string]bool{}
	var found []Group
	for next := []string{dn}; len(next) > 0; next = next[1:] {
		err := d.each(ctx, "(&(objectClass=groupOfNames)(member="+ldap.EscapeFilter(next[0])+"))", func(e *ldap.Entry) error {
			if key := strings.ToLower(e.DN); !seen[key] {
				if seen[key] = true; len(seen) > maxNested {
					return errTooMuch
				}
				found, next = append(found, *d.group(e)), append(next, e.DN)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// InGroup tells whether a DN is in the group, through any nesting.
func (d *Directory) InGroup(ctx context.Context, dn, group string) (bool, error) {
	if d.o.Plain {
		groups, err := d.Groups(ctx, dn)
		for _, g := range groups {
			if strings.EqualFold(g.DN, group) {
				return true, nil
			}
		}
		return false, err
	}
	found := false
	err := d.do(ctx, true, func(c *conn) error {
		r, err := c.ldap.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
			"(memberOf"+inChain+"="+ldap.EscapeFilter(group)+")", []string{"1.1"}, nil))
		found = err == nil && len(r.Entries) == 1
		return err
	})
	return found, err
}

// each goes through all entries of a search below the root of groups, one by one.
func (d *Directory) each(ctx context.Context, filter string, f func(*ldap.Entry) error) error {
	return d.pages(ctx, d.root(), filter, []string{d.groupName(), d.o.IDAttribute}, func(some []*ldap.Entry) error {
		for _, e := range some {
			if err := f(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// session runs several operations on one connection, each within the time for
// an answer. Nothing is repeated on another server: what was read would be
// read twice.
func (d *Directory) session(ctx context.Context, f func(run func(func(*conn) error) error) error) error {
	c, err := d.get(ctx)
	if err != nil {
		return err
	}
	if c.reused {
		if err := c.run(ctx, d.o.Answer, probe); trouble(err) {
			d.put(ctx, c, err)
			if c, err = d.get(ctx); err != nil {
				return err
			}
		}
	}
	err = f(func(op func(*conn) error) error { return c.run(ctx, d.o.Answer, op) })
	d.put(ctx, c, err)
	if trouble(err) {
		return fmt.Errorf("%s: %w: %w", d.o.Name, directory.ErrUnreachable, err)
	}
	return meaning(err)
}

// Members calls f with the DN of each direct member of a group. Large groups
// come in ranges ([MS-ADTS] section 3.1.1.3.1.3.3), so that memory does not
// grow with the group.
func (d *Directory) Members(ctx context.Context, group string, f func(dn string) error) error {
	from := 0
	return d.session(ctx, func(run func(func(*conn) error) error) error {
		for {
			var next int
			err := run(func(c *conn) (err error) {
				next, err = d.memberRange(c, group, from, f)
				return err
			})
			if err != nil || next < 0 {
				return err
			}
			if next <= from {
				return enough(errors.New("the ranges of a group's members don't go on"))
			}
			from = next
		}
	})
}

// memberRange reads one range and returns where the next begins, -1 after the
// last.
func (d *Directory) memberRange(c *conn, group string, from int, f func(string) error) (int, error) {
	attribute := "member"
	if !d.o.Plain {
		attribute = "member;range=" + strconv.Itoa(from) + "-*"
	}
	r, err := c.ldap.Search(ldap.NewSearchRequest(group, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		d.groupClass(), []string{attribute}, nil))
	if err != nil {
		return 0, err
	}
	if len(r.Entries) != 1 {
		return 0, enough(idp.ErrNotFound)
	}
	next := -1
	for _, a := range r.Entries[0].Attributes {
		ranged := false
		if !strings.EqualFold(a.Name, "member") {
			if ranged, next = parseRange(a.Name, next); !ranged {
				continue
			}
		}
		for _, dn := range a.Values {
			if err := f(dn); err != nil {
				return 0, enough(err)
			}
		}
	}
	return next, nil
}

// parseRange reads "member;range=1500-2999", whose next is 3000, or
// "member;range=3000-*", after which nothing comes.
func parseRange(name string, otherwise int) (ranged bool, next int) {
	lower := strings.ToLower(name)
	rest, ok := strings.CutPrefix(lower, "member;range=")
	if !ok {
		return false, otherwise
	}
	_, end, ok := strings.Cut(rest, "-")
	if !ok {
		return false, otherwise
	}
	if end == "*" {
		return true, -1
	}
	n, err := strconv.Atoi(end)
	if err != nil || n < 0 || n >= 1<<30 {
		return false, otherwise
	}
	return true, n + 1
}
