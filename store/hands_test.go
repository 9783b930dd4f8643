package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// hands is a person "p1" of agency 379 with administrators: x, y and z reach
// them, far does not. w is who decides.
type hands struct {
	*testing.T
	s   *Store
	now steps
	n   int
}

func eachHands(t *testing.T, test func(h *hands)) {
	storeTest(t, func(t *testing.T, s *Store) {
		h := &hands{T: t, s: s, now: steps{noon}}
		for _, id := range []string{"x", "y", "z", "far"} {
			r := record(id)
			role := policy.Role{Kind: policy.RolePeople, Agency: "379"}
			if id == "far" {
				r.Person.Agency = idp.Agency{Code: "380", Name: "別局"}
				role.Agency = "380"
			}
			must(t, s.PutPerson(t.Context(), r))
			must(t, s.GrantRole(t.Context(), Granted{Role: role, Person: idp.Person{ID: id}, By: "operator:root", At: noon, Reason: "r"}))
		}
		test(h)
	})
}

// change resets p1's password: by an administrator, and typed by an operator or,
// if that is empty, on a page.
func (h *hands) change(administrator, operator string) error {
	st, err := h.s.PasswordStanding(h.Context(), "p1")
	must(h.T, err)
	actor := ""
	if administrator != "" {
		actor = "person:" + administrator
	} else {
		actor = operator // as before operators were known
	}
	at := h.now.next()
	return h.s.SetPassword(h.Context(), directory.NewPassword{PersonID: "p1", Since: st.ChangedAt, Reset: true, Actor: actor, Operator: operator,
		Sealed: []byte("s"), Keep: 3, At: at}, idp.Event{At: at, Kind: "password.reset", Result: "ok", PersonID: "p1", Actor: actor, Detail: "r"})
}

// asks has p1's card wait.
func (h *hands) asks() string {
	h.Helper()
	h.n++
	p, err := h.s.Person(h.Context(), "p1")
	must(h.T, err)
	id := fmt.Sprintf("w%d", h.n)
	must(h.T, h.s.WaitCard(h.Context(), &directory.WaitingCard{ID: id, Person: *p, Card: *someCard("p1", "card-"+id, "1", "f"+id), AskedAt: h.now.next(), EndsAt: h.now.Add(time.Hour)}))
	return id
}

func (h *hands) approve(id, by, operator string) error {
	at := h.now.next()
	_, err := h.s.ApproveCard(h.Context(), directory.Decision{ID: id, PersonID: by, Operator: operator, Reason: "r", At: at},
		idp.Event{At: at, Kind: "card.approve", Result: "ok", Actor: "person:" + by, Detail: "r"})
	return err
}

func (h *hands) bound() bool {
	cards, err := h.s.CardsOf(h.Context(), "p1")
	must(h.T, err)
	return len(cards) > 0
}

// wants holds an answer, and that nothing was bound by it if it is an error.
func (h *hands) wants(what string, err, want error) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Errorf("%s: %v, want %v", what, err, want)
	}
	if want != nil && h.bound() {
		h.Fatalf("%s: bound", what)
	}
}

func TestSecondHand_NobodyIsTwo(t *testing.T) {
	eachHands(t, func(h *hands) { // made on a page
		must(h.T, h.change("x", ""))
		w := h.asks()
		h.wants("the same person, on a page", h.approve(w, "x", ""), directory.DecisionSelf)
		h.wants("the same person, at the command line", h.approve(w, "x", "operator:alice"), directory.DecisionSelf)
		h.wants("the person themself", h.approve(w, "p1", ""), idp.ErrNotFound)
		h.wants("of another agency", h.approve(w, "far", "operator:bob"), idp.ErrNotFound)
		h.wants("an administrator of another agency, on a page", h.approve(w, "far", ""), idp.ErrNotFound)
		must(h.T, h.s.RevokeRole(h.Context(), "y", policy.Role{Kind: policy.RolePeople, Agency: "379"}))
		h.wants("revoked", h.approve(w, "y", "operator:bob"), idp.ErrNotFound)
		h.wants("another one", h.approve(w, "z", "operator:bob"), nil)
	})
	eachHands(t, func(h *hands) { // typed: alice is x
		must(h.T, h.change("x", "operator:alice"))
		w := h.asks()
		h.wants("the same person, another operator", h.approve(w, "x", "operator:bob"), directory.DecisionSelf)
		h.wants("the same person, on a page", h.approve(w, "x", ""), directory.DecisionSelf)
		h.wants("the same operator, another person", h.approve(w, "y", "operator:alice"), directory.DecisionSelf)
		h.wants("another person on a page", h.approve(w, "y", ""), nil)
	})
	eachHands(t, func(h *hands) { // made by nobody known, as the former version did
		must(h.T, h.change("", "operator:alice"))
		w := h.asks()
		h.wants("the same operator", h.approve(w, "y", "operator:alice"), directory.DecisionSelf)
		h.wants("another", h.approve(w, "y", "operator:bob"), nil)
	})
}

