package directory_test

import (
	"context"
	"errors"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// moved is our accounts after their people were moved to another agency.
type moved struct {
	directory.Accounts
	to string
}

func (m moved) Person(ctx context.Context, id string) (*idp.Person, error) {
	p, err := m.Accounts.Person(ctx, id)
	if p != nil {
		p.Agency.Code = m.to
	}
	return p, err
}

func (m moved) Holder(ctx context.Context, name string) (*directory.Holder, error) {
	h, err := m.Accounts.Holder(ctx, name)
	if h != nil {
		h.Agency = m.to
	}
	return h, err
}

// TestMovedPersonKeepsTheirDirectory has the same name given to somebody else in
// the directory of the new agency.
func TestMovedPersonKeepsTheirDirectory(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		own, others := &vault{pw: map[string]string{"ab1234": "Of-The-Owner-1!"}}, &vault{pw: map[string]string{"ab1234": "Of-Another-2!"}}
		kinds := []idp.AccountKind{idp.AccountSingle, idp.AccountTPEAD}
		w.Gate.Routes = []directory.Route{
			{Name: "own", Backend: own, Kinds: kinds, Agencies: []string{"GEAA"}}, {Name: "others", Backend: others, Kinds: kinds},
		}
		for _, agency := range []string{"GEAA", "GEAB", "GEAA"} {
			w.Gate.Accounts = moved{w.looks.Accounts, agency}
			w.want(w.try("ab1234", "Of-Another-2!"), "wrong")
			w.want(w.try("ab1234", "Of-The-Owner-1!"), "ok")
		}
	})
}

// TestTargetIsTheBoundAccount changes no password of an account that is closed or
// not the bound one.
func TestTargetIsTheBoundAccount(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		bound := ""
		d.Phases = boundTo{name: &bound}
		accounts := &theirs{Accounts: d.world.Gate.Accounts, list: []idp.Account{
			{Name: "geaa-000003", Kind: idp.AccountTPEAD}, {Name: "geaa-000002", Kind: idp.AccountTPEAD}, {Name: "ab1234", Kind: idp.AccountSingle, Closed: true},
		}}
		d.world.Gate.Accounts = accounts
		if _, err := d.Target(t.Context(), "p1"); !errors.Is(err, directory.ErrUnbound) {
			t.Errorf("none is bound: %v", err)
		}
		bound = "geaa-000002"
		if a, err := d.Target(t.Context(), "p1"); err != nil || a.Name != bound {
			t.Errorf("%+v %v", a, err)
		}
		accounts.list[1].Closed = true
		if _, err := d.Target(t.Context(), "p1"); !errors.Is(err, directory.ErrUnbound) {
			t.Errorf("the bound one is closed: %v", err)
		}
		accounts.list[2].Closed = false
		if a, err := d.Target(t.Context(), "p1"); err != nil || a.Name != "ab1234" {
			t.Errorf("%+v %v", a, err)
		}
		// Who has bound the old account after the city made a single one uses the old one,
		// until they choose.
		accounts.list[1].Closed = false
		if a, err := d.Target(t.Context(), "p1"); err != nil || a.Name != "geaa-000002" {
			t.Errorf("a single account that is not the bound one: %+v %v", a, err)
		}
		bound = "ab1234"
		if a, err := d.Target(t.Context(), "p1"); err != nil || a.Name != "ab1234" {
			t.Errorf("%+v %v", a, err)
		}
	})
}

type theirs struct {
	directory.Accounts
	list []idp.Account
}

func (a *theirs) AccountsOf(context.Context, string) ([]idp.Account, error) { return a.list, nil }

// boundTo has one name bound, and no other.
type boundTo struct {
	directory.Phases
	name *string
}

func (b boundTo) NameFacts(_ context.Context, name string) (policy.Phase, policy.NameFacts, error) {
	return policy.PhaseCoexist, policy.NameFacts{Kind: idp.AccountTPEAD, Portal: true, Bound: name == *b.name}, nil
}
