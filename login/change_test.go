package login_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// settlePasswords joins what changes passwords.
func (w *world) settlePasswords(t *testing.T) {
	t.Helper()
	sealer, err := keys.NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.RulesOf(policy.ProfileBaseline)
	if err != nil {
		t.Fatal(err)
	}
	w.login.Passwords = &directory.Passwords{
		Gate: w.gate, Keeper: w.db, Intents: w.db, Rules: rules, Seal: sealer.Seal, Open: sealer.Open, Now: w.clock, Logger: slog.New(slog.DiscardHandler),
	}
	w.gate.After = w.login.Passwords.After
}

func (w *world) wantChange(a answer) templates.Password {
	w.Helper()
	v, ok := a.view.(templates.Password)
	if !ok || v.Way != templates.PasswordFirst {
		w.Fatalf("%d, %T", a.StatusCode, a.view)
	}
	return v
}

// TestT240_FirstLoginForcesAChange logs in with a start password: no session
// before it was changed, and the new one logs in.
func TestT240_FirstLoginForcesAChange(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		start, _, err := w.login.Passwords.Reset(t.Context(), "ab1001", directory.Hand{Actor: "helpdesk"}, "asked for")
		if err != nil {
			t.Fatal(err)
		}
		b := w.browser()
		flow := b.begin(documents)
		a := b.password(flow, "ab1001", start)
		v := w.wantChange(a)
		if v.Account != "ab1001" || v.Flow != flow || b.cookies["idp-session"] != "" || strings.Contains(a.body, start) {
			t.Fatalf("%+v", v)
		}
		post := func(old, password, again string) answer {
			return b.post("/login/change", "flow", flow, "account", "ab1001", "old", old, "new", password, "again", again)
		}
		const next = "Lanterns7&Fog"
		for _, c := range []struct{ old, password, again, fault string }{
			{start, next, "other", "differ"}, {start, "Taipei2026!", "Taipei2026!", "weak"}, {start, start, start, "used"},
		} {
			if v := w.wantChange(post(c.old, c.password, c.again)); !slices.Contains(v.Faults, c.fault) {
				t.Errorf("%q: %v", c.password, v.Faults)
			}
		}
		if v := w.wantChange(post("wrong", next, next)); v.Reason != idp.ReasonWrong {
			t.Errorf("%+v", v)
		}
		if v := w.wantChange(post(start, next, next)); !v.Done {
			t.Fatalf("%+v", v)
		}
		if b.cookies["idp-session"] != "" {
			t.Error("a session before the login")
		}
		if a := b.password(flow, "ab1001", next); a.StatusCode != 303 {
			t.Errorf("login with the new one: %d", a.StatusCode)
		}
	})
}

// TestT074_ChangePageCountsLikeTheLogin guesses at both in turn.
func TestT074_ChangePageCountsLikeTheLogin(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		flow := b.begin(documents)
		before := w.looks.n()
		for i := range 8 {
			guess := fmt.Sprint("wrong ", i)
			if i%2 == 0 {
				b.password(flow, "ab1001", guess)
				continue
			}
			b.post("/login/change", "flow", flow, "account", "ab1001", "old", guess, "new", "Lanterns7&Fog", "again", "Lanterns7&Fog")
		}
		if n := w.looks.n() - before; n != 5 {
			t.Errorf("%d looks at the password", n)
		}
		w.later(14*time.Minute + 59*time.Second)
		if v, ok := b.password(flow, "ab1001", "ab1001"+rightSuffix).view.(templates.Login); !ok || v.Reason != idp.ReasonLocked {
			t.Errorf("the right one: %+v", v)
		}
	})
}

// TestT060_ChangePageTellsNothingOfAccounts tries names that are nobody's.
func TestT060_ChangePageTellsNothingOfAccounts(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	var bodies []string
	for _, account := range []string{"ab1001", "zz9999"} {
		a := b.post("/login/change", "flow", flow, "account", account, "old", "wrong", "new", "Lanterns7&Fog", "again", "Lanterns7&Fog")
		bodies = append(bodies, strings.ReplaceAll(a.body, account, "NAME"))
	}
	if bodies[0] != bodies[1] {
		t.Error("the answers differ")
	}
}

// readOnly is a directory that asks for another password and takes none.
type readOnly struct{}

func (readOnly) Check(context.Context, idp.Account, string) error { return directory.ErrMustChange }

// TestChange_NothingToChange says so, where there is no account whose password
// could be set here.
func TestChange_NothingToChange(t *testing.T) {
	w := newWorld(t)
	w.gate.Routes = []directory.Route{{Backend: readOnly{}, Kinds: []idp.AccountKind{idp.AccountSingle}}}
	b := w.browser()
	flow := b.begin(documents)
	a := b.post("/login/change", "flow", flow, "account", "ab1001", "old", "Old-2026!", "new", "Lanterns7&Fog", "again", "Lanterns7&Fog")
	if v := w.wantChange(a); !v.Unbound || a.StatusCode != 200 {
		t.Errorf("%d %+v", a.StatusCode, v)
	}
}

