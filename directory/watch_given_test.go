package directory_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// empty is a watched directory that has nobody.
type empty struct{ vault }

func (*empty) Open(context.Context, []idp.Account) ([]idp.Account, error) { return nil, nil }

// TestWatch_LeavesWhoseAccountWasNotMade logged in by the portal's password, while
// their account of the directory could not be made.
func TestWatch_LeavesWhoseAccountWasNotMade(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		kept, must := d.Keeper.(*store.Store), func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		d.given(t, "li")
		for _, p := range []string{"p1", "p2"} {
			s := &idp.Session{ID: "s-" + p, PersonID: p, CreatedAt: d.clock(), SeenAt: d.clock(), EndsAt: d.clock().Add(time.Hour)}
			must(kept.CreateSession(t.Context(), s, []byte(p), nil))
		}
		list, err := kept.TakeEffects(t.Context(), "l", d.clock(), d.clock().Add(time.Minute), 9)
		must(err)
		for _, e := range list {
			must(kept.EffectFailed(t.Context(), e.ID, "l", "refused"))
		}
		d.world.Gate.Routes = []directory.Route{routed("ad", &empty{}, idp.AccountSingle, idp.AccountTPEAD)}
		watch := &directory.Watch{
			Gate: d.world.Gate, Live: kept, Most: directory.AFewOf, Now: d.clock, Logger: slog.New(slog.DiscardHandler),
		}
		if ended, err := watch.Sweep(t.Context(), recheck); err != nil || ended != 0 || len(list) != 1 {
			t.Errorf("%d ended at first, %d effects, %v", ended, len(list), err)
		}
		d.pass(recheck / 2)
		if ended, err := watch.Sweep(t.Context(), recheck); err != nil || ended != 1 {
			t.Errorf("%d ended, %v", ended, err)
		}
		live, err := kept.LivePeople(t.Context(), "", d.clock(), 9)
		must(err)
		if len(live) != 1 || live[0] != "p2" {
			t.Errorf("still logged in: %v", live)
		}
	})
}

// recheck is how soon who vanished loses sessions.
const recheck = 4 * time.Minute

// lossy is a watched directory that has lost some people, and closed others.
type lossy struct {
	vault
	open, shut map[string]bool
	looks      int
}

func (l *lossy) Open(_ context.Context, accounts []idp.Account) ([]idp.Account, error) {
	l.looks++
	return of(accounts, l.open), nil
}

func (l *lossy) Shut(_ context.Context, accounts []idp.Account) ([]idp.Account, error) {
	return of(accounts, l.shut), nil
}

func of(accounts []idp.Account, names map[string]bool) (list []idp.Account) {
	for _, a := range accounts {
		if names[a.Name] {
			list = append(list, a)
		}
	}
	return list
}

// TestWatch_ADirectoryThatLosesPeopleDropByDrip ends few sessions in a day; one that
// says that an account is closed is believed at once.
func TestWatch_ADirectoryThatLosesPeopleDropByDrip(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		kept := d.Keeper.(*store.Store)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		there := &lossy{open: map[string]bool{}, shut: map[string]bool{}}
		for i := range 9 {
			name := fmt.Sprintf("xy%04d", i)
			there.open[name] = true
			must(kept.PutPerson(t.Context(), directory.Record{
				Person:   idp.Person{ID: name, Subject: name, Name: "李小華", State: idp.PersonEnabled, UpdatedAt: d.clock()},
				Accounts: []idp.Account{{Name: name, Kind: idp.AccountSingle}}, NationalIDHash: []byte(name),
			}))
			s := &idp.Session{ID: "s-" + name, PersonID: name, CreatedAt: d.clock(), SeenAt: d.clock(), EndsAt: d.clock().Add(100 * time.Hour)}
			must(kept.CreateSession(t.Context(), s, []byte(name), nil))
		}
		d.world.Gate.Routes = []directory.Route{routed("ad", there, idp.AccountSingle)}
		watch := &directory.Watch{Gate: d.world.Gate, Live: kept, Most: directory.AFewOf, Now: d.clock, Logger: slog.New(slog.DiscardHandler)}
		sweep := func(what string, want int) {
			t.Helper()
			total := 0
			for range 2 {
				n, err := watch.Sweep(t.Context(), recheck)
				if total += n; err != nil {
					t.Fatal(err)
				}
				d.pass(recheck / 2)
			}
			if total != want {
				t.Errorf("%s: %d ended", what, total)
			}
		}
		for i := range 3 {
			delete(there.open, fmt.Sprintf("xy%04d", i))
			sweep("a drop", 1)
		}
		delete(there.open, "xy0003")
		sweep("one drop too many", 0)
		for i := 4; i < 8; i++ {
			name := fmt.Sprintf("xy%04d", i)
			delete(there.open, name)
			there.shut[name] = true
		}
		sweep("closed there", 4)
		there.open["xy0000"] = true
		sweep("one is back", 1)
	})
}
