package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// Whatever changes a person is in their history, with who did it; of a national
// ID only the end is.
func TestHistory_OfEveryChange(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		by := func(kind string) idp.Event {
			return idp.Event{At: noon, Kind: kind, PersonID: "p9", Actor: "operator:wang"}
		}
		r := record("p9")
		r.Person.IDTail, r.NationalIDHash = "6789", []byte("A123456789 hashed")
		must(t, s.PutPerson(ctx, r, by("person.put")))
		must(t, s.PutPerson(ctx, r, by("person.put"))) // changes nothing
		r.Person.Name, r.Person.Unit, r.Person.IDTail, r.NationalIDHash = "王曉明", "二科", "0001", []byte("A100000001 hashed")
		r.Person.UpdatedAt = r.Person.UpdatedAt.Add(time.Second)
		must(t, s.PutPerson(ctx, r, by("person.put")))
		now := r.Person.UpdatedAt.Add(time.Minute)
		must(t, s.SetState(ctx, "p9", idp.PersonDisabled, now, by("account.disable")))
		must(t, s.SetState(ctx, "p9", idp.PersonDisabled, now, by("account.disable")))
		must(t, s.SetState(ctx, "p9", idp.PersonEnabled, now.Add(time.Minute), by("account.enable")))
		must(t, s.ClosePerson(ctx, "p9", now.Add(2*time.Minute)))
		must(t, s.ClosePerson(ctx, "p9", now.Add(3*time.Minute)))
		must(t, s.ReopenPerson(ctx, "p9"))
		entries, err := s.History(ctx, "p9", 100)
		must(t, err)
		var got []string
		for _, e := range entries {
			line := e.Actor + " " + e.Kind + ":"
			for _, f := range e.Fields {
				if e.Kind == "register" && f.Field != "national_id" {
					continue
				}
				line += fmt.Sprintf(" %s %s>%s", f.Field, f.Old, f.New)
			}
			got = append(got, line)
		}
		all := strings.Join(got, "\n")
		for _, want := range []string{
			"operator:wang register: national_id >…6789", "national_id …6789>…0001", "name " + record("p9").Person.Name + ">王曉明", ">二科",
			"operator:wang disable: state enabled>disabled", "operator:wang enable: state disabled>enabled",
			"directory disable: state enabled>disabled", "directory enable: state disabled>enabled",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("no %q in\n%s", want, all)
			}
		}
		if len(entries) != 6 {
			t.Errorf("%d entries:\n%s", len(entries), all)
		}
		if strings.Contains(all, "A123456789") || strings.Contains(all, "hashed") {
			t.Errorf("a national ID:\n%s", all)
		}
		before := len(entries)
		taken := r
		taken.Accounts = []idp.Account{{Name: "p1", Kind: idp.AccountSingle}} // another person's
		if err := s.PutPerson(ctx, taken, by("person.put")); err == nil {
			t.Fatal("a name was taken away")
		}
		if entries, err = s.History(ctx, "p9", 100); err != nil || len(entries) != before {
			t.Errorf("what was undone is in the history: %d %v", len(entries), err)
		}
	})
}
