package portal_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// elsewhere is a directory of TPEAD accounts, by name and password.
type elsewhere map[string]string

func (e elsewhere) Check(_ context.Context, a idp.Account, password string) error {
	if right, ok := e[a.Name]; !ok || a.PersonID == "" || right != password {
		return directory.ErrWrong
	}
	return nil
}

const portalPassword, tpeadPassword = "Portal7&Fog", "Directory9&Rain"

// twoAccounts gives the person a portal account in our store and the names as
// TPEAD accounts that are known.
func (w *world) twoAccounts(account, portal string, tpead ...string) {
	w.Helper()
	hash, err := w.portal.Passwords.Gate.Hasher.Hash(w.Context(), portalPassword)
	if err != nil {
		w.Fatal(err)
	}
	p := w.person[account]
	record := directory.Record{Person: *p, PasswordHash: hash, Accounts: []idp.Account{{Name: portal, Kind: idp.AccountPortal, PersonID: p.ID}}}
	for _, name := range tpead {
		record.Accounts = append(record.Accounts, idp.Account{Name: name, Kind: idp.AccountTPEAD, PersonID: p.ID})
	}
	if err := w.db.PutPerson(w.Context(), record); err != nil {
		w.Fatal(err)
	}
}

func (b *browser) bindAccounts(portal, portalPassword, tpead, tpeadPassword string) answer {
	b.Helper()
	return b.post("/account/bind", "portal", portal, "portal_password", portalPassword, "tpead", tpead, "tpead_password", tpeadPassword)
}

func (w *world) wantRebind(a answer) templates.Rebind {
	w.Helper()
	v, ok := a.view.(templates.Rebind)
	if !ok {
		w.Fatalf("%d, %T", a.StatusCode, a.view)
	}
	return v
}

// settleBinder joins what binds accounts; TPEAD accounts are looked at elsewhere.
func (w *world) settleBinder() {
	gate := w.portal.Passwords.Gate
	gate.Admits = policy.Phase.Admits
	gate.Routes = []directory.Route{{Name: "tpead", Kinds: []idp.AccountKind{idp.AccountTPEAD}, Backend: elsewhere{
		"geaa-000001": tpeadPassword, "geaa-000002": tpeadPassword, "geaa-000003": tpeadPassword,
	}}}
	w.portal.Binder = &directory.Binder{Gate: gate, Store: w.db, Phases: w.db, Choices: w.db, Now: w.clock}
}

func TestAccountsAreBoundByBothPasswords(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.xiaoming", "geaa-000001")
		w.twoAccounts("ab1002", "ouyang", "geaa-000002")
		b := w.browser()
		b.wantFlow(b.get("/account/bind"))
		b.in("ab1001", idp.MethodPassword)
		if v := w.wantRebind(b.get("/account/bind")); v.Portal != "wang.xiaoming" || v.Bound || v.Off {
			t.Fatalf("%+v", v)
		}
		for _, c := range []struct {
			portal, portalPassword, tpead, tpeadPassword string
			fault                                        string
			reason                                       idp.Reason
		}{
			{"", "", "", "", "incomplete", ""},
			{"wang.xiaoming", "wrong", "geaa-000001", tpeadPassword, "", idp.ReasonWrong},
			{"wang.xiaoming", portalPassword, "geaa-000001", "wrong", "", idp.ReasonWrong},
			{"wang.xiaoming", portalPassword, "geaa-999999", tpeadPassword, "", idp.ReasonWrong},
			{"nobody", portalPassword, "geaa-000001", tpeadPassword, "", idp.ReasonWrong},
			{"geaa-000001", tpeadPassword, "wang.xiaoming", portalPassword, "kind", ""},
			{"wang.xiaoming", portalPassword, "wang.xiaoming", portalPassword, "kind", ""},
			{"ouyang", portalPassword, "geaa-000002", tpeadPassword, "other_person", ""},
			{"wang.xiaoming", portalPassword, "geaa-000002", tpeadPassword, "other_person", ""},
		} {
			a := b.bindAccounts(c.portal, c.portalPassword, c.tpead, c.tpeadPassword)
			if v := w.wantRebind(a); v.Fault != c.fault || v.Reason != c.reason || v.Bound || strings.Contains(a.body, portalPassword) {
				t.Errorf("%+v: %+v", c, v)
			}
		}
		w.wantTo(b.bindAccounts("WANG.xiaoming ", portalPassword, "GEAA-000001", tpeadPassword), "/account/bind?done=bound")
		if v := w.wantRebind(b.get("/account/bind?done=bound")); !v.Bound || v.TPEAD != "geaa-000001" || v.Notice != "bound" {
			t.Errorf("%+v", v)
		}
		if v := w.wantRebind(b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", tpeadPassword)); v.Fault != "same" {
			t.Errorf("again: %+v", v)
		}
		// From now on the phase lets the TPEAD account in.
		if _, err := w.portal.Passwords.Gate.CheckPassword(t.Context(), "GEAA-000001", tpeadPassword); err != nil {
			t.Error(err)
		}
	})
}

