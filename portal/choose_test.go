package portal_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

func (w *world) phase(from, to policy.Phase) {
	w.Helper()
	if err := w.db.SetPhase(w.Context(), from, to, w.clock()); err != nil {
		w.Fatal(err)
	}
}

// secondAccount binds the person's portal account to one of two TPEAD accounts.
func (w *world) secondAccount(account, portal, bound string, free ...string) {
	w.Helper()
	w.twoAccounts(account, portal, append([]string{bound}, free...)...)
	err := w.db.Bind(w.Context(), directory.Binding{Portal: portal, TPEAD: bound, PersonID: w.person[account].ID, How: "provision", At: w.clock()}, "test")
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantChoose(a answer) templates.Choose {
	w.Helper()
	v, ok := a.view.(templates.Choose)
	if !ok {
		w.Fatalf("%d, %T", a.StatusCode, a.view)
	}
	return v
}

// TestWhoHasTwoAccountsKeepsOne, when the portal is off; the other goes off in the
// directory too.
func TestWhoHasTwoAccountsKeepsOne(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.secondAccount("ab1001", "wang.xiaoming", "geaa-000001", "geaa-000002")
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		w.wantTo(b.post("/account/choose", "keep", "geaa-000002", "password", tpeadPassword), "/account/choose")
		if v := b.get("/").view.(templates.Home); v.Choose || len(w.wantChoose(b.get("/account/choose")).Accounts) != 0 {
			t.Error("asked while the portal is on")
		}
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		if v := b.get("/").view.(templates.Home); !v.Choose {
			t.Error("not asked")
		}
		if v := w.wantChoose(b.get("/account/choose")); len(v.Accounts) != 2 || !v.Accounts[0].Bound || v.Accounts[1].Bound {
			t.Fatalf("%+v", v.Accounts)
		}
		w.twoAccounts("ab1002", "ouyang", "geaa-000003")
		for _, c := range []struct {
			keep, password, fault string
			reason                idp.Reason
		}{
			{"", tpeadPassword, "incomplete", ""}, {"geaa-000002", "", "incomplete", ""}, {"geaa-000002", "wrong", "", idp.ReasonWrong},
			{"geaa-000003", tpeadPassword, "other_person", ""}, {"nobody", tpeadPassword, "", idp.ReasonWrong},
		} {
			if v := w.wantChoose(b.post("/account/choose", "keep", c.keep, "password", c.password)); v.Fault != c.fault || v.Reason != c.reason {
				t.Errorf("%+v: %+v", c, v)
			}
		}
		w.wantTo(b.post("/account/choose", "keep", "wang.xiaoming", "password", portalPassword), "/account/choose") // is none to keep
		if rivals, err := w.db.Rivals(t.Context(), w.person["ab1001"].ID); err != nil || len(rivals) != 2 {
			t.Fatalf("%+v %v", rivals, err)
		}
		w.wantTo(b.post("/account/choose", "keep", "GEAA-000002", "password", tpeadPassword), "/account/choose?done=kept")
		if v := w.wantChoose(b.get("/account/choose?done=kept")); v.Notice != "kept" || len(v.Accounts) != 0 {
			t.Errorf("%+v", v)
		}
		gate := w.portal.Passwords.Gate
		if p, err := gate.CheckPassword(t.Context(), "geaa-000002", tpeadPassword); err != nil || p.Username != "geaa-000002" || p.Subject != "sub-ab1001" {
			t.Errorf("%+v %v", p, err)
		}
		if _, err := gate.CheckPassword(t.Context(), "geaa-000001", tpeadPassword); err == nil {
			t.Error("the other one opens")
		}
		if bound, err := w.db.BindingOf(t.Context(), "wang.xiaoming"); err != nil || bound.TPEAD != "geaa-000002" {
			t.Errorf("%+v %v", bound, err)
		}
		effects, err := w.db.TakeEffects(t.Context(), "lease", w.clock(), w.clock().Add(1), 10)
		if err != nil || len(effects) != 1 || effects[0].Kind != directory.EffectDisable || effects[0].Account != "geaa-000001" {
			t.Errorf("%+v %v", effects, err)
		}
		if b.current() == nil {
			t.Error("the session ended")
		}
	})
}

