package ad_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

func TestSamba_AnAccountsLife(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	dc.Tool(t, "ou", "create", "OU=Staff,"+dc.Base)
	e := person(t, d)
	if e.ID == "" || e.UPN != e.Name+"@tpead.test" || e.DisplayName != "王大明" || e.Disabled || e.Service {
		t.Fatalf("%+v", e)
	}
	if _, err := d.Create(t.Context(), ad.NewAccount{Name: e.Name, Password: rightPassword}); !errors.Is(err, idp.ErrConflict) {
		t.Errorf("the same name again: %v", err)
	}
	if _, err := d.Create(t.Context(), ad.NewAccount{Name: "zz0000", Password: "short"}); !errors.Is(err, ad.ErrRefused) {
		t.Errorf("a password against the rules: %v", err)
	}
	if _, err := d.Find(t.Context(), "zz0000"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("half an account was left: %v", err)
	}
	ctx := t.Context()
	if err := d.Disable(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "disabled")
	if err := errors.Join(d.Enable(ctx, e.ID), d.Enable(ctx, e.ID)); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "ok")
	const second, third = "Second-2026!密", "Third-2026!🔑"
	if err := d.SetPassword(ctx, e.ID, second, false); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, second, "ok")
	if err := d.ChangePassword(ctx, e.ID, "Wrong-2026!", third); !errors.Is(err, directory.ErrWrong) {
		t.Errorf("a wrong old password: %v", err)
	}
	if err := d.ChangePassword(ctx, e.ID, second, "weak"); !errors.Is(err, ad.ErrRefused) || errors.Is(err, directory.ErrWrong) {
		t.Errorf("a weak new password: %v", err)
	}
	if err := d.ChangePassword(ctx, e.ID, second, third); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, third, "ok")
	if err := d.SetPassword(ctx, e.ID, rightPassword, true); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "must change")
	if err := d.SetPassword(ctx, e.ID, rightPassword, false); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, rightPassword, "ok")
	old := e.Name
	renamed, err := d.Rename(ctx, e.ID, "bb0001")
	if err != nil || renamed.ID != e.ID || renamed.Name != "bb0001" || renamed.UPN != "bb0001@tpead.test" || !strings.HasPrefix(renamed.DN, "CN=bb0001,") {
		t.Fatalf("%+v, %v", renamed, err)
	}
	if again, err := d.Rename(ctx, e.ID, "bb0001"); err != nil || again.DN != renamed.DN {
		t.Errorf("again: %v", err)
	}
	if _, err := d.Rename(ctx, e.ID, person(t, d).Name); !errors.Is(err, idp.ErrConflict) {
		t.Errorf("to a taken name: %v", err)
	}
	check(t, d, "bb0001", rightPassword, "ok")
	check(t, d, old, rightPassword, "wrong")
	moved, err := d.Move(ctx, e.ID, "OU=Staff,"+dc.Base)
	if err != nil || moved.DN != "CN=bb0001,OU=Staff,"+dc.Base || moved.ID != e.ID {
		t.Fatalf("%+v, %v", moved, err)
	}
	check(t, d, "bb0001", rightPassword, "ok")
	if _, err := d.Move(ctx, e.ID, "OU=Elsewhere,DC=other,DC=test"); err == nil {
		t.Error("moved out of the base")
	}
	if err := d.Delete(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(ctx, e.ID); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("after deleting: %v", err)
	}
}

