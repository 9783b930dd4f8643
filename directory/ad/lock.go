package ad

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
)

// LockedUntil returns the end of the directory's own lock on the account, zero
// if there is none. Where only a hand opens it, that is as long as ours holds.
func (d *Directory) LockedUntil(ctx context.Context, account idp.Account) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.Login)
	defer cancel()
	e, err := d.Find(ctx, account.Name)
	if err != nil || !e.Locked {
		return time.Time{}, err
	}
	if until := d.until(ctx, e); !until.IsZero() {
		return until, nil
	}
	return d.o.Now().Add(d.o.LockDuration), nil
}

// Unlock opens the directory's lock on the account and clears its count.
func (d *Directory) Unlock(ctx context.Context, account idp.Account) error {
	e, err := d.Find(ctx, account.Name)
	if err != nil {
		return err
	}
	if !e.Locked && e.BadPassword == 0 {
		return nil
	}
	m := ldap.NewModifyRequest(e.DN, nil)
	if d.o.Plain {
		m.Delete("pwdAccountLockedTime", nil)
	} else {
		m.Replace("lockoutTime", []string{"0"}) // [MS-ADTS] section 3.1.1.5.3.2: 0 is the only value that may be written
	}
	err = d.modify(ctx, m)
	if isCode(err, ldap.LDAPResultNoSuchAttribute) {
		return nil
	}
	return err
}

// until is when the directory opens the lock by itself; zero: unknown.
func (d *Directory) until(ctx context.Context, e *Entry) time.Time {
	if e.LockedAt.IsZero() {
		return time.Time{}
	}
	until := e.LockedAt.Add(d.lockDuration(ctx))
	if until.Before(d.o.Now()) {
		return time.Time{} // a rule of its own for this account
	}
	return until
}

// lockedNow asks again for a lock that a bind has met.
func (d *Directory) lockedNow(ctx context.Context, e *Entry) time.Time {
	again, err := d.Get(ctx, e.ID)
	if err != nil {
		return time.Time{}
	}
	return d.until(ctx, again)
}

// lockDuration is the domain's own, read at most once in ten minutes.
func (d *Directory) lockDuration(ctx context.Context) time.Duration {
	d.mu.Lock()
	have, fresh := d.lockFor, time.Since(d.lockRead) < 10*time.Minute
	d.mu.Unlock()
	if d.o.Plain {
		return d.o.LockDuration
	}
	if fresh {
		return have
	}
	root := d.domain()
	if root == "" {
		return d.o.LockDuration
	}
	err := d.do(ctx, true, func(c *conn) error {
		r, err := c.ldap.Search(ldap.NewSearchRequest(root, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
			"(objectClass=domain)", []string{"lockoutDuration"}, nil))
		if err != nil {
			return err
		}
		if len(r.Entries) != 1 {
			return enough(idp.ErrNotFound)
		}
		have = time.Duration(-number(r.Entries[0], "lockoutDuration")) * 100
		return nil
	})
	if err != nil || have <= 0 {
		return d.o.LockDuration
	}
	d.mu.Lock()
	d.lockFor, d.lockRead = have, time.Now()
	d.mu.Unlock()
	return have
}

// domain is the part of the base that names the domain: DC=tpead,DC=test.
func (d *Directory) domain() string {
	dn, err := ldap.ParseDN(d.o.Base)
	if err != nil {
		return ""
	}
	for i, rdn := range dn.RDNs {
		if len(rdn.Attributes) == 1 && strings.EqualFold(rdn.Attributes[0].Type, "DC") {
			return (&ldap.DN{RDNs: dn.RDNs[i:]}).String()
		}
	}
	return ""
}

// modify changes an entry, once.
func (d *Directory) modify(ctx context.Context, m *ldap.ModifyRequest) error {
	if err := d.do(ctx, false, func(c *conn) error { return c.ldap.Modify(m) }); err != nil {
		return fmt.Errorf("modify: %w", err)
	}
	return nil
}
