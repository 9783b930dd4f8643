package store

import (
	"fmt"
	"slices"
	"testing"

	idp "taipeion.internal/idp"
)

func TestOwners_ManyAtOnce(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		var names, ids []string
		for i := range 120 {
			name, id := fmt.Sprintf("xy%04d", i), fmt.Sprintf("guid-%d", i)
			names, ids = append(names, name), append(ids, id)
			if i%2 == 0 {
				continue
			}
			r := record("p-" + name)
			r.Accounts = []idp.Account{{Name: name, Kind: idp.AccountSingle}}
			must(t, s.PutPerson(ctx, r))
			if i%3 == 0 {
				must(t, s.KeepIdentity(ctx, "tpead", idp.Account{Name: name, PersonID: r.Person.ID}, id, noon))
			}
		}
		must(t, s.KeepIdentity(ctx, "water", idp.Account{Name: names[3], PersonID: "p-" + names[3]}, "other", noon))
		owners, err := s.EntryOwners(ctx, "tpead", append(ids, "other"))
		must(t, err)
		ours, err := s.Namesakes(ctx, names)
		must(t, err)
		if len(owners) != 20 || owners["guid-9"] != names[9] || len(ours) != 60 {
			t.Errorf("%d owners, %d namesakes", len(owners), len(ours))
		}
		got := ours[names[3]]
		slices.Sort(got.Entries)
		if got.Account.Kind != idp.AccountSingle || got.Account.PersonID != "p-"+names[3] || !slices.Equal(got.Entries, []string{"guid-3", "other"}) || got.Pending {
			t.Errorf("%+v", got)
		}
		if plain := ours[names[1]]; plain.Entries != nil || plain.Account.Agency != record("p9").Person.Agency.Code {
			t.Errorf("%+v", plain)
		}
		if none, err := s.Namesakes(ctx, nil); err != nil || len(none) != 0 {
			t.Error(none, err)
		}
	})
}
