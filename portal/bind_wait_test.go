package portal_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

// administrator gives the person a role.
func (w *world) administrator(account string, kind policy.RoleKind, agency string) string {
	w.Helper()
	id := w.person[account].ID
	err := w.db.GrantRole(w.Context(), store.Granted{
		Role: policy.Role{Kind: kind, Agency: agency}, Person: idp.Person{ID: id}, By: "operator:root", At: w.clock(), Reason: "applied for",
	})
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// reset sets a password as an administrator does.
func (w *world) reset(account, actor string) {
	w.Helper()
	standing, err := w.db.PasswordStanding(w.Context(), w.person[account].ID)
	if err == nil {
		w.later(time.Second)
		err = w.db.SetPassword(w.Context(), directory.NewPassword{
			PersonID: w.person[account].ID, Hash: "h", Keep: 3, Reset: true, Actor: actor, Since: standing.ChangedAt, At: w.clock(),
		})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// asks brings the card of the person through the wizard.
func (b *browser) asks(account string, card softCard) answer {
	b.Helper()
	b.in(account, idp.MethodPassword)
	v := b.wantBind(b.card(card), 4, "")
	return b.post("/card/bind/confirm", "pending", v.Pending, "consent", "yes")
}

func (w *world) waits(account string) *directory.WaitingCard {
	w.Helper()
	found, err := w.db.WaitingOf(w.Context(), w.person[account].ID)
	if err != nil {
		w.Fatal(err)
	}
	return found
}

func (w *world) decide(approve bool, id, administrator, operator string) error {
	d := directory.Decision{ID: id, PersonID: administrator, Operator: operator, Reason: "was here with the ID card", At: w.clock()}
	call := w.db.RefuseCard
	if approve {
		call = w.db.ApproveCard
	}
	_, err := call(w.Context(), d, idp.Event{At: w.clock(), Kind: "card.approve", Result: "ok", Actor: directory.ActorOf(administrator)})
	return err
}

func (w *world) bound(account string) bool {
	w.Helper()
	cards, err := w.db.CardsOf(w.Context(), w.person[account].ID)
	if err != nil {
		w.Fatal(err)
	}
	return len(cards) > 0
}

// TestOneAdministratorCanNotBecomeSomebody: a new password and a card of the same
// name are not enough.
func TestOneAdministratorCanNotBecomeSomebody(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		maker, second := w.administrator("ab1002", policy.RolePeople, "379000000A"), w.administrator("ab1003", policy.RoleHelpdesk, "")
		w.reset("ab1001", directory.ActorOf(maker))
		card := w.newCard(0, "王小明", "0000000000001001", "6789")
		b := w.browser()
		w.wantTo(b.asks("ab1001", card), "/card/bind")
		a := b.get("/card/bind")
		v := w.wantBind(a, 4, "")
		if v.Waiting == nil || v.Waiting.State != templates.WaitingOpen || !v.Waiting.EndsAt.Equal(w.clock().Add(7*24*time.Hour)) ||
			!strings.Contains(a.body, "等候第二位管理者核准") || w.bound("ab1001") || len(b.current().Session.Evidence) != 1 {
			t.Fatalf("%+v", v.Waiting)
		}
		if _, _, err := w.db.CardByHolder(t.Context(), keyID(card), "0000000000001001"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("the card opens something: %v", err)
		}
		waiting := w.waits("ab1001")
		if len(waiting.Changes) != 1 || waiting.Changes[0].What != directory.ChangedPassword || waiting.Changes[0].Name != "歐陽上官令狐" {
			t.Errorf("%+v", waiting.Changes)
		}
		id := waiting.ID
		for who, c := range map[string]struct {
			administrator, operator string
			want                    error
		}{
			"who changed it":            {maker, "", directory.DecisionSelf},
			"the person":                {w.person["ab1001"].ID, "", idp.ErrNotFound},
			"nobody":                    {"", "", idp.ErrNotFound},
			"an operator for who did":   {maker, "operator:bob", directory.DecisionSelf},
			"an operator who is nobody": {"no-such-person", "operator:bob", idp.ErrNotFound},
		} {
			if err := w.decide(true, id, c.administrator, c.operator); !errors.Is(err, c.want) || w.bound("ab1001") {
				t.Errorf("%s: %v", who, err)
			}
		}
		if err := w.decide(true, id, second, ""); err != nil || !w.bound("ab1001") {
			t.Fatal(err)
		}
		if err := w.decide(true, id, second, ""); !errors.Is(err, directory.DecisionOver) {
			t.Errorf("again: %v", err)
		}
		if v := w.wantBind(b.get("/card/bind"), 1, ""); !v.AlreadyBound {
			t.Error("not told that it is bound")
		}
		if _, p, err := w.db.CardByHolder(t.Context(), keyID(card), "0000000000001001"); err != nil || p.Username != "ab1001" {
			t.Errorf("%+v %v", p, err)
		}
	})
}

// TestApprovalCoversWhatItWasAskedFor: what was changed later, or by whoever
// approves, is not covered.
func TestApprovalCoversWhatItWasAskedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		maker, second := w.administrator("ab1002", policy.RolePeople, "379000000A"), w.administrator("ab1003", policy.RolePeople, "379000000A")
		w.reset("ab1001", "operator:alice")
		card := w.newCard(0, "王小明", "0000000000001001", "6789")
		b := w.browser()
		w.wantTo(b.asks("ab1001", card), "/card/bind")
		if err := w.decide(true, w.waits("ab1001").ID, second, "operator:alice"); !errors.Is(err, directory.DecisionSelf) {
			t.Errorf("the operator who changed it, for another: %v", err)
		}
		w.reset("ab1001", directory.ActorOf(maker))
		if err := w.decide(true, w.waits("ab1001").ID, second, ""); !errors.Is(err, directory.DecisionChanged) || w.bound("ab1001") {
			t.Fatalf("after a further change: %v", err)
		}
		first := w.waits("ab1001").ID
		w.wantTo(b.asks("ab1001", card), "/card/bind") // asked again, for both changes
		if w.waits("ab1001").ID == first || len(w.waits("ab1001").Changes) != 2 {
			t.Errorf("%+v", w.waits("ab1001"))
		}
		if err := w.decide(true, first, second, ""); !errors.Is(err, directory.DecisionOver) {
			t.Errorf("the old one: %v", err)
		}
		if err := w.decide(true, w.waits("ab1001").ID, maker, ""); !errors.Is(err, directory.DecisionSelf) {
			t.Errorf("one of two makers: %v", err)
		}
		// The person is called otherwise meanwhile: the card is not theirs any more.
		renamed := *w.person["ab1001"]
		renamed.Name = "王大明"
		record := directory.Record{Person: renamed, Accounts: []idp.Account{{Name: "ab1001", Kind: idp.AccountSingle, PersonID: renamed.ID}}}
		if err := w.db.PutPerson(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		if err := w.decide(true, w.waits("ab1001").ID, second, ""); !errors.Is(err, directory.DecisionChanged) || w.bound("ab1001") {
			t.Errorf("%v", err)
		}
		renamed.Name = "王小明"
		record.Person = renamed
		if err := w.db.PutPerson(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		w.later(7 * 24 * time.Hour)
		if err := w.decide(true, w.waits("ab1001").ID, second, ""); !errors.Is(err, directory.DecisionOver) {
			t.Errorf("too late: %v", err)
		}
		b.in("ab1001", idp.MethodPassword)
		if v := w.wantBind(b.get("/card/bind"), 4, ""); v.Waiting == nil || v.Waiting.State != templates.WaitingOver {
			t.Errorf("%+v", v.Waiting)
		}
		w.wantTo(b.asks("ab1001", card), "/card/bind")
		if err := w.decide(false, w.waits("ab1001").ID, second, ""); err != nil {
			t.Fatal(err)
		}
		if v := w.wantBind(b.get("/card/bind"), 4, ""); v.Waiting == nil || v.Waiting.State != templates.WaitingRefused || v.Waiting.Reason == "" || w.bound("ab1001") {
			t.Errorf("%+v", v.Waiting)
		}
		w.wantBind(b.get("/card/bind?step=1"), 1, "")
	})
}

