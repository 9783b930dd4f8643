package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/sync"
)

// A feed was cut short, and the plan asked; by the time that somebody confirms it
// the feed is whole again.
func TestSync_AnOldPlanIsNotConfirmedAfterTheFeedRecovered(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		rows := fedRows(200)
		y.write(t, rows...)
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		y.write(t, rows[:100]...)
		cut, err := y.Do(t.Context(), y.source, "test")
		if !errors.Is(err, sync.ErrAsks) {
			t.Fatal(err)
		}
		y.write(t, rows...)
		confirm := func() {
			t.Helper()
			run, err := y.Confirm(t.Context(), y.source, cut.Plan, "test")
			if !errors.Is(err, sync.ErrOutdated) || run != nil && run.State != sync.Planned {
				t.Errorf("%+v %v", run, err)
			}
			if n := s.disabledPeople(t); n != 0 {
				t.Fatalf("%d people disabled", n)
			}
		}
		confirm()
		_, err = y.Do(t.Context(), y.source, "test")
		must(t, err)
		confirm()
		must(t, os.Remove(y.path))
		if _, err := y.Confirm(t.Context(), y.source, cut.Plan, "test"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("without a feed: %v", err)
		}
	})
}

// An account that is closed on its own stays closed when its person comes back, and
// its directory is told of each.
func TestSync_AccountsThatAreClosedOnTheirOwn(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		must(t, s.PutPerson(t.Context(), directory.Record{
			Person:   idp.Person{ID: "p1", Subject: "p1", Name: "王大明", State: idp.PersonEnabled, UpdatedAt: noon},
			Accounts: []idp.Account{{Name: "geaa-1", Kind: idp.AccountTPEAD}, {Name: "ab1234", Kind: idp.AccountSingle}},
		}))
		at := noon
		apply := func(kind directory.ChangeKind, state idp.PersonState, closed bool, want string) {
			t.Helper()
			to := &directory.Profile{Name: "王大明", State: state, Accounts: []directory.Holding{
				{Name: "geaa-1", Kind: idp.AccountTPEAD, Closed: closed}, {Name: "ab1234", Kind: idp.AccountSingle},
			}}
			c := &directory.Change{Seq: at.Unix(), Kind: kind, PersonID: "p1", Base: at, To: to, Fields: []directory.FieldChange{{Field: "accounts"}}}
			at = at.Add(time.Second)
			must(t, s.Apply(t.Context(), &sync.Run{ID: "r", Source: "hr"}, c, at))
			var told []string
			for {
				list, err := s.TakeEffects(t.Context(), "l", at.Add(time.Hour), at.Add(time.Hour), 9)
				must(t, err)
				if len(list) == 0 {
					break
				}
				for _, e := range list {
					told = append(told, e.Kind+" "+e.Account)
					must(t, s.EffectDone(t.Context(), e.ID, "l", ""))
				}
			}
			slices.Sort(told)
			if got := strings.Join(told, ", "); got != want {
				t.Errorf("%s: told %q, not %q", kind, got, want)
			}
		}
		apply(directory.ChangeUpdate, idp.PersonEnabled, true, "disable geaa-1")
		apply(directory.ChangeUpdate, idp.PersonEnabled, true, "")
		apply(directory.ChangeDisable, idp.PersonDisabled, true, "disable ab1234, disable geaa-1")
		apply(directory.ChangeEnable, idp.PersonEnabled, true, "enable ab1234, update ab1234")
		apply(directory.ChangeUpdate, idp.PersonEnabled, false, "enable geaa-1")
	})
}