func TestTwoChoicesAtOnceKeepOne(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.secondAccount("ab1001", "wang.xiaoming", "geaa-000001", "geaa-000002")
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		done := make(chan error, 8)
		for i := range cap(done) {
			go func() {
				done <- w.db.KeepOne(t.Context(), w.person["ab1001"].ID, []string{"geaa-000001", "geaa-000002"}[i%2], w.clock())
			}()
		}
		won := 0
		for range cap(done) {
			if err := <-done; err == nil {
				won++
			} else if !errors.Is(err, idp.ErrConflict) {
				t.Error(err)
			}
		}
		open := 0
		accounts, err := w.db.AccountsOf(t.Context(), w.person["ab1001"].ID)
		for _, a := range accounts {
			if a.Kind == idp.AccountTPEAD && !a.Closed {
				open++
			}
		}
		if err != nil || won != 1 || open != 1 {
			t.Errorf("%d choices, %d accounts open, %v", won, open, err)
		}
	})
}

// TestAccountThatWasNeverBoundIsClaimedLater, by its password, and may be kept.
func TestAccountThatWasNeverBoundIsClaimedLater(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.secondAccount("ab1001", "wang.xiaoming", "geaa-000001")
		w.twoAccounts("ab1002", "ouyang", "geaa-000003")
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		for _, c := range [][3]string{
			{"", "", "incomplete"}, {"geaa-000002", "wrong", ""}, {"geaa-000003", tpeadPassword, "other_person"}, {"wang.xiaoming", portalPassword, "kind"},
		} {
			if v := w.wantChoose(b.post("/account/claim", "own", "geaa-000001", "own_password", tpeadPassword, "tpead", c[0], "tpead_password", c[1])); v.Fault != c[2] {
				t.Errorf("%q: %+v", c, v)
			}
		}
		w.wantTo(b.post("/account/claim", "own", "GEAA-000001", "own_password", tpeadPassword, "tpead", "GEAA-000002", "tpead_password", tpeadPassword), "/account/choose?done=claimed")
		w.wantTo(b.post("/account/claim", "own", "geaa-000001", "own_password", tpeadPassword, "tpead", "GEAA-000002", "tpead_password", tpeadPassword), "/account/choose?done=claimed")
		w.wantInSession("account.claim")
		if v := w.wantChoose(b.get("/account/choose")); len(v.Accounts) != 2 {
			t.Fatalf("%+v", v)
		}
		w.wantTo(b.post("/account/choose", "keep", "geaa-000001", "password", tpeadPassword), "/account/choose?done=kept")
		if a, err := w.db.Account(t.Context(), "geaa-000002"); err != nil || !a.Closed {
			t.Errorf("%+v %v", a, err)
		}
	})
}

// TestMainPortalAccountIsBoundFirst: of two, the other gets a new TPEAD account.
func TestMainPortalAccountIsBoundFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.main", "geaa-000001", "geaa-000002")
		p := w.person["ab1001"]
		accounts, err := w.db.AccountsOf(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, idp.Account{Name: "wang.second", Kind: idp.AccountPortal, PersonID: p.ID})
		if err := w.db.PutPerson(t.Context(), directory.Record{Person: *p, Accounts: accounts}); err != nil {
			t.Fatal(err)
		}
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		a := b.get("/account/bind")
		if v := w.wantRebind(a); v.Portal != "wang.main" || len(v.Second) != 1 || !strings.Contains(a.body, "wang.second") {
			t.Errorf("%+v", v)
		}
		if v := w.wantRebind(b.bindAccounts("wang.second", portalPassword, "geaa-000001", tpeadPassword)); v.Fault != "main" || v.Bound {
			t.Errorf("%+v", v)
		}
		w.wantTo(b.bindAccounts("wang.main", portalPassword, "geaa-000001", tpeadPassword), "/account/bind?done=bound")
		if v := w.wantRebind(b.bindAccounts("wang.second", portalPassword, "geaa-000001", tpeadPassword)); v.Fault != "taken" {
			t.Errorf("%+v", v)
		}
		w.wantTo(b.bindAccounts("wang.second", portalPassword, "geaa-000002", tpeadPassword), "/account/bind?done=bound")
		w.wantInSession("account.bind")
	})
}

