package portal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// shown is a directory that shows names.
type shown struct {
	elsewhere
	names map[string]string
}

func (s shown) ShownName(_ context.Context, a idp.Account) (string, error) {
	if name, ok := s.names[a.Name]; ok {
		return name, nil
	}
	return "", idp.ErrNotFound
}

func (w *world) showNames(names map[string]string) {
	route := &w.portal.Passwords.Gate.Routes[0]
	switch b := route.Backend.(type) {
	case shown:
		route.Backend = shown{b.elsewhere, names}
	case elsewhere:
		route.Backend = shown{b, names}
	}
}

// TestNobodyTakesAPersonOverByClaiming: who finds an open PC adds no account of
// their own to its person, and keeps none.
func TestNobodyTakesAPersonOverByClaiming(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.secondAccount("ab1001", "wang.xiaoming", "geaa-000001")
		w.twoAccounts("ab1002", "ouyang", "geaa-000003")
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		gate := w.portal.Passwords.Gate
		victim := w.person["ab1001"].ID
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		claim := func(own, password, tpead string) (string, idp.Reason) {
			v := w.wantChoose(b.post("/account/claim", "own", own, "own_password", password, "tpead", tpead, "tpead_password", tpeadPassword))
			return v.Fault, v.Reason
		}
		for _, c := range []struct {
			own, password, fault string
			reason               idp.Reason
		}{
			{"", "", "own", ""}, {"geaa-000001", "", "own", ""}, {"geaa-000001", "wrong", "", idp.ReasonWrong},
			{"geaa-000002", tpeadPassword, "", idp.ReasonWrong}, // the attacker's, which is nobody's here
			{"geaa-000003", tpeadPassword, "other_person", ""},  // the attacker's own
			{"wang.xiaoming", portalPassword, "own", ""},        // opens nothing any more
		} {
			if fault, reason := claim(c.own, c.password, "geaa-000002"); fault != c.fault || reason != c.reason {
				t.Errorf("%+v: %q %q", c, fault, reason)
			}
		}
		if _, err := w.db.Account(t.Context(), "geaa-000002"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("claimed: %v", err)
		}
		w.showNames(map[string]string{"geaa-000002": "陳大文"})
		if fault, _ := claim("geaa-000001", tpeadPassword, "geaa-000002"); fault != "other_name" {
			t.Error(fault)
		}
		w.showNames(map[string]string{"geaa-000002": "王小明"})
		// What was claimed before a proof was asked for opens nothing, and is not kept by its own password.
		if err := w.db.Claim(t.Context(), victim, "geaa-000002", w.clock()); err != nil {
			t.Fatal(err)
		}
		if _, err := gate.CheckPassword(t.Context(), "geaa-000002", tpeadPassword); err == nil {
			t.Error("what was only claimed logs in")
		}
		page := w.wantChoose(b.get("/account/choose"))
		if len(page.Accounts) != 2 || !page.KeepOwn || !page.ClaimOwn {
			t.Errorf("%+v", page)
		}
		for _, own := range []string{"", "geaa-000002"} {
			if v := w.wantChoose(b.post("/account/choose", "keep", "geaa-000002", "password", tpeadPassword, "own", own, "own_password", tpeadPassword)); v.Fault != "own" {
				t.Errorf("%q: %+v", own, v)
			}
		}
		w.wantTo(b.post("/account/choose", "keep", "geaa-000002", "password", tpeadPassword, "own", "geaa-000001", "own_password", tpeadPassword), "/account/choose?done=kept")
		if _, err := gate.CheckPassword(t.Context(), "geaa-000002", tpeadPassword); err != nil {
			t.Errorf("what was kept: %v", err)
		}
	})
}

// TestTheCardProvesWhoClaims, for ten minutes; a person's only account needs no
// choice, and logs in at once.
func TestTheCardProvesWhoClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.twoAccounts("ab1001", "wang.xiaoming")
		w.showNames(map[string]string{"geaa-000001": "王小明 "})
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		b := w.browser()
		b.in("ab1001", idp.MethodCard)
		w.later(11 * time.Minute)
		if v := w.wantChoose(b.post("/account/claim", "tpead", "geaa-000001", "tpead_password", tpeadPassword)); v.Fault != "own" {
			t.Errorf("%+v", v)
		}
		b.in("ab1001", idp.MethodCard)
		if v := w.wantChoose(b.get("/account/choose")); v.ClaimOwn {
			t.Error("asked for more than the card")
		}
		w.wantTo(b.post("/account/claim", "tpead", "geaa-000001", "tpead_password", tpeadPassword), "/account/choose?done=claimed")
		if p, err := w.portal.Passwords.Gate.CheckPassword(t.Context(), "geaa-000001", tpeadPassword); err != nil || p.ID != w.person["ab1001"].ID {
			t.Errorf("%+v %v", p, err)
		}
	})
}

// TestNobodyKeepsWhatOpensNothing: of a person who has a single account by a
// rename, and of everybody in the last phase, nothing else logs in.
func TestNobodyKeepsWhatOpensNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for i, account := range []string{"ab1001", "ab1002"} {
			old, other := []string{"geaa-000001", "geaa-000003"}[i], []string{"geaa-000002", "geaa-000004"}[i]
			w.secondAccount(account, []string{"wang.xiaoming", "ouyang"}[i], old, other)
			w.portal.Passwords.Gate.Routes[0].Backend.(elsewhere)[[]string{"xy1001", "xy1002"}[i]] = tpeadPassword
			w.portal.Passwords.Gate.Routes[0].Backend.(elsewhere)["geaa-000004"] = tpeadPassword
		}
		w.portal.Passwords.Gate.Routes[0].Kinds = []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		// The first was renamed in the phase before the last.
		rename := func(account, former, name string) {
			err := w.db.Rename(t.Context(), directory.Given{
				Candidate: directory.Candidate{PersonID: w.person[account].ID, Former: former}, Account: name, At: w.clock(), Actor: "test",
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		rename("ab1001", "geaa-000001", "xy1001")
		b := w.browser()
		b.in("ab1001", idp.MethodCard)
		check := func(past, single string) {
			t.Helper()
			v := w.wantChoose(b.post("/account/choose", "keep", past, "password", tpeadPassword))
			if v.Fault != "past" || len(v.Accounts) != 2 {
				t.Errorf("%+v", v)
			}
			for _, a := range v.Accounts {
				if a.Past != (a.Name == past) {
					t.Errorf("%+v", a)
				}
			}
			if err := w.db.KeepOne(t.Context(), b.current().Person.ID, past, w.clock()); !errors.Is(err, idp.ErrConflict) {
				t.Errorf("kept: %v", err)
			}
			w.wantTo(b.post("/account/choose", "keep", single, "password", tpeadPassword), "/account/choose?done=kept")
			if _, err := w.portal.Passwords.Gate.CheckPassword(t.Context(), single, tpeadPassword); err != nil {
				t.Errorf("what was kept: %v", err)
			}
		}
		check("geaa-000002", "xy1001")
		w.phase(policy.PhaseDirectory, policy.PhaseSingle)
		b.in("ab1002", idp.MethodCard)
		if v := w.wantChoose(b.get("/account/choose")); len(v.Accounts) != 0 {
			t.Errorf("two to choose from that open nothing: %+v", v)
		}
		if err := w.db.KeepOne(t.Context(), w.person["ab1002"].ID, "geaa-000003", w.clock()); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("kept: %v", err)
		}
		rename("ab1002", "geaa-000003", "xy1002")
		check("geaa-000004", "xy1002")
	})
}
