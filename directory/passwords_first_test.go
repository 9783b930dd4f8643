package directory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// vault is an Active Directory of the tests that keeps passwords by name.
type vault struct {
	pw   map[string]string
	must error // what the right one does not open
}

func (v *vault) Check(_ context.Context, a idp.Account, password string) error {
	if a.PersonID == "" || v.pw[a.Name] != password {
		return directory.ErrWrong
	}
	return v.must
}

func (v *vault) ChangeOf(_ context.Context, a idp.Account, _, password string) error {
	v.pw[a.Name] = password
	return nil
}

func (v *vault) SetOf(_ context.Context, a idp.Account, password string, _ bool) error {
	v.pw[a.Name] = password
	return nil
}

func routed(name string, b directory.Backend, kinds ...idp.AccountKind) directory.Route {
	return directory.Route{Name: name, Backend: b, Kinds: kinds}
}

// TestPortalPasswordSetsNoPasswordThatSomebodyKnows tries it after 90 days, with a
// start password, and with a portal that asks for another password of its own.
func TestPortalPasswordSetsNoPasswordThatSomebodyKnows(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		v, portal := &vault{pw: map[string]string{"ab1234": "Secret-Of-AD-1!"}}, &vault{pw: map[string]string{"wang.daming": rightPassword}}
		there := routed("ad", v, idp.AccountSingle, idp.AccountTPEAD)
		routes := [][]directory.Route{{there}, {there, routed("portal", portal, idp.AccountPortal)}}
		steal := func(when string) {
			t.Helper()
			for i := range routes {
				d.world.Gate.Routes = routes[i]
				before := v.pw["ab1234"]
				_, err := d.ChangeFirst(d.context(), "wang.daming", rightPassword, "Attacker9&Fog!")
				if err == nil || v.pw["ab1234"] != before {
					t.Errorf("%s: the portal's password set that of the directory: %v", when, err)
				}
			}
		}
		d.world.Gate.Routes = routes[0]
		if err := d.change("Secret-Of-AD-1!", "Lanterns7&Fog"); err != nil {
			t.Fatal(err)
		}
		d.pass(91 * 24 * time.Hour)
		steal("after 90 days")
		for i := range routes {
			d.world.Gate.Routes = routes[i]
			d.want(d.try("wang.daming", rightPassword), "ok")
		}
		if _, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "why"); err != nil {
			t.Fatal(err)
		}
		steal("within a day of a reset")
		d.pass(25 * time.Hour)
		steal("a start password that has ended")
		portal.must = directory.ErrMustChange
		steal("the portal asks for another password")
		d.world.Gate.Routes = routes[1]
		d.want(d.try("wang.daming", rightPassword), "disabled")
	})
}

// given puts 李小華 (p2) with these portal accounts, and gives each an account of the
// directory: the names by those of the portal.
func (d *desk) given(t *testing.T, portals ...string) map[string]string {
	t.Helper()
	kept := d.Keeper.(*store.Store)
	r := directory.Record{Person: idp.Person{ID: "p2", Subject: "p2", Name: "李小華", State: idp.PersonEnabled, UpdatedAt: d.clock()}, NationalIDHash: []byte("2")}
	for _, name := range portals {
		r.Accounts = append(r.Accounts, idp.Account{Name: name, Kind: idp.AccountPortal})
	}
	given := map[string]string{}
	job := &directory.Job{Store: kept, Now: d.clock, Actor: "test"}
	err := kept.PutPerson(t.Context(), r)
	if err == nil {
		err = job.Provision(t.Context(), func(o directory.Outcome) { given[o.Former] = o.Account })
	}
	if err != nil {
		t.Fatal(err)
	}
	return given
}

