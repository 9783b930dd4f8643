package store

import (
	"errors"
	"testing"

	idp "taipeion.internal/idp"
)

func TestIdentities_AnEntryIsOnePersons(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.PutPerson(ctx, record("p2")))
		a := idp.Account{Name: "ab1234", PersonID: "p1"}
		if _, err := s.Identity(ctx, "tpead", "ab1234"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		must(t, s.KeepIdentity(ctx, "tpead", a, "guid-1", noon))
		must(t, s.KeepIdentity(ctx, "tpead", a, "guid-1", noon))
		if got, err := s.Identity(ctx, "tpead", "ab1234"); err != nil || got != "guid-1" {
			t.Fatal(got, err)
		}
		must(t, s.KeepIdentity(ctx, "other", a, "guid-9", noon))
		for name, err := range map[string]error{
			"another entry under the name": s.KeepIdentity(ctx, "tpead", a, "guid-2", noon),
			"another person's entry":       s.KeepIdentity(ctx, "tpead", idp.Account{Name: "xy", PersonID: "p2"}, "guid-1", noon),
		} {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, s.KeepIdentity(ctx, "tpead", idp.Account{Name: "cd5678", PersonID: "p1"}, "guid-1", noon)) // renamed
		if _, err := s.Identity(ctx, "tpead", "ab1234"); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
		must(t, s.ForgetIdentity(ctx, "cd5678", idp.Event{At: noon, Kind: "account.forget"}))
		if err := s.ForgetIdentity(ctx, "cd5678"); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestClosePerson_EndsAllOfOne(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.PutPerson(ctx, record("p2")))
		for _, p := range []string{"p1", "p2"} {
			must(t, s.CreateSession(ctx, &idp.Session{ID: "s-" + p, PersonID: p, CreatedAt: noon, SeenAt: noon, EndsAt: noon.Add(1e12)}, []byte(p), nil))
		}
		live, err := s.LivePeople(ctx, "", noon, 10)
		if err != nil || len(live) != 2 || live[0] != "p1" {
			t.Fatal(live, err)
		}
		must(t, s.ClosePerson(ctx, "p1", noon, idp.Event{At: noon, Kind: "directory.closed", PersonID: "p1"}))
		if live, err = s.LivePeople(ctx, "", noon, 10); err != nil || len(live) != 1 || live[0] != "p2" {
			t.Fatal(live, err)
		}
		if live, err = s.LivePeople(ctx, "p2", noon, 10); err != nil || len(live) != 0 {
			t.Fatal(live, err)
		}
	})
}