// vault is a directory of the tests that keeps passwords by name.
type vault map[string]string

func (v vault) Check(_ context.Context, a idp.Account, password string) error {
	if a.PersonID == "" || v[a.Name] != password {
		return directory.ErrWrong
	}
	return nil
}

func (v vault) ChangeOf(_ context.Context, a idp.Account, _, password string) error {
	v[a.Name] = password
	return nil
}

func (v vault) SetOf(_ context.Context, a idp.Account, password string, _ bool) error {
	v[a.Name] = password
	return nil
}

// TestChange_FirstPasswordNamesTheAccountThatWasGiven logs in to the portal account
// of somebody for whom 代建代綁 made an account: the new password is that account's,
// which the person has to be told, and no word is said before the portal's was right.
func TestChange_FirstPasswordNamesTheAccountThatWasGiven(t *testing.T) {
	w := newWorld(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.db.PutPerson(t.Context(), directory.Record{
		Person:   idp.Person{ID: "p2", Subject: "p2", Name: "李小華", State: idp.PersonEnabled, UpdatedAt: w.clock()},
		Accounts: []idp.Account{{Name: "li", Kind: idp.AccountPortal}}, NationalIDHash: []byte("2"),
	}))
	job, given := &directory.Job{Store: w.db, Now: w.clock, Actor: "test"}, ""
	must(job.Provision(t.Context(), func(o directory.Outcome) { given = o.Account }))
	ad := vault{given: "nobody knows"}
	w.gate.Routes = []directory.Route{
		{Name: "ad", Backend: ad, Kinds: []idp.AccountKind{idp.AccountSingle, idp.AccountTPEAD}},
		{Name: "portal", Backend: vault{"li": "Portal-2026!"}, Kinds: []idp.AccountKind{idp.AccountPortal}},
	}
	teller := &directory.Teller{Effects: w.db, Doors: w.db, Gate: w.gate, Now: w.clock, Logger: w.gate.Logger}
	_, err := teller.Once(t.Context())
	must(err)
	b := w.browser()
	flow := b.begin(documents)
	says := func(a answer, given bool, want string) {
		t.Helper()
		v := w.wantChange(a)
		if (v.Given == want) != given || strings.Contains(a.body, want) != given {
			t.Errorf("%+v", v)
		}
		// What may not be in it is held against it as one types: all of the person's names.
		if slices.Contains(v.Own, "李小華") != (given && !v.Done) {
			t.Errorf("own: %v", v.Own)
		}
	}
	post := func(old, password string) answer {
		return b.post("/login/change", "flow", flow, "account", "LI", "old", old, "new", password, "again", password)
	}
	says(b.password(flow, "li", "Portal-2026!"), true, given)
	says(post("wrong", "Lanterns7&Fog"), false, given)
	says(post("Portal-2026!", "Taipei2026!"), true, given)
	// Who was told stays told when the page comes back, without a look at the old one.
	told := regexp.MustCompile(`name="told" value="([^"]*)"`)
	again := func(flow, account, old, password, again, told string) answer {
		return b.post("/login/change", "flow", flow, "account", account, "old", old, "new", password, "again", again, "told", told)
	}
	a := b.password(flow, "li", "Portal-2026!")
	for range 2 {
		m := told.FindStringSubmatch(a.body)
		if m == nil {
			t.Fatal("what was told is not in the form")
		}
		if a = again(flow, "li", "whatever", "Lanterns7&Fog", "other", m[1]); !slices.Contains(w.wantChange(a).Faults, "differ") {
			t.Errorf("%+v", a.view)
		}
		says(a, true, given)
	}
	kept := told.FindStringSubmatch(a.body)[1]
	says(again(flow, "li", "wrong", "Lanterns7&Fog", "Lanterns7&Fog", kept), true, given)
	says(again(flow, "ab1001", "x", "Lanterns7&Fog", "other", kept), false, given)
	says(again(b.begin(documents), "li", "x", "Lanterns7&Fog", "other", kept), false, given)
	says(again(flow, "li", "x", "Lanterns7&Fog", "other", kept[1:]), false, given)
	says(again(flow, "li", "x", "Lanterns7&Fog", "other", "A"+kept), false, given)
	a = post("Portal-2026!", "Lanterns7&Fog")
	says(a, true, given)
	if v := w.wantChange(a); !v.Done || ad[given] != "Lanterns7&Fog" {
		t.Errorf("%+v %v", v, ad)
	}
}
