package ad_test

import (
	"testing"
	"time"

	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

func TestSamba_PasswordsAreLookedAt(t *testing.T) {
	dc := testenv.Samba(t)
	for name, address := range map[string]string{"LDAPS": "ldaps://" + dc.LDAPS, "StartTLS": "ldap://" + dc.LDAP} {
		t.Run(name, func(t *testing.T) {
			d := open(t, dc, func(o *ad.Options) { o.Servers = []string{address} })
			e := person(t, d)
			check(t, d, e.Name, rightPassword, "ok")
			check(t, d, e.Name, "Wrong-2026!", "wrong")
			check(t, d, "zz9999", rightPassword, "wrong")
			check(t, d, e.Name, rightPassword, "ok")
		})
	}
}

func TestSamba_States(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	disabled := person(t, d, func(n *ad.NewAccount) { n.Disabled = true })
	check(t, d, disabled.Name, "Wrong-2026!", "wrong")
	check(t, d, disabled.Name, rightPassword, "disabled")
	must := person(t, d, func(n *ad.NewAccount) { n.MustChange = true })
	check(t, d, must.Name, rightPassword, "must change")
	locked := person(t, d)
	for range 5 {
		check(t, d, locked.Name, "Wrong-2026!", "wrong")
	}
	check(t, d, locked.Name, rightPassword, "locked")
	until, err := d.LockedUntil(t.Context(), account(locked.Name))
	if err != nil || time.Until(until) < 14*time.Minute || time.Until(until) > 15*time.Minute+time.Second {
		t.Errorf("locked until %v, %v", until, err)
	}
	if err := d.Unlock(t.Context(), account(locked.Name)); err != nil {
		t.Fatal(err)
	}
	check(t, d, locked.Name, rightPassword, "ok")
}
