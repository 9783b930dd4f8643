package directory_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// watching is some nodes' watches over one store and one directory.
type watching struct {
	*desk
	there *lossy
	kept  *store.Store
}

func watchingOf(d *desk, people int) *watching {
	w := &watching{desk: d, there: &lossy{open: map[string]bool{}, shut: map[string]bool{}}, kept: d.Keeper.(*store.Store)}
	for i := range people {
		w.add(fmt.Sprintf("xy%04d", i))
	}
	d.world.Gate.Routes = []directory.Route{routed("ad", w.there, idp.AccountSingle)}
	return w
}

func (w *watching) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// add is somebody who is logged in.
func (w *watching) add(name string) {
	w.t.Helper()
	w.there.open[name] = true
	w.must(w.kept.PutPerson(w.t.Context(), directory.Record{
		Person:   idp.Person{ID: name, Subject: name, Name: "李小華", State: idp.PersonEnabled, UpdatedAt: w.clock()},
		Accounts: []idp.Account{{Name: name, Kind: idp.AccountSingle}}, NationalIDHash: []byte(name),
	}))
	s := &idp.Session{ID: "s-" + name, PersonID: name, CreatedAt: w.clock(), SeenAt: w.clock(), EndsAt: w.clock().Add(1000 * time.Hour)}
	w.must(w.kept.CreateSession(w.t.Context(), s, []byte(name), nil))
}

func (w *watching) alive(name string) bool {
	_, _, err := w.kept.Session(w.t.Context(), []byte(name))
	return err == nil
}

// ticks lets the time pass by tenths, and nodes look that start anew each time, as
// each of several does, or one that was stopped.
func (w *watching) ticks(n int) (ended int) {
	w.t.Helper()
	for range n {
		node := &directory.Watch{
			Gate: w.world.Gate, Live: w.kept, Leases: w.kept, Most: directory.AFewOf, Now: w.clock, Logger: slog.New(slog.DiscardHandler),
		}
		one, err := node.IfDue(w.t.Context(), recheck)
		w.must(err)
		ended += one
		w.pass(recheck / 10)
	}
	return ended
}

// TestT061_NotFoundIsBelievedAtTheSecondLook: whoever vanishes for a moment keeps
// their sessions; who stays away loses them within the time, whenever between two
// looks it was.
func TestT061_NotFoundIsBelievedAtTheSecondLook(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		w := watchingOf(d, 3)
		if n := w.ticks(10); n != 0 {
			t.Fatalf("%d ended", n)
		}
		// Once, and once more ten minutes later: that is no second look.
		for range 2 {
			delete(w.there.open, "xy0000")
			w.tillMissed()
			w.there.open["xy0000"] = true
			if n := w.ticks(25); n != 0 || w.missed() != 0 || !w.alive("xy0000") {
				t.Fatalf("%d ended, %d are missed", n, w.missed())
			}
		}
		for i, name := range []string{"xy0000", "xy0001", "xy0002"} {
			for looks := w.there.looks; w.there.looks == looks; { // just after a look is the worst time
				w.ticks(1)
			}
			w.ticks(i)
			delete(w.there.open, name)
			gone := w.clock()
			first := time.Time{}
			for w.alive(name) {
				if w.clock().After(gone.Add(recheck * 6 / 10)) { // and so a long sweep is within the time too
					t.Fatalf("%s: the session goes on", name)
				}
				w.ticks(1)
				if first.IsZero() && w.missed() > 0 {
					first = w.clock()
				}
			}
			if apart := w.clock().Sub(first); first.IsZero() || apart < recheck/6 {
				t.Errorf("%s: the looks were %v apart", name, apart)
			}
		}
	})
}

// tillMissed lets the time pass until somebody was looked for and not found.
func (w *watching) tillMissed() {
	w.t.Helper()
	for range 6 {
		if w.ticks(1); w.missed() > 0 {
			return
		}
	}
	w.t.Fatal("nobody is missed")
}

func (w *watching) missed() int {
	w.t.Helper()
	list, err := w.kept.MissedPeople(w.t.Context(), "", w.clock(), time.Time{}, 100)
	w.must(err)
	return len(list)
}

// TestT061_ClosedIsBelievedAtOnce: also where a first look found nothing.
func TestT061_ClosedIsBelievedAtOnce(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		w := watchingOf(d, 9)
		w.ticks(1)
		delete(w.there.open, "xy0000")
		w.there.shut["xy0000"] = true
		if n := w.ticks(5); n != 1 || w.alive("xy0000") {
			t.Errorf("%d ended", n)
		}
		delete(w.there.open, "xy0001")
		w.tillMissed()
		w.there.shut["xy0001"] = true
		if n := w.ticks(4); n != 1 || w.alive("xy0001") || w.missed() != 0 {
			t.Errorf("%d ended, %d are missed", n, w.missed())
		}
	})
}

// TestT061_AFirstLookOfLongAgo is none: its person logged out, and was not looked for.
func TestT061_AFirstLookOfLongAgo(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		w := watchingOf(d, 1)
		delete(w.there.open, "xy0000")
		if first, err := w.kept.MissPerson(t.Context(), "xy0000", w.clock(), time.Time{}); err != nil || !first.Equal(w.clock()) {
			t.Fatal(first, err)
		}
		w.pass(time.Hour)
		if n := w.ticks(1); n != 0 || !w.alive("xy0000") {
			t.Errorf("%d ended at the first look", n)
		}
		if n := w.ticks(4); n != 1 || w.alive("xy0000") {
			t.Errorf("%d ended", n)
		}
		// Nor one of somebody whose account is still to be opened there.
		w.add("xy0001")
		delete(w.there.open, "xy0001")
		w.tillMissed()
		w.must(w.kept.Mend(t.Context(), "xy0001", "xy0001", directory.EffectEnable, "test"))
		if n := w.ticks(10); n != 0 || !w.alive("xy0001") {
			t.Errorf("%d ended whose directory is still to be told", n)
		}
	})
}

// TestT061_TooManyAtTheSecondLook ends nobody, and nobody is asked about them between
// two sweeps: that would keep from all others.
func TestT061_TooManyAtTheSecondLook(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		w := watchingOf(d, 8)
		for i := range 4 {
			delete(w.there.open, fmt.Sprintf("xy%04d", i))
		}
		if n := w.ticks(30); n != 0 || w.missed() != 4 {
			t.Errorf("%d ended, %d are missed", n, w.missed())
		}
		if w.there.looks > 10 { // a sweep is one
			t.Errorf("the directory was asked %d times", w.there.looks)
		}
		w.there.open["xy0003"] = true
		if n := w.ticks(10); n != 3 || !w.alive("xy0003") {
			t.Errorf("%d ended", n)
		}
	})
}