// TestUnknownTPEADAccountIsClaimed binds an account that only the directory
// knows: by whoever proves it first, and by nobody else.
func TestUnknownTPEADAccountIsClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.xiaoming")
		w.twoAccounts("ab1002", "ouyang")
		one, two := w.browser(), w.browser()
		one.in("ab1001", idp.MethodPassword)
		two.in("ab1002", idp.MethodPassword)
		w.wantTo(one.bindAccounts("wang.xiaoming", portalPassword, "geaa-000003", tpeadPassword), "/account/bind?done=bound")
		if v := w.wantRebind(two.bindAccounts("ouyang", portalPassword, "geaa-000003", tpeadPassword)); v.Fault != "other_person" {
			t.Errorf("%+v", v)
		}
		a, err := w.db.Account(t.Context(), "geaa-000003")
		if err != nil || a.PersonID != w.person["ab1001"].ID || a.Kind != idp.AccountTPEAD {
			t.Fatalf("%+v, %v", a, err)
		}
		// Bound again, to another one: the old binding is gone.
		w.wantTo(one.bindAccounts("wang.xiaoming", portalPassword, "geaa-000002", tpeadPassword), "/account/bind?done=bound")
		if b, err := w.db.BoundOf(t.Context(), w.person["ab1001"].ID); err != nil || b.TPEAD != "geaa-000002" {
			t.Errorf("%+v, %v", b, err)
		}
	})
}

// TestT074_BindingCountsLikeTheLogin guesses at either side.
func TestT074_BindingCountsLikeTheLogin(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.xiaoming", "geaa-000001")
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		for range 5 {
			b.bindAccounts("wang.xiaoming", "wrong", "geaa-000001", "wrong")
		}
		if v := w.wantRebind(b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", tpeadPassword)); v.Reason != idp.ReasonLocked || v.LockedUntil.IsZero() {
			t.Errorf("%+v", v)
		}
		w.later(16 * time.Minute)
		b.in("ab1001", idp.MethodPassword)
		w.wantTo(b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", tpeadPassword), "/account/bind?done=bound")
	})
}

func TestWithoutTPEADAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.xiaoming", "geaa-000001")
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		w.wantTo(b.post("/account/none"), "/account/bind?done=none")
		if v := w.wantRebind(b.get("/account/bind")); !v.None || v.Bound {
			t.Errorf("%+v", v)
		}
		w.wantTo(b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", tpeadPassword), "/account/bind?done=bound")
		if v := w.wantRebind(b.get("/account/bind")); v.None || !v.Bound {
			t.Errorf("%+v", v)
		}
		if err := w.db.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, w.clock()); err != nil {
			t.Fatal(err)
		}
		if v := w.wantRebind(b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", tpeadPassword)); !v.Off {
			t.Errorf("%+v", v)
		}
	})
}

// marked says more of names.
type marked struct {
	directory.Phases
	facts policy.NameFacts
}

func (m marked) NameFacts(ctx context.Context, name string) (policy.Phase, policy.NameFacts, error) {
	phase, f, err := m.Phases.NameFacts(ctx, name)
	f.Renamed, f.Closed = m.facts.Renamed, m.facts.Closed
	return phase, f, err
}

// TestRebind_SaysWhyNot tells somebody who was renamed, and whose account is closed,
// apart from a binding that stands in the way.
func TestRebind_SaysWhyNot(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.xiaoming", "geaa-000001")
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		for fault, facts := range map[string]policy.NameFacts{"renamed": {Renamed: true}, "closed": {Closed: true}} {
			w.portal.Binder.Phases = marked{w.db, facts}
			if v := w.wantRebind(b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", tpeadPassword)); v.Fault != fault {
				t.Errorf("%s: %+v", fault, v)
			}
			// Only who knows the password is told.
			if v := w.wantRebind(b.bindAccounts("wang.xiaoming", "wrong", "geaa-000001", tpeadPassword)); v.Fault != "" || v.Reason != idp.ReasonWrong {
				t.Errorf("%s, with a wrong password: %+v", fault, v)
			}
		}
	})
}

// withShared says of one account that it is a shared one.
type withShared struct {
	directory.Phases
	name string
}

func (s withShared) NameFacts(ctx context.Context, name string) (policy.Phase, policy.NameFacts, error) {
	phase, facts, err := s.Phases.NameFacts(ctx, name)
	facts.Shared = facts.Shared || name == s.name
	return phase, facts, err
}

// TestASharedAccountIsToldThatItIsOne sees no form that could not be used, and can't
// say that the city will give it an account.
func TestASharedAccountIsToldThatItIsOne(t *testing.T) {
	w := newWorld(t)
	w.twoAccounts("ab1002", "box")
	w.portal.Binder.Phases = withShared{w.db, "box"}
	b := w.browser()
	b.in("ab1002", idp.MethodPassword)
	a := b.get("/account/bind")
	if v := w.wantRebind(a); !v.Shared || strings.Contains(a.body, "tpead_password") || strings.Contains(a.body, "/account/none") ||
		!strings.Contains(a.body, "公用帳號") {
		t.Errorf("%+v", v)
	}
	if a := b.post("/account/none"); a.StatusCode != 200 || w.wantRebind(a).None {
		t.Errorf("%d %+v", a.StatusCode, a.view)
	}
	if bound, err := w.db.BoundOf(t.Context(), w.person["ab1002"].ID); err != nil || bound.None {
		t.Errorf("%+v %v", bound, err)
	}
}
