package directory_test

import (
	"context"
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
		must(kept.PutPerson(t.Context(), directory.Record{
			Person:   idp.Person{ID: "p2", Subject: "p2", Name: "李小華", State: idp.PersonEnabled, UpdatedAt: d.clock()},
			Accounts: []idp.Account{{Name: "li", Kind: idp.AccountPortal}}, NationalIDHash: []byte("2"),
		}))
		must((&directory.Job{Store: kept, Now: d.clock, Actor: "test"}).Provision(t.Context(), func(directory.Outcome) {}))
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
		if ended, err := watch.Sweep(t.Context()); err != nil || ended != 1 || len(list) != 1 {
			t.Errorf("%d ended, %d effects, %v", ended, len(list), err)
		}
		live, err := kept.LivePeople(t.Context(), "", d.clock(), 9)
		must(err)
		if len(live) != 1 || live[0] != "p2" {
			t.Errorf("still logged in: %v", live)
		}
	})
}
