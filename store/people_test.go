package store

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func TestPutPerson_ComesBackWhole(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		want := record("p1").Person
		want.Username, want.HasPassword = "p1", true
		got, err := s.Person(t.Context(), "p1")
		must(t, err)
		if !reflect.DeepEqual(*got, want) {
			t.Fatalf("%+v", got)
		}
		accounts, err := s.AccountsOf(t.Context(), "p1")
		must(t, err)
		kept := record("p1").Accounts
		for i := range kept {
			kept[i].Agency = want.Agency.Code
		}
		if !reflect.DeepEqual(accounts, kept) {
			t.Fatalf("%+v", accounts)
		}
		a, err := s.Account(t.Context(), "p1-tpead")
		if err != nil || a.PersonID != "p1" || a.Kind != idp.AccountTPEAD {
			t.Fatal(a, err)
		}
		hash, err := s.PasswordHash(t.Context(), "p1")
		if err != nil || hash != "$argon2id$p1" {
			t.Fatal(hash, err)
		}
		if n := personCount(t, s); n != 1 {
			t.Fatal(n)
		}
		none, err := s.PasswordHash(t.Context(), "nobody")
		if err != nil || none != "" {
			t.Fatal(none, err)
		}
		for name, err := range map[string]error{"account": second(s.Account(t.Context(), "nobody")), "person": second(s.Person(t.Context(), "")),
			"a NUL": second(s.Account(t.Context(), "p1\x00")), "state": s.SetState(t.Context(), "nobody", idp.PersonEnabled, noon)} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestPutPerson_Updates(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		r := record("p1")
		r.Person.Subject, r.Person.Name, r.Person.Agency = "another", "王大明", idp.Agency{}
		r.Accounts, r.PasswordHash = []idp.Account{{Name: "portal1", Kind: idp.AccountPortal, PersonID: "p1"}, {Name: "portal2", Kind: idp.AccountPortal, PersonID: "p1"}}, ""
		must(t, s.PutPerson(t.Context(), r, idp.Event{At: noon, Kind: "person.update"}))
		got, err := s.Person(t.Context(), "p1")
		must(t, err)
		if got.Subject != "sub-p1" || got.Name != "王大明" || got.Agency != (idp.Agency{}) || got.Username != "portal2" || !got.HasPassword {
			t.Fatalf("%+v", got)
		}
		if _, err := s.Account(t.Context(), "p1"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		if hash, err := s.PasswordHash(t.Context(), "p1"); err != nil || hash != "$argon2id$p1" {
			t.Fatal("an empty hash keeps the old one", hash, err)
		}
		must(t, s.SetState(t.Context(), "p1", idp.PersonDeparted, noon.Add(time.Hour)))
		if got, err = s.Person(t.Context(), "p1"); err != nil || got.State != idp.PersonDeparted || !got.UpdatedAt.Equal(noon.Add(time.Hour)) {
			t.Fatal(got, err)
		}
	})
}

func TestPutPerson_ConflictKeepsNothing(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		name, id := record("p2"), record("p2")
		name.Accounts[0].Name = "p1"
		id.NationalIDHash = []byte("hash p1")
		for what, r := range map[string]error{"account": s.PutPerson(t.Context(), name, idp.Event{At: noon, Kind: "lost"}), "national ID": s.PutPerson(t.Context(), id)} {
			if !errors.Is(r, idp.ErrConflict) {
				t.Errorf("%s: %v", what, r)
			}
		}
		if n := personCount(t, s); n != 1 {
			t.Fatal(n)
		}
		if events, err := s.Events(t.Context(), EventFilter{}); err != nil || len(events) != 0 {
			t.Fatal(events, err)
		}
		// Nobody's national ID is known: no conflict.
		for i := range 2 {
			r := record(fmt.Sprint("n", i))
			r.NationalID, r.NationalIDHash = nil, nil
			must(t, s.PutPerson(t.Context(), r))
		}
	})
}

func TestPutPerson_RacedForOneName(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		succeeded, failed := split(together(32, func(i int) error {
			r := record(fmt.Sprint("p", i))
			r.Accounts[1].Name = "wanted"
			return nodes[i%2].PutPerson(t.Context(), r)
		}))
		if succeeded != 1 {
			t.Fatal(succeeded)
		}
		for _, err := range failed {
			if !errors.Is(err, idp.ErrConflict) {
				t.Fatal(err)
			}
		}
	})
}

func personCount(t *testing.T, s *Store) (n int64) {
	t.Helper()
	must(t, s.read(t.Context(), func(r runner) error { return r.row(with(`SELECT COUNT(*) FROM persons`), &n) }))
	return n
}