func TestT055_NamesThatAreSyntaxInADN(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	for i, name := range []string{"a#b", "#ab", "a b", "李小明", "a'b", "a(b)", "a)(cn", "a&b", "a!b", "a{b}", "é-ü"} {
		e := person(t, d, func(n *ad.NewAccount) { n.Name = name })
		check(t, d, name, rightPassword, "ok")
		if found, err := d.Find(t.Context(), name); err != nil || found.ID != e.ID {
			t.Errorf("%q: %v", name, err)
		}
		group, err := d.CreateGroup(t.Context(), name+" g", "CN=Users,"+dc.Base, e.DN)
		if err != nil {
			t.Errorf("group of %q: %v", name, err)
			continue
		}
		if in, err := d.InGroup(t.Context(), e.DN, group.DN); err != nil || !in {
			t.Errorf("%q is not in its group: %v", name, err)
		}
		if i > 0 {
			other, err := d.Find(t.Context(), "a#b")
			if err != nil {
				t.Fatal(err)
			}
			if in, err := d.InGroup(t.Context(), other.DN, group.DN); err != nil || in {
				t.Errorf("a#b is in the group of %q: %v", name, err)
			}
		}
	}
	// What sAMAccountName can't hold may still be in a DN.
	for i, cn := range []string{`Doe\, John`, `Doe\+cn`, `\"Doe\"`, `a\\b`, `trail\ `, `\#doe`, `a/b`, `a\=b`, `a\;b`} {
		name := fmt.Sprintf("dn%04d", i)
		dc.Tool(t, "user", "create", name, rightPassword)
		e, err := d.Find(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := ad.RenameEntry(t.Context(), d, e.DN, "CN="+cn); err != nil {
			t.Errorf("%s: %v", cn, err)
			continue
		}
		check(t, d, name, rightPassword, "ok")
		e, err = d.Find(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		group, err := d.CreateGroup(t.Context(), name+" g", "CN=Users,"+dc.Base)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.AddMember(t.Context(), group.DN, e.DN); err != nil {
			t.Errorf("%s: %v", cn, err)
		}
		if groups, err := d.Groups(t.Context(), e.DN); err != nil || len(groups) != 1 || groups[0].ID != group.ID {
			t.Errorf("%s: groups %v, %v", cn, groups, err)
		}
	}
	for _, bad := range []string{"", "a,b", "a/b", `a\b`, "a+b", "a*b", "a=b", "a;b", `a"b`, " a", "a ", "a.", "a$", "a\x00b", strings.Repeat("x", 21), "a@b"} {
		if _, err := d.Create(t.Context(), ad.NewAccount{Name: bad, Password: rightPassword}); err == nil {
			t.Errorf("%q was made", bad)
		}
	}
}

func TestSamba_Groups(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	ctx := t.Context()
	e := person(t, d)
	users := "CN=Users," + dc.Base
	var chain []*ad.Group
	for i := range 4 {
		g, err := d.CreateGroup(ctx, fmt.Sprintf("level%d", i), users)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := d.AddMember(ctx, g.DN, chain[i-1].DN); err != nil {
				t.Fatal(err)
			}
		}
		chain = append(chain, g)
	}
	if err := errors.Join(d.AddMember(ctx, chain[0].DN, e.DN), d.AddMember(ctx, chain[0].DN, e.DN)); err != nil {
		t.Fatal(err)
	}
	if err := d.AddMember(ctx, chain[0].DN, chain[3].DN); err != nil { // a circle
		t.Fatal(err)
	}
	groups, err := d.Groups(ctx, e.DN)
	if err != nil || len(groups) != 4 {
		t.Errorf("%v, %v", groups, err)
	}
	if in, err := d.InGroup(ctx, e.DN, chain[3].DN); err != nil || !in {
		t.Errorf("not in the outermost: %v", err)
	}
	var members []string
	if err := d.Members(ctx, chain[0].DN, func(dn string) error { members = append(members, dn); return nil }); err != nil || len(members) != 2 {
		t.Errorf("%v, %v", members, err)
	}
	if err := errors.Join(d.RemoveMember(ctx, chain[0].DN, e.DN), d.RemoveMember(ctx, chain[0].DN, e.DN)); err != nil {
		t.Fatal(err)
	}
	if in, err := d.InGroup(ctx, e.DN, chain[3].DN); err != nil || in {
		t.Errorf("still in the outermost: %v", err)
	}
	if _, err := d.FindGroup(ctx, "level*"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("level*: %v", err)
	}
}

func TestSamba_GroupsInRanges(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	var all []string
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				e := person(t, d, func(n *ad.NewAccount) { n.Disabled = true })
				mu.Lock()
				all = append(all, e.DN)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	g, err := d.CreateGroup(t.Context(), "many", "CN=Users,"+dc.Base, all...)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	if err := d.Members(t.Context(), g.DN, func(dn string) error { seen[dn] = true; return nil }); err != nil || len(seen) != len(all) {
		t.Errorf("%d members, %v", len(seen), err)
	}
}

func TestT067_MachinesServicesAndBorrowedNames(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	dc.Tool(t, "computer", "create", "pc1")
	for _, name := range []string{"pc1$", "pc1", "dc1$", "krbtgt", "Administrator", "Guest"} {
		password := rightPassword
		if name == "Administrator" {
			password = dc.Password
		}
		check(t, d, name, password, "wrong")
	}
	dc.Tool(t, "ou", "create", "OU=Services,"+dc.Base)
	withServices := open(t, dc, func(o *ad.Options) { o.ServiceBase = "OU=Services," + dc.Base })
	service, err := withServices.Create(t.Context(), ad.NewAccount{Name: "svc-mail", Password: rightPassword, Service: true})
	if err != nil || !service.Service {
		t.Fatalf("%+v, %v", service, err)
	}
	check(t, withServices, "svc-mail", rightPassword, "wrong")
	// A user whose UPN is another's sAMAccountName, and the other way round.
	victim := person(t, d)
	thief := person(t, d, func(n *ad.NewAccount) { n.Password = "Thief-2026!" })
	ad.SetAttribute(t.Context(), t, d, thief.DN, "userPrincipalName", victim.Name+"@tpead.gov.test")
	check(t, d, victim.Name, "Thief-2026!", "wrong")
	check(t, d, victim.Name, rightPassword, "ok")
	check(t, d, thief.Name, rightPassword, "wrong")
	check(t, d, thief.Name, "Thief-2026!", "ok")
}

func TestT068_LongPasswordsWorkExactly(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	for _, password := range []string{
		strings.Repeat("xY3-", 16), strings.Repeat("密Aa1", 32), "Aa1" + strings.Repeat("🔑", 30), "Aa1-" + strings.Repeat("a", 72) + "tail", `Qu"ote\2026 `,
	} {
		e := person(t, d, func(n *ad.NewAccount) { n.Password = password })
		check(t, d, e.Name, password, "ok")
		runes := []rune(password)
		check(t, d, e.Name, string(runes[:len(runes)-1]), "wrong")
		check(t, d, e.Name, password+"x", "wrong")
	}
}

func TestT063_ControllersFail(t *testing.T) {
	dc := testenv.Samba(t)
	first, second := testenv.NewProxy(t, dc.LDAPS), testenv.NewProxy(t, dc.LDAPS)
	d := open(t, dc, func(o *ad.Options) { o.Servers = []string{"ldaps://" + first.Address, "ldaps://" + second.Address} })
	e := person(t, d)
	check(t, d, e.Name, rightPassword, "ok")
	first.Kill()
	within(t, 5*time.Second, func() { check(t, d, e.Name, rightPassword, "ok") })
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	second.Kill()
	within(t, 5*time.Second, func() { check(t, d, e.Name, rightPassword, "ok") })
	first.Kill()
	for range 3 { // all of them: fails closed, and was not looked at
		within(t, 5*time.Second, func() { check(t, d, e.Name, rightPassword, "not looked") })
	}
	if err := errors.Join(first.Start(), second.Start()); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() { check(t, d, e.Name, rightPassword, "ok") })
	first.Hang(true) // accepts, says nothing
	within(t, 5*time.Second, func() { check(t, d, e.Name, rightPassword, "ok") })
	second.Hang(true)
	within(t, 5*time.Second, func() { check(t, d, e.Name, rightPassword, "not looked") })
	first.Hang(false)
	second.Hang(false)
	first.Slow(100 * time.Millisecond)
	within(t, 5*time.Second, func() { check(t, d, e.Name, rightPassword, "ok") })
	found, err := d.Get(t.Context(), e.ID)
	if err != nil || found.BadPassword != 0 {
		t.Errorf("the controller counted %d, %v", found.BadPassword, err)
	}
}

func TestT063_KilledInTheMiddle(t *testing.T) {
	dc := testenv.Samba(t)
	first, second := testenv.NewProxy(t, dc.LDAPS), testenv.NewProxy(t, dc.LDAPS)
	d := open(t, dc, func(o *ad.Options) { o.Servers = []string{"ldaps://" + first.Address, "ldaps://" + second.Address} })
	e := person(t, d)
	stop := time.Now().Add(4 * time.Second)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				switch got := outcome(d.Check(t.Context(), account(e.Name), rightPassword)); got {
				case "ok", "not looked", "lost":
				default:
					t.Errorf("the right password: %s", got)
				}
			}
		})
	}
	for time.Now().Before(stop) {
		for _, p := range []*testenv.Proxy{first, second} {
			p.Kill()
			time.Sleep(150 * time.Millisecond)
			if err := p.Start(); err != nil {
				t.Error(err)
			}
			time.Sleep(150 * time.Millisecond)
		}
	}
	wg.Wait()
	within(t, 10*time.Second, func() { check(t, d, e.Name, rightPassword, "ok") })
	if found, err := d.Get(t.Context(), e.ID); err != nil || found.BadPassword != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}