// An operating-system account stands for one administrator, from the first time on.
func TestSecondHand_AnOperatorIsOne(t *testing.T) {
	eachHands(t, func(h *hands) {
		must(h.T, h.change("x", "operator:alice"))
		w := h.asks()
		must(h.T, h.approve(w, "y", "operator:bob"))
		must(h.T, h.s.UnbindCard(h.Context(), "card-"+w, h.now.next()))

		if err := h.change("y", "operator:alice"); !errors.Is(err, directory.ErrOperator) {
			h.Errorf("alice acts for y too: %v", err)
		}
		must(h.T, h.change("z", "")) // on a page
		w = h.asks()
		h.wants("alice for y", h.approve(w, "y", "operator:alice"), directory.DecisionOperator)
		// What x's operator typed for nobody known is x's, on a page too.
		must(h.T, h.change("", "operator:alice"))
		w = h.asks()
		h.wants("x on a page", h.approve(w, "x", ""), directory.DecisionSelf)

		// Who lets the operator go is another one.
		release := func(account, by string) error {
			return h.s.ReleaseOperator(h.Context(), account, by, idp.Event{At: h.now.next(), Kind: "admin.release", Result: "ok", Actor: by, Detail: account + ": left"})
		}
		if err := release("operator:alice", "operator:alice"); !errors.Is(err, directory.ErrOperator) {
			h.Errorf("alice lets herself go: %v", err)
		}
		must(h.T, release("operator:alice", "operator:bob"))
		if err := release("operator:alice", "operator:bob"); !errors.Is(err, idp.ErrNotFound) {
			h.Errorf("twice: %v", err)
		}
		// It is still who typed it.
		h.wants("alice, who is free now", h.approve(w, "y", "operator:alice"), directory.DecisionSelf)
		all, err := h.s.Operators(h.Context())
		if err != nil || len(all) != 1 || all[0].Account != "operator:bob" || all[0].Person.ID != "y" {
			h.Errorf("%+v %v", all, err)
		}
	})
}

// Two names at once from one operating-system account: one of them.
func TestSecondHand_OneOperatorAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		h := &hands{T: t, s: nodes[0], now: steps{noon}}
		addPerson(t, h.s, "p1")
		for _, id := range []string{"x", "y", "z"} {
			addPerson(t, h.s, id)
			must(h.T, h.s.GrantRole(h.Context(), Granted{Role: policy.Role{Kind: policy.RoleHelpdesk}, Person: idp.Person{ID: id}, By: "r", At: noon, Reason: "r"}))
		}
		for round := range 10 {
			must(h.T, h.change("z", ""))
			w, operator := h.asks(), fmt.Sprintf("operator:o%d", round)
			errs := together(2, func(i int) error {
				_, err := nodes[i].ApproveCard(t.Context(), directory.Decision{ID: w, PersonID: []string{"x", "y"}[i], Operator: operator, Reason: "r", At: h.now.Time})
				return err
			})
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("%v", errs)
			}
			var n int64
			must(h.T, h.s.read(h.Context(), func(r runner) error {
				return r.row(with(query("SELECT COUNT(*) FROM operators WHERE account = $1"), operator), &n)
			}))
			if n != 1 {
				t.Errorf("%s stands for %d", operator, n)
			}
			must(h.T, h.s.UnbindCard(h.Context(), "card-"+w, h.now.next()))
		}
	})
}

// Approve and refuse at once: one of the two, and the card is bound if and only
// if it was the first.
func TestSecondHand_ApproveAndRefuseAtOnce(t *testing.T) {
	eachHands(t, func(h *hands) {
		for range 20 {
			must(h.T, h.change("x", ""))
			w, at := h.asks(), h.now.next()
			errs := together(2, func(i int) error {
				call, d := h.s.ApproveCard, directory.Decision{ID: w, PersonID: "y", Operator: "operator:bob", Reason: "r", At: at}
				if i == 1 {
					call, d.PersonID, d.Operator = h.s.RefuseCard, "z", ""
				}
				_, err := call(h.Context(), d, idp.Event{At: at, Kind: "card.approve", Result: "ok"})
				return err
			})
			if (errs[0] == nil) == (errs[1] == nil) || h.bound() != (errs[0] == nil) {
				h.Fatalf("bound %v: %v", h.bound(), errs)
			}
			if h.bound() {
				must(h.T, h.s.UnbindCard(h.Context(), "card-"+w, h.now.next()))
			}
		}
	})
}

// A change in an administrator's name needs their role, like one on a page.
func TestSecondHand_AChangeNeedsTheRole(t *testing.T) {
	eachHands(t, func(h *hands) {
		for _, by := range []string{"far", "p1", "nobody"} {
			if err := h.change(by, "operator:alice"); !errors.Is(err, directory.ErrNoRole) {
				h.Errorf("%s: %v", by, err)
			}
		}
		if all, err := h.s.Operators(h.Context()); err != nil || len(all) != 0 {
			h.Errorf("what was refused is kept: %+v %v", all, err)
		}
		must(h.T, h.s.BindFirst(h.Context(), someCard("p1", "c", "1", "f"))) // nothing was changed
	})
}