// TestT176_NobodyApprovesInAnotherAgency, and a role that was taken away decides
// nothing.
func TestT176_NobodyApprovesInAnotherAgency(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		other := *w.person["ab1003"]
		other.Agency = idp.Agency{Code: "379999999Z", Name: "他機關"}
		if err := w.db.PutPerson(t.Context(), directory.Record{Person: other, Accounts: []idp.Account{{Name: "ab1003", Kind: idp.AccountSingle, PersonID: other.ID}}}); err != nil {
			t.Fatal(err)
		}
		stranger, second := w.administrator("ab1003", policy.RolePeople, "379999999Z"), w.administrator("ab1002", policy.RolePeople, "379000000A")
		w.reset("ab1001", "operator:alice")
		w.wantTo(w.browser().asks("ab1001", w.newCard(0, "王小明", "0000000000001001", "6789")), "/card/bind")
		id := w.waits("ab1001").ID
		for _, approve := range []bool{true, false} {
			if err := w.decide(approve, id, stranger, ""); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%v", err)
			}
		}
		for who, want := range map[string]int{stranger: 0, second: 1, w.person["ab1001"].ID: 0} {
			if list, err := w.db.WaitingFor(t.Context(), who, w.clock()); err != nil || len(list) != want {
				t.Errorf("%s: %+v %v", who, list, err)
			}
		}
		if err := w.db.RevokeRole(t.Context(), second, policy.Role{Kind: policy.RolePeople, Agency: "379000000A"}); err != nil {
			t.Fatal(err)
		}
		if err := w.decide(true, id, second, ""); !errors.Is(err, idp.ErrNotFound) || w.bound("ab1001") {
			t.Errorf("%v", err)
		}
	})
}

