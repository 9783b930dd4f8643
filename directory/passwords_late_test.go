package directory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// lateVault takes a password after another node did something.
type lateVault struct {
	*vault
	before func()
}

func (v *lateVault) ChangeOf(ctx context.Context, a idp.Account, old, password string) error {
	v.before()
	return v.vault.ChangeOf(ctx, a, old, password)
}

func (v *lateVault) SetOf(ctx context.Context, a idp.Account, password string, must bool) error {
	v.before()
	return v.vault.SetOf(ctx, a, password, must)
}

// TestPasswordThatAnotherNodeGaveUp: a node stands still while it sets a password,
// another one settles its change, and the directory takes the password all the
// same. Then all that follows from it is kept, once.
func TestPasswordThatAnotherNodeGaveUp(t *testing.T) {
	steps := map[string]int{"is asking": 1, "has dropped it": 2}
	for name, looks := range steps {
		t.Run(name, func(t *testing.T) {
			eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
				v := &lateVault{vault: &vault{pw: map[string]string{"ab1234": rightPassword}}}
				v.before = func() {
					for range looks {
						d.pass(61 * time.Second)
						if n, err := d.Finish(d.context(), ""); n != 1 || err != nil {
							t.Fatalf("%d taken: %v", n, err)
						}
					}
				}
				d.world.Gate.Routes = []directory.Route{routed("ad", v, idp.AccountSingle, idp.AccountTPEAD)}
				if err := d.change(rightPassword, "Lanterns7&Fog"); err != nil {
					t.Fatalf("the directory took it: %v", err)
				}
				d.whole(1)
				v.before = func() {}
				d.pass(3 * time.Minute)
				if n, err := d.Finish(d.context(), ""); n != 0 || err != nil {
					t.Errorf("%d are left: %v", n, err)
				}
				d.pass(25 * time.Hour)
				v.before = func() {
					for range looks {
						d.pass(61 * time.Second)
						if n, err := d.Finish(d.context(), ""); n != 1 || err != nil {
							t.Fatalf("%d taken: %v", n, err)
						}
					}
				}
				if _, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "operator:alice"}, "forgot it"); err != nil {
					t.Fatal(err)
				}
				d.whole(2)
				standing, err := d.Keeper.PasswordStanding(t.Context(), "p1")
				if err != nil || !standing.MustChange {
					t.Errorf("a start password: %+v, %v", standing, err)
				}
			})
		})
	}
}

// whole checks that so many passwords were kept, each with its letter.
func (d *desk) whole(n int) {
	d.t.Helper()
	standing, err := d.Keeper.PasswordStanding(d.t.Context(), "p1")
	if err != nil {
		d.t.Fatal(err)
	}
	if got := len(standing.History); got != n+1 { // and the one before
		d.t.Errorf("%d in the history, want %d", got, n+1)
	}
}

// TestPasswordBegunTooLongAgo: a node that stood still before the directory was
// asked asks nothing any more.
func TestPasswordBegunTooLongAgo(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		v := &vault{pw: map[string]string{"ab1234": rightPassword}}
		d.world.Gate.Routes = []directory.Route{routed("ad", v, idp.AccountSingle, idp.AccountTPEAD)}
		d.Intents = slowIntents{d.Intents, func() { d.pass(59 * time.Second) }}
		if err := d.change(rightPassword, "Lanterns7&Fog"); !errors.Is(err, idp.ErrUnavailable) || v.pw["ab1234"] != rightPassword {
			t.Errorf("%v, and the directory has %q", err, v.pw["ab1234"])
		}
	})
}

type slowIntents struct {
	directory.PasswordIntents
	then func()
}

func (s slowIntents) BeginPassword(ctx context.Context, i directory.Intent) error {
	err := s.PasswordIntents.BeginPassword(ctx, i)
	s.then()
	return err
}