// A shared account that gets a national ID: the sessions of whoever used it don't
// become its new owner's, nor does what relying systems know it by.
func TestSync_ASharedAccountsSessionsEndWhenItBecomesAPersons(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		shared := strings.Replace(fedRow(0), fedID(0), "", 1)
		y.write(t, shared, fedRow(1))
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		old, err := s.Account(t.Context(), "user0")
		must(t, err)
		open := func(id, person string) {
			must(t, s.CreateSession(t.Context(), &idp.Session{ID: id, PersonID: person, CreatedAt: noon, SeenAt: noon, EndsAt: noon.Add(time.Hour)}, []byte(id), nil))
		}
		open("s0", old.PersonID)
		other, err := s.Account(t.Context(), "user1")
		must(t, err)
		open("s1", other.PersonID)
		y.write(t, fedRow(0), fedRow(1))
		run, err := y.Do(t.Context(), y.source, "test")
		if err != nil || run.Summary.Failed != 0 || run.Summary.Counts.Add != 1 {
			t.Fatalf("%+v %v", run, err)
		}
		now, err := s.Account(t.Context(), "user0")
		must(t, err)
		if p, err := s.Person(t.Context(), now.PersonID); err != nil || now.PersonID == old.PersonID || p.IDTail != fedID(0)[6:] || p.Username != "user0" {
			t.Errorf("%+v %v", p, err)
		}
		if p, err := s.Person(t.Context(), old.PersonID); err != nil || p.State != idp.PersonDeparted {
			t.Errorf("%+v %v", p, err)
		}
		if _, _, err := s.Session(t.Context(), []byte("s0")); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the session goes on: %v", err)
		}
		_, _, err = s.Session(t.Context(), []byte("s1"))
		must(t, err)
		if run, err = y.Do(t.Context(), y.source, "test"); err != nil || run.Summary.Counts.Changed() != 0 {
			t.Errorf("%+v %v", run, err)
		}
	})
}

// Who moves to the agencies of another source is handed over by hand.
func TestSync_APersonIsHandedOverByHand(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		other := y.source
		other.Name = "other"
		run := func(source sync.Source, rows ...string) *sync.Run {
			t.Helper()
			y.write(t, rows...)
			run, err := y.Do(t.Context(), source, "test")
			if err != nil || run.Summary.Failed != 0 {
				t.Fatalf("%+v %v", run, err)
			}
			return run
		}
		run(y.source, fedRow(0), fedRow(1))
		a, err := s.Account(t.Context(), "user0")
		must(t, err)
		moved := strings.Replace(fedRow(0), "A000,機關0", "B000,水處", 1)
		run(y.source, fedRow(1))
		run(other, moved)
		if p, _ := s.Person(t.Context(), a.PersonID); p.State != idp.PersonDisabled || p.Agency.Code != "A000" {
			t.Fatalf("taken over: %+v", p)
		}
		must(t, s.SetSource(t.Context(), a.PersonID, "other", y.tick(), idp.Event{At: noon, Kind: "account.source", Actor: "operator:x"}))
		run(other, moved)
		if p, _ := s.Person(t.Context(), a.PersonID); p.State != idp.PersonEnabled || p.Agency.Code != "B000" {
			t.Errorf("not handed over: %+v", p)
		}
		if r := run(y.source, fedRow(1)); r.Summary.Counts.Changed() != 0 {
			t.Errorf("the first source goes on: %+v", r.Summary)
		}
		if r := run(other, moved); r.Summary.Counts.Changed() != 0 {
			t.Errorf("the second never settles: %+v", r.Summary)
		}
		if err := s.SetSource(t.Context(), "nobody", "other", noon); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func (s *Store) disabledPeople(t *testing.T) (n int64) {
	t.Helper()
	must(t, s.read(t.Context(), func(r runner) error { return r.row(with("SELECT COUNT(*) FROM persons WHERE state <> 'enabled'"), &n) }))
	return n
}

// What an administrator did by hand is not undone by the next run, and the
// directory is told of it.
func TestSync_LeavesWhomAnAdministratorDisabled(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		y.source.Mapping.TPEAD = "tpead"
		rows := []string{fedRow(0) + ",geaa-000001", fedRow(1) + ","}
		must(t, writeFile(y.path, strings.TrimSpace(feedHead)+",tpead\n"+strings.Join(rows, "\n")+"\n"))
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		a, err := s.Account(t.Context(), "user0")
		must(t, err)
		effects := func() (kinds []string) {
			list, err := s.TakeEffects(t.Context(), "l", y.tick().Add(time.Hour), y.tick().Add(time.Hour), 9)
			must(t, err)
			for _, e := range list {
				kinds = append(kinds, e.Kind+" "+e.Account)
				must(t, s.EffectDone(t.Context(), e.ID, "l", ""))
			}
			return kinds
		}
		must(t, s.SetState(t.Context(), a.PersonID, idp.PersonDisabled, y.tick(), idp.Event{At: y.tick(), Kind: "account.disable", Actor: "operator:x"}))
		if got := fmt.Sprint(effects()); got != "[disable geaa-000001]" {
			t.Errorf("told %s", got)
		}
		run, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		if p, _ := s.Person(t.Context(), a.PersonID); p.State != idp.PersonDisabled || run.Summary.Counts.Enable != 0 || run.Summary.Counts.Faults != 1 {
			t.Errorf("%+v %+v", p, run.Summary)
		}
		must(t, s.SetState(t.Context(), a.PersonID, idp.PersonEnabled, y.tick()))
		if got := fmt.Sprint(effects()); got != "[enable geaa-000001]" {
			t.Errorf("told %s", got)
		}
		if run, err = y.Do(t.Context(), y.source, "test"); err != nil || run.Summary.Counts.Changed()+run.Summary.Counts.Faults != 0 {
			t.Errorf("%+v %v", run, err)
		}
	})
}