// TestApprovalsRaced: of many decisions at once one counts, and a change in their
// midst is never lost.
func TestApprovalsRaced(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		second, third := w.administrator("ab1002", policy.RoleHelpdesk, ""), w.administrator("ab1003", policy.RoleHelpdesk, "")
		w.reset("ab1001", "operator:alice")
		w.wantTo(w.browser().asks("ab1001", w.newCard(0, "王小明", "0000000000001001", "6789")), "/card/bind")
		id := w.waits("ab1001").ID
		done := make(chan error, 16)
		for i := range cap(done) {
			go func() { done <- w.decide(i%4 != 3, id, []string{second, third}[i%2], "") }()
		}
		won := 0
		for range cap(done) {
			err := <-done
			if err == nil {
				won++
			} else if !errors.Is(err, directory.DecisionOver) {
				t.Error(err)
			}
		}
		if won != 1 || w.bound("ab1001") != (w.waits("ab1001").State == directory.WaitingApproved) {
			t.Errorf("%d decisions, %s, bound %v", won, w.waits("ab1001").State, w.bound("ab1001"))
		}
	})
}

// TestSynchronisedChangesAreNoAdministrators: nor is what people do themselves.
func TestSynchronisedChangesAreNoAdministrators(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		standing, err := w.db.PasswordStanding(t.Context(), w.person["ab1001"].ID)
		if err != nil {
			t.Fatal(err)
		}
		own := directory.NewPassword{PersonID: w.person["ab1001"].ID, Hash: "h", Keep: 3, Since: standing.ChangedAt, At: w.clock()}
		if err := w.db.SetPassword(t.Context(), own); err != nil {
			t.Fatal(err)
		}
		b := w.browser()
		w.wantTo(b.asks("ab1001", w.newCard(0, "王小明", "0000000000001001", "6789")), "/card/bind?step=5")
	})
}

// TestCorrectionsByHandWaitForASecond: a name or a national ID that was changed to
// fit a card is no way in either.
func TestCorrectionsByHandWaitForASecond(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		second := w.administrator("ab1003", policy.RoleHelpdesk, "")
		correct := func(c directory.Correction) error {
			c.PersonID, c.Actor, c.Reason, c.At = w.person["ab1001"].ID, "operator:alice", "changed", w.clock()
			return w.db.Correct(t.Context(), c)
		}
		if err := correct(directory.Correction{Name: "王大明"}); !errors.Is(err, idp.ErrConflict) {
			t.Fatalf("while the portal feeds people: %v", err)
		}
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		for _, c := range []directory.Correction{
			{Name: "王大明"}, {Identity: &directory.Identity{Sealed: []byte("s"), Hash: []byte("h"), Tail: "6789"}},
		} {
			if err := correct(c); err != nil {
				t.Fatal(err)
			}
		}
		b := w.browser()
		w.wantTo(b.asks("ab1001", w.newCard(0, "王大明", "0000000000001001", "6789")), "/card/bind")
		waiting := w.waits("ab1001")
		if len(waiting.Changes) != 2 || w.bound("ab1001") {
			t.Errorf("%+v", waiting.Changes)
		}
		if err := w.decide(true, waiting.ID, second, "operator:alice"); !errors.Is(err, directory.DecisionSelf) {
			t.Errorf("%v", err)
		}
		if err := w.decide(true, waiting.ID, second, ""); err != nil || !w.bound("ab1001") {
			t.Error(err)
		}
	})
}