// TestFirstPasswordOfAnAccountThatWasGiven is set once by the portal's password,
// and clears what is asked for that account alone.
func TestFirstPasswordOfAnAccountThatWasGiven(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		kept, must := d.Keeper.(*store.Store), func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		given := d.given(t, "li", "li2")
		v := &vault{pw: map[string]string{given["li"]: "nobody knows", given["li2"]: "nobody knows"}}
		portal := &vault{pw: map[string]string{"li": "Portal-2026!"}}
		d.world.Gate.Routes = []directory.Route{
			routed("ad", v, idp.AccountSingle, idp.AccountTPEAD), routed("portal", portal, idp.AccountPortal),
		}
		teller := &directory.Teller{Effects: kept, Doors: kept, Gate: d.world.Gate, Now: d.clock, Logger: d.world.Gate.Logger}
		_, err := teller.Once(t.Context())
		must(err)
		d.pass(time.Second)
		_, err = teller.Once(t.Context()) // of each person the oldest only
		must(err)
		for _, reason := range []error{nil, directory.ErrMustChange} { // whatever the portal asks for besides
			portal.must = reason
			if _, err := d.world.Gate.CheckPassword(d.context(), "li", "Portal-2026!"); !errors.Is(err, directory.ErrMustChange) {
				t.Fatalf("a login with the portal's password: %v", err)
			}
		}
		portal.must = nil
		done, err := d.ChangeFirst(d.context(), "li", "Portal-2026!", "Lanterns7&Fog")
		must(err)
		accounts, err := kept.AccountsOf(t.Context(), "p2")
		must(err)
		for _, a := range accounts {
			if want := strings.HasPrefix(v.pw[a.Name], "nobody"); a.MustSet != want {
				t.Errorf("%s: must be set %v, and its password is %q", a.Name, a.MustSet, v.pw[a.Name])
			}
		}
		if _, err := d.ChangeFirst(d.context(), "li", "Portal-2026!", "Attacker9&Fog!"); !errors.Is(err, idp.ErrUsed) || v.pw[done.Account] != "Lanterns7&Fog" {
			t.Errorf("again: %v", err)
		}
		// Two at the same time: the second finds that somebody knows it.
		standing, err := kept.PasswordStanding(t.Context(), "p2")
		must(err)
		err = kept.SetPassword(t.Context(), directory.NewPassword{
			PersonID: "p2", Since: standing.ChangedAt, At: d.clock(), Keep: 3, Accounts: []string{done.Account}, First: done.Account,
		})
		if !errors.Is(err, idp.ErrUsed) {
			t.Errorf("not the first one: %v", err)
		}
		err = kept.BeginPassword(t.Context(), directory.Intent{ID: "i", PersonID: "p2", Account: done.Account, New: directory.NewPassword{First: done.Account}})
		if !errors.Is(err, idp.ErrUsed) {
			t.Errorf("not the first one begun: %v", err)
		}
	})
}

// TestStartPasswordChangedAtThePC ends for the directory, and so for us.
func TestStartPasswordChangedAtThePC(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		v := &vault{pw: map[string]string{}}
		d.world.Gate.Routes = []directory.Route{routed("ad", v, idp.AccountSingle, idp.AccountTPEAD)}
		reset := func() (start string) {
			t.Helper()
			start, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "why")
			if err != nil {
				t.Fatal(err)
			}
			return start
		}
		change := func(old, password string) string {
			_, err := d.ChangeFirst(d.context(), "ab1234", old, password)
			return outcome(nil, err)
		}
		start := reset()
		v.must = directory.ErrMustChange
		d.pass(25 * time.Hour)
		if got := change(start, "Lanterns7&Fog"); got != "disabled" {
			t.Errorf("a start password that has ended: %s", got)
		}
		start = reset()
		v.must = nil
		d.want(d.try("ab1234", start), "ok") // by a controller that has not heard of it
		v.must = directory.ErrMustChange
		d.pass(25 * time.Hour)
		if got := change(start, "Lanterns7&Fog"); got != "disabled" {
			t.Errorf("a start password that has ended, after a late controller: %s", got)
		}
		reset()
		v.pw["ab1234"], v.must = "Changed-At-PC-1!", nil
		d.pass(25 * time.Hour)
		d.want(d.try("ab1234", "Changed-At-PC-1!"), "ok")
		v.must = directory.ErrMustChange // its administrators ask for another one
		if _, err := d.ChangeFirst(d.context(), "ab1234", "Changed-At-PC-1!", "Lanterns7&Fog"); err != nil {
			t.Error(err)
		}
	})
}

