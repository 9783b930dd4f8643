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
	e, err := d.mine(ctx, account)
	if err != nil {
		return time.Time{}, err
	}
	until, locked := d.lock(ctx, e)
	if locked && until.IsZero() {
		until = d.o.Now().Add(d.o.LockDuration)
	}
	return until, nil
}

func (d *Directory) Unlock(ctx context.Context, account idp.Account) error {
	e, err := d.mine(ctx, account)
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

// lock tells whether a password may not be sent now: the directory has locked
// the account, or has counted as many failures as we ever let it count. until
// is when that ends by itself; zero: unknown.
func (d *Directory) lock(ctx context.Context, e *Entry) (until time.Time, locked bool) {
	if e.Locked {
		return d.until(ctx, e), true
	}
	if e.BadPassword < d.o.Failures || e.badAt == 0 {
		return time.Time{}, false
	}
	until = filetime(e.badAt).Add(d.lockRules(ctx).window)
	return until, until.After(d.o.Now())
}

// until is when the directory opens the lock by itself; zero: unknown.
func (d *Directory) until(ctx context.Context, e *Entry) time.Time {
	if e.LockedAt.IsZero() {
		return time.Time{}
	}
	until := e.LockedAt.Add(d.lockRules(ctx).duration)
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

// lockRules are a domain's: how long a lock holds, and how long a failure is
// remembered.
type lockRules struct{ duration, window time.Duration }

// lockRules are the domain's own, read at most once in ten minutes.
func (d *Directory) lockRules(ctx context.Context) lockRules {
	rules := lockRules{d.o.LockDuration, d.o.LockDuration}
	if d.o.Plain {
		return rules
	}
	d.mu.Lock()
	have, fresh := d.rules, time.Since(d.lockRead) < 10*time.Minute
	d.mu.Unlock()
	root := d.domain()
	switch {
	case fresh:
		return have
	case root == "":
		return rules
	}
	err := d.do(ctx, true, func(c *conn) error {
		r, err := c.ldap.Search(ldap.NewSearchRequest(root, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
			"(objectClass=domain)", []string{"lockoutDuration", "lockOutObservationWindow"}, nil))
		if err != nil {
			return err
		}
		if len(r.Entries) != 1 {
			return enough(idp.ErrNotFound)
		}
		for attribute, into := range map[string]*time.Duration{"lockoutDuration": &rules.duration, "lockOutObservationWindow": &rules.window} {
			// Negative, in 100 ns; "for ever" does not fit a duration.
			if n := number(r.Entries[0], attribute); n < 0 && n > -int64(365*24*time.Hour/100) {
				*into = time.Duration(-n) * 100
			}
		}
		return nil
	})
	if err != nil {
		return rules
	}
	d.mu.Lock()
	d.rules, d.lockRead = rules, time.Now()
	d.mu.Unlock()
	return rules
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