// wantInSession asserts that the newest event of the kind names its session: a
// report that the session was somebody else's finds it by that.
func (w *world) wantInSession(kind string) {
	w.Helper()
	list, err := w.db.Events(w.Context(), store.EventFilter{Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range list {
		if e.Kind == kind {
			if open, err := w.db.PersonSessions(w.Context(), e.PersonID, e.At); err != nil || len(open) != 1 || open[0].ID != e.SessionID {
				w.Errorf("%s in session %q, of %+v, %v", kind, e.SessionID, open, err)
			}
			return
		}
	}
	w.Errorf("no %s on record", kind)
}

// counted is a directory that counts how often it was asked.
type counted struct {
	elsewhere
	asked *atomic.Int64
}

func (c counted) Check(ctx context.Context, a idp.Account, password string) error {
	c.asked.Add(1)
	return c.elsewhere.Check(ctx, a, password)
}

// TestT053_NoEmptyPasswordReachesADirectory, from any form that takes one.
func TestT053_NoEmptyPasswordReachesADirectory(t *testing.T) {
	w := newWorld(t)
	w.secondAccount("ab1001", "wang.xiaoming", "geaa-000001", "geaa-000002")
	gate := w.portal.Passwords.Gate
	var asked atomic.Int64
	all := counted{elsewhere{"geaa-000001": tpeadPassword, "wang.xiaoming": portalPassword}, &asked}
	gate.Routes = []directory.Route{{Name: "all", Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountPortal}, Backend: all}}
	b := w.browser()
	b.in("ab1001", idp.MethodPassword)
	for _, phase := range []policy.Phase{policy.PhaseCoexist, policy.PhaseDirectory} {
		if phase != policy.PhaseCoexist {
			w.phase(policy.PhaseCoexist, phase)
		}
		for _, empty := range []string{"", "\x00", "\x00\x00", " ", "  \t ", "\u3000", "\u00a0"} {
			b.bindAccounts("wang.xiaoming", empty, "geaa-000001", empty)
			b.bindAccounts("wang.xiaoming", empty, "geaa-000001", tpeadPassword)
			b.post("/account/choose", "keep", "geaa-000001", "password", empty)
			b.post("/account/claim", "tpead", "geaa-000003", "tpead_password", empty)
			b.post("/password", "old", empty, "new", "Meadow7&Lantern", "again", "Meadow7&Lantern")
		}
		b.post("/account/bind", "portal", "wang.xiaoming", "tpead", "geaa-000001")
		b.post("/account/bind", "portal", "wang.xiaoming", "portal_password", portalPassword, "portal_password", portalPassword, "tpead", "geaa-000001", "tpead_password", "x")
		b.do("POST", "/account/bind", `{"portal":"wang.xiaoming","portal_password":null,"tpead":"geaa-000001","tpead_password":[]}`)
		b.post("/account/choose", "keep", "geaa-000001")
		b.post("/account/claim", "tpead", "geaa-000003")
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d binds reached the directory", n)
	}
	// The second password alone is empty: the first is looked at, the second never.
	w2 := newWorld(t)
	w2.twoAccounts("ab1001", "wang.xiaoming", "geaa-000001")
	var second atomic.Int64
	w2.portal.Passwords.Gate.Routes = []directory.Route{{Name: "tpead", Kinds: []idp.AccountKind{idp.AccountTPEAD}, Backend: counted{elsewhere{}, &second}}}
	b2 := w2.browser()
	b2.in("ab1001", idp.MethodPassword)
	for _, empty := range []string{"", "\x00", "   "} {
		b2.bindAccounts("wang.xiaoming", portalPassword, "geaa-000001", empty)
	}
	if n := second.Load(); n != 0 {
		t.Errorf("%d binds with an empty second password", n)
	}
}