// The portal gives a person another account in the place of theirs: what was bound to
// the one is bound to the other, and nobody gets a second TPEAD account for it. Where
// it can't be told which account took whose place, nothing moves.
func TestSync_ARenamedPortalAccountKeepsItsBinding(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		second := func(n int, name string) string { return strings.Replace(fedRow(n), fmt.Sprint("user", n), name, 1) }
		rows := append(fedRows(300), second(1, "user1b"))
		y.write(t, rows...)
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		job := &directory.Job{Store: s, Now: func() time.Time { return y.now }, Actor: "test"}
		must(t, job.Provision(t.Context(), func(directory.Outcome) {}))
		bound := func(portal string) string {
			b, err := s.BindingOf(t.Context(), portal)
			if errors.Is(err, idp.ErrNotFound) {
				return ""
			}
			must(t, err)
			return b.TPEAD
		}
		before := [3]string{bound("user0"), bound("user1"), bound("user2")}
		rows[0], rows[2] = second(0, "user0new"), fedRow(2)
		rows[1], rows[300] = second(1, "user1x"), second(1, "user1y")
		rows = append(rows, second(2, "user2b"))
		y.write(t, rows...)
		run, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		if run.Summary.Failed != 0 || bound("user0") != "" || bound("user0new") != before[0] {
			t.Errorf("%+v: %q and %q, not %q", run.Summary, bound("user0"), bound("user0new"), before[0])
		}
		if bound("user1") != before[1] || bound("user1x")+bound("user1y") != "" || bound("user2") != before[2] || bound("user2b") != "" {
			t.Error("moved without being told where")
		}
		a, err := s.Account(t.Context(), "user0new")
		must(t, err)
		entries, err := s.History(t.Context(), a.PersonID, 1)
		want := directory.FieldChange{Field: "bound", Old: "user0 = " + before[0], New: "user0new = " + before[0]}
		if err != nil || len(entries) != 1 || !slices.Contains(entries[0].Fields, want) {
			t.Errorf("%+v %v", entries, err)
		}
		if run, err = y.Do(t.Context(), y.source, "test"); err != nil || run.Summary.Counts.Changed() != 0 {
			t.Errorf("the same again: %+v %v", run.Summary, err)
		}
		// Who has the portal account alone is known by its new name, as the same person.
		y.write(t, append(rows, fedRow(300))...)
		_, err = y.Do(t.Context(), y.source, "test")
		must(t, err)
		was, err := s.Account(t.Context(), "user300")
		must(t, err)
		y.write(t, append(rows, strings.Replace(fedRow(300), "user300", "user300new", 1))...)
		_, err = y.Do(t.Context(), y.source, "test")
		must(t, err)
		if p, err := s.Person(t.Context(), was.PersonID); err != nil || p.Username != "user300new" {
			t.Errorf("%+v %v", p, err)
		}
	})
}