// TestT240_CardIsNoWayRoundTheHistory changes by the card as often as it takes to
// have the old one again.
func TestT240_CardIsNoWayRoundTheHistory(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		set := func(password string) error {
			_, err := d.SetByCard(d.context(), d.person(), password, "")
			return err
		}
		if err := set("Lanterns7&Fog"); err != nil {
			t.Fatal(err)
		}
		d.wantFault(set("Harbour9&Fog"), policy.FaultYoung)
		if _, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "why"); err != nil {
			t.Fatal(err)
		}
		if err := set("Harbour9&Fog"); err != nil { // an administrator's is no choice of the owner's
			t.Fatal(err)
		}
		d.pass(25 * time.Hour)
		if err := set("Sparrow4&Rain"); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAPasswordThatTheDirectorysAdministratorsSetIsKnown: whoever has logged in with it
// needs no first one, and the portal's password sets none.
func TestAPasswordThatTheDirectorysAdministratorsSetIsKnown(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		kept, names := d.Keeper.(*store.Store), d.given(t, "li", "li2")
		given := names["li"]
		v, portal := &vault{pw: map[string]string{given: "nobody knows", names["li2"]: "nobody knows"}}, &vault{pw: map[string]string{"li": "Portal-2026!"}}
		d.world.Gate.Routes = []directory.Route{
			routed("ad", v, idp.AccountSingle, idp.AccountTPEAD), routed("portal", portal, idp.AccountPortal),
		}
		teller := &directory.Teller{Effects: kept, Doors: kept, Gate: d.world.Gate, Now: d.clock, Logger: d.world.Gate.Logger}
		for range 2 { // of each person the oldest only
			if _, err := teller.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.pass(time.Second)
		}
		v.pw[given] = "Of-The-Administrators-1!"
		if _, err := d.world.Gate.CheckPassword(d.context(), "li", "Portal-2026!"); !errors.Is(err, directory.ErrMustChange) {
			t.Fatalf("nobody has used it yet: %v", err)
		}
		d.want(d.try(given, "wrong"), "wrong")
		if a, err := kept.Account(t.Context(), given); err != nil || !a.MustSet {
			t.Fatalf("a wrong password: %+v %v", a, err)
		}
		known := func() int {
			t.Helper()
			events, err := kept.Events(t.Context(), store.EventFilter{})
			if err != nil {
				t.Fatal(err)
			}
			return len(slices.DeleteFunc(events, func(e idp.Event) bool { return e.Kind != "password.known" || e.Detail != given || e.PersonID != "p2" }))
		}
		d.Keeper = forgetful{d.Keeper}
		d.want(d.try(given, "Of-The-Administrators-1!"), "unavailable") // what can't be noted opens nothing
		d.Keeper = kept
		if a, err := kept.Account(t.Context(), given); err != nil || !a.MustSet || known() != 0 {
			t.Fatalf("noted: %+v %v", a, err)
		}
		v.must = directory.ErrMustChange // as those ask who set a password for somebody
		if _, err := d.world.Gate.CheckPassword(d.context(), given, "Of-The-Administrators-1!"); !errors.Is(err, directory.ErrMustChange) {
			t.Fatal(err)
		}
		v.must = nil
		for _, name := range []string{given, names["li2"]} {
			if a, err := kept.Account(t.Context(), name); err != nil || a.MustSet != (name != given) {
				t.Errorf("%+v %v", a, err)
			}
		}
		d.want(d.try(given, "Of-The-Administrators-1!"), "ok")
		if n := known(); n != 1 {
			t.Errorf("%d events", n)
		}
		if _, err := d.ChangeFirst(d.context(), "li", "Portal-2026!", "Attacker9&Fog!"); err == nil || v.pw[given] != "Of-The-Administrators-1!" {
			t.Errorf("set over by the portal's password: %v", err)
		}
	})
}

// forgetful notes nothing.
type forgetful struct{ directory.PasswordKeeper }

func (forgetful) PasswordKnown(context.Context, string, string, idp.Event) error {
	return idp.ErrUnavailable
}
