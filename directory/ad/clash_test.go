package ad_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/policy"
)

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// person puts a person with one account.
func (h *house) put(id string, account idp.Account) {
	h.t.Helper()
	h.must(h.store.PutPerson(h.t.Context(), directory.Record{
		Person:   idp.Person{ID: id, Subject: id, Name: "王大明", State: idp.PersonEnabled, UpdatedAt: time.Now()},
		Accounts: []idp.Account{account}, NationalIDHash: []byte(id),
	}))
}

func (h *house) job(seen directory.Registry) *directory.Job {
	j := &directory.Job{Store: h.store, Now: time.Now, Actor: "test"}
	if seen != nil {
		j.Gate = &directory.Gate{Accounts: h.store, Routes: []directory.Route{route(seen.(directory.Backend))}}
	}
	return j
}

func (h *house) tell(later time.Duration) {
	h.t.Helper()
	at := time.Now().Add(later)
	teller := &directory.Teller{
		Effects: h.store, Doors: h.store, Gate: h.Gate, Now: func() time.Time { return at }, Logger: slog.New(slog.NewTextHandler(h.t.Output(), nil)),
	}
	_, err := teller.Once(h.t.Context())
	h.must(err)
}

// given is the account that 代建代綁 gave for the portal account.
func (h *house) given(portal string) idp.Account {
	h.t.Helper()
	b, err := h.store.BindingOf(h.t.Context(), portal)
	h.must(err)
	a, err := h.store.Account(h.t.Context(), b.TPEAD)
	h.must(err)
	return *a
}

// blind is a directory in which a name was given to somebody between the question
// and the answer.
type blind struct{ *ad.Directory }

func (blind) Taken(context.Context, string) (bool, error) { return false, nil }

const passwordOfB = "Password-Of-B-1!"

// TestGiven_NobodyGetsSomebodyElsesEntry draws a name that the domain has given to
// another person, a homonym, without our knowing.
func TestGiven_NobodyGetsSomebodyElsesEntry(t *testing.T) {
	dc := testenv.Samba(t)
	h := newHouse(t)
	d := open(t, dc, func(o *ad.Options) { o.Identities = h.store })
	h.Gate.Routes, h.Gate.Admits = []directory.Route{route(d)}, policy.Phase.Admits
	h.put("a", idp.Account{Name: "aportal", Kind: idp.AccountPortal})
	h.must(h.job(blind{d}).Provision(t.Context(), func(directory.Outcome) {}))
	was := h.given("aportal")
	b, err := d.Create(t.Context(), ad.NewAccount{Name: was.Name, DisplayName: "王大明", Password: passwordOfB})
	h.must(err)

	// Before the domain has it, it opens nothing and nothing is done to B's.
	passwords := &directory.Passwords{Gate: h.Gate}
	if !was.Closed || !was.Given || !was.MustSet {
		t.Errorf("%+v", was)
	}
	if _, err := passwords.Target(t.Context(), "a"); !errors.Is(err, directory.ErrUnbound) {
		t.Errorf("a target before its time: %v", err)
	}
	if got := h.try(was.Name, passwordOfB); got != "wrong" {
		t.Errorf("B, by the name: %s", got)
	}
	if err := d.SetOf(t.Context(), was, "Chosen-By-A-2!", false); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("A set a password: %v", err)
	}

	h.tell(time.Minute) // finds the name taken, and draws another one
	h.tell(2 * time.Minute)
	now := h.given("aportal")
	if now.Name == was.Name || now.Closed || !directory.FitSingleName(now.Name) {
		t.Fatalf("%+v", now)
	}
	if waiting, failed, err := h.store.EffectCounts(t.Context()); err != nil || waiting+failed > 0 {
		t.Errorf("%d waiting, %d failed, %v", waiting, failed, err)
	}
	if p, err := h.store.Person(t.Context(), "a"); err != nil || p.Username != now.Name {
		t.Errorf("%+v %v", p, err)
	}
	if free, err := h.store.ClaimName(t.Context(), was.Name, time.Now()); err != nil || free {
		t.Errorf("the name is drawn again: %v", err)
	}
	h.must(d.SetOf(t.Context(), now, "Chosen-By-A-2!", false))
	for _, c := range [][3]string{{now.Name, "Chosen-By-A-2!", "ok"}, {was.Name, "Chosen-By-A-2!", "wrong"}, {was.Name, passwordOfB, "wrong"}} {
		if got := h.try(c[0], c[1]); got != c[2] {
			t.Errorf("%s: %s, want %s", c[0], got, c[2])
		}
	}
	check(t, open(t, dc), b.Name, passwordOfB, "ok")
}

// TestGiven_NamesOfTheDomainAreNotDrawn asks the domain for each name, wherever in
// it and whatever has it.
func TestGiven_NamesOfTheDomainAreNotDrawn(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	e := person(t, d)
	for name, want := range map[string]bool{e.Name: true, "Administrator": true, "Domain Admins": true, "zz9997": false, "*": false} {
		if taken, err := d.Taken(t.Context(), name); err != nil || taken != want {
			t.Errorf("%s: %v %v", name, taken, err)
		}
	}
	plain := openPlain(t, testenv.Slapd(t))
	e = person(t, plain)
	for name, want := range map[string]bool{e.Name: true, "zz9997": false} {
		if taken, err := plain.Taken(t.Context(), name); err != nil || taken != want {
			t.Errorf("%s: %v %v", name, taken, err)
		}
	}
}

// TestRenamed_LogsInBeforeTheDomainHasHeardOfIt holds while the controller that is
// told is away, also where the person never logged in before, and where somebody
// else gets the new name there.
func TestRenamed_LogsInBeforeTheDomainHasHeardOfIt(t *testing.T) {
	dc := testenv.Samba(t)
	h := newHouse(t)
	d := open(t, dc, func(o *ad.Options) { o.Identities = h.store })
	h.Gate.Routes, h.Gate.Admits = []directory.Route{route(d)}, policy.Phase.Admits
	old := person(t, d)
	h.put("a", idp.Account{Name: old.Name, Kind: idp.AccountTPEAD})
	h.put("gone", idp.Account{Name: "geaa-999999", Kind: idp.AccountTPEAD})
	names := map[string]directory.Outcome{}
	h.must(h.job(blind{d}).Rename(t.Context(), func(o directory.Outcome) { names[o.Former] = o }))
	if got := names["geaa-999999"]; got.Result != directory.ResultMissing || got.Account != "" {
		t.Errorf("an account that the domain has not: %+v", got)
	}
	name := names[old.Name].Account
	if got := h.try(name, rightPassword); got != "ok" {
		t.Errorf("before the domain has heard of it: %s", got)
	}
	_, err := d.Create(t.Context(), ad.NewAccount{Name: name, DisplayName: "王大明", Password: passwordOfB})
	h.must(err)
	if got := h.try(name, passwordOfB); got != "wrong" {
		t.Errorf("whoever has the name there: %s", got)
	}
	h.tell(time.Minute)
	h.tell(2 * time.Minute)
	e, err := d.Get(t.Context(), old.ID)
	if err != nil || e.Name == old.Name || e.Name == name {
		t.Fatalf("%+v %v", e, err)
	}
	if got := h.try(e.Name, rightPassword); got != "ok" {
		t.Errorf("by the name drawn next: %s", got)
	}
}
