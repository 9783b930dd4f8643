package ad_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

func openPlain(t testing.TB, s *testenv.LDAP, change ...func(*ad.Options)) *ad.Directory {
	t.Helper()
	o := ad.Options{
		Name: "agency", Plain: true, Servers: []string{"ldaps://" + s.LDAPS}, CA: pool(s.CA), BindDN: s.Admin, Secret: s.Password,
		Base: "ou=people," + s.Base, GroupBase: "ou=groups," + s.Base, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, f := range change {
		f(&o)
	}
	d, err := ad.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestSlapd_AnAccountsLife(t *testing.T) {
	s := testenv.Slapd(t)
	ctx := t.Context()
	for name, address := range map[string]string{"LDAPS": "ldaps://" + s.LDAPS, "StartTLS": "ldap://" + s.LDAP} {
		t.Run(name, func(t *testing.T) {
			d := openPlain(t, s, func(o *ad.Options) { o.Servers = []string{address} })
			e := person(t, d)
			check(t, d, e.Name, rightPassword, "ok")
			check(t, d, e.Name, "Wrong-2026!", "wrong")
			check(t, d, "zz9999", rightPassword, "wrong")
		})
	}
	d := openPlain(t, s)
	e := person(t, d)
	if e.ID == "" || e.DisplayName != "王大明" {
		t.Errorf("%+v", e)
	}
	if _, err := d.Create(ctx, ad.NewAccount{Name: e.Name, Password: rightPassword}); !errors.Is(err, idp.ErrConflict) {
		t.Errorf("the same name again: %v", err)
	}
	if err := d.SetPassword(ctx, e.ID, "Second-2026!密", false); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, "Second-2026!密", "ok")
	if err := d.ChangePassword(ctx, e.ID, "Wrong-2026!", "Third-2026!"); !errors.Is(err, directory.ErrWrong) {
		t.Errorf("a wrong old password: %v", err)
	}
	if err := d.ChangePassword(ctx, e.ID, "Second-2026!密", "Third-2026!"); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, "Third-2026!", "ok")
	if err := d.SetPassword(ctx, e.ID, rightPassword, true); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "must change")
	if err := d.SetPassword(ctx, e.ID, rightPassword, false); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "ok")
	if err := d.Disable(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	if got := outcome(d.Check(ctx, account(e.Name), rightPassword)); got != "wrong" { // it calls every password wrong
		t.Errorf("disabled: %s", got)
	}
	if err := errors.Join(d.Enable(ctx, e.ID), d.Enable(ctx, e.ID)); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "ok")
	renamed, err := d.Rename(ctx, e.ID, "bb0001")
	if err != nil || renamed.ID != e.ID || renamed.Name != "bb0001" {
		t.Fatalf("%+v, %v", renamed, err)
	}
	check(t, d, "bb0001", rightPassword, "ok")
	if err := d.Delete(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
}

func TestSlapd_LockAndUnlock(t *testing.T) {
	s := testenv.Slapd(t)
	d := openPlain(t, s)
	e := person(t, d)
	h := newHouse(t, route(d))
	h.add("WATER", e.Name)
	for range 5 {
		check(t, d, e.Name, "Wrong-2026!", "wrong")
	}
	h.want(e.Name, rightPassword, "locked")
	state, err := h.State(t.Context(), e.Name)
	if err != nil || time.Until(state.LockedUntil) < 14*time.Minute {
		t.Errorf("%+v, %v", state, err)
	}
	if _, err := h.Unlock(t.Context(), e.Name, "helpdesk", "asked by telephone"); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, rightPassword, "ok")
}

func TestSlapd_Groups(t *testing.T) {
	s := testenv.Slapd(t)
	d := openPlain(t, s)
	ctx := t.Context()
	e := person(t, d)
	other := person(t, d)
	inner, err := d.CreateGroup(ctx, "inner", "ou=groups,"+s.Base, e.DN)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := d.CreateGroup(ctx, "outer", "ou=groups,"+s.Base, inner.DN)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.AddMember(ctx, inner.DN, outer.DN), d.AddMember(ctx, inner.DN, other.DN), d.AddMember(ctx, inner.DN, other.DN)); err != nil {
		t.Fatal(err) // a circle among them
	}
	if groups, err := d.Groups(ctx, e.DN); err != nil || len(groups) != 2 {
		t.Errorf("%v, %v", groups, err)
	}
	if in, err := d.InGroup(ctx, other.DN, outer.DN); err != nil || !in {
		t.Errorf("not in the outer one: %v", err)
	}
	n := 0
	if err := d.Members(ctx, inner.DN, func(string) error { n++; return nil }); err != nil || n != 3 {
		t.Errorf("%d members, %v", n, err)
	}
	if err := errors.Join(d.RemoveMember(ctx, inner.DN, other.DN), d.RemoveMember(ctx, inner.DN, other.DN)); err != nil {
		t.Fatal(err)
	}
	if in, err := d.InGroup(ctx, other.DN, outer.DN); err != nil || in {
		t.Errorf("still in the outer one: %v", err)
	}
}

func TestSlapd_BesideActiveDirectory(t *testing.T) {
	s, dc := testenv.Slapd(t), testenv.Samba(t)
	plain, city := openPlain(t, s), open(t, dc)
	a := person(t, plain, func(n *ad.NewAccount) { n.Password = "Agency-2026!" })
	if _, err := city.Create(t.Context(), ad.NewAccount{Name: a.Name, Password: rightPassword}); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, route(plain, "WATER"), route(city))
	h.add("WATER", a.Name)
	h.want(a.Name, "Agency-2026!", "ok")
	h.want(a.Name, rightPassword, "wrong")
	h.add("GEAA", a.Name)
	h.want(a.Name, rightPassword, "ok")
	h.want(a.Name, "Agency-2026!", "wrong")
}
