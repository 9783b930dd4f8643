package directory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// dated is a vault that tells when passwords were set, by a clock that has nothing to
// do with ours, as the controller that is asked has heard of it.
type dated struct {
	vault
	clock   time.Time
	at      time.Time // of the password, as all but a late controller have it
	heard   time.Time // as the one that is asked has it
	silent  bool
	unasked error
}

func (v *dated) SetMarked(ctx context.Context, a idp.Account, password string, must bool) (time.Time, error) {
	v.clock = v.clock.Add(time.Minute)
	v.at, v.heard = time.Time{}, time.Time{}
	mark := v.clock
	if v.silent {
		mark = time.Time{}
	}
	v.must = directory.ErrMustChange
	return mark, v.SetOf(ctx, a, password, must)
}

func (v *dated) ChangedSince(_ context.Context, _ idp.Account, mark time.Time) (bool, error) {
	return v.heard.After(mark), v.unasked
}

// atThePC is a change by the owner that all controllers know.
func (v *dated) atThePC(password string) {
	v.clock = v.clock.Add(time.Minute)
	v.at, v.heard, v.pw["ab1234"], v.must = v.clock, v.clock, password, nil
}

// TestStartPasswordIsOverByTheDirectorysOwnTime whatever its clock says, and however
// late a controller is.
func TestStartPasswordIsOverByTheDirectorysOwnTime(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		v := &dated{vault: vault{pw: map[string]string{}}, clock: d.clock().Add(-100 * 24 * time.Hour)}
		d.world.Gate.Routes = []directory.Route{routed("ad", v, idp.AccountSingle, idp.AccountTPEAD)}
		standing := func() *directory.PasswordStanding {
			t.Helper()
			s, err := d.Keeper.PasswordStanding(t.Context(), "p1")
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		reset := func() (start string) {
			t.Helper()
			start, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "why")
			if err != nil || !standing().MustChange {
				t.Fatal(err)
			}
			return start
		}
		first := func(old, password string) string {
			if _, err := d.ChangeFirst(d.context(), "ab1234", old, password); err != nil {
				return outcome(nil, err)
			}
			return "ok"
		}
		// A controller that has heard nothing for hours takes the former password.
		former := v.clock
		start := reset()
		v.heard, v.must = former, nil
		d.pass(20 * time.Hour)
		d.want(d.try("ab1234", start), "ok")
		if !standing().MustChange || !standing().ToldAt.Equal(v.clock) {
			t.Errorf("a late controller ended the start password: %+v", standing())
		}
		v.heard, v.must = time.Time{}, directory.ErrMustChange
		d.pass(5 * time.Hour)
		if got := first(start, "Lanterns7&Fog"); got != "disabled" {
			t.Errorf("a start password that has ended: %s", got)
		}
		// Changed at the PC in the first minute: the next login knows, whenever it is.
		reset()
		v.atThePC("Changed-At-PC-1!")
		d.pass(time.Minute)
		v.unasked = errors.New("away")
		d.want(d.try("ab1234", "Changed-At-PC-1!"), "ok")
		if !standing().MustChange {
			t.Error("nobody said that it was changed")
		}
		v.unasked = nil
		d.want(d.try("ab1234", "Changed-At-PC-1!"), "ok")
		if standing().MustChange {
			t.Error("the start password is still noted")
		}
		// Changed at the PC, not used here since, and old by now.
		reset()
		v.atThePC("Changed-At-PC-2!")
		d.pass(95 * 24 * time.Hour)
		v.must = directory.ErrMustChange
		if got := first("Changed-At-PC-2!", "Sparrow4&Rain"); got != "ok" {
			t.Errorf("a password that is old, and no start password: %s", got)
		}
		if s := standing(); s.MustChange || !s.ToldAt.IsZero() {
			t.Errorf("%+v", s)
		}
		// It tells nothing: a while after the reset decides.
		d.pass(48 * time.Hour)
		v.silent = true
		reset()
		v.atThePC("Changed-At-PC-3!")
		d.pass(14 * time.Minute)
		d.want(d.try("ab1234", "Changed-At-PC-3!"), "ok")
		before := standing().MustChange
		d.pass(2 * time.Minute)
		d.want(d.try("ab1234", "Changed-At-PC-3!"), "ok")
		if !before || standing().MustChange {
			t.Errorf("%v, %+v", before, standing())
		}
	})
}

// TestToldTimeIsOfOnePassword: a change that the directory told no time of leaves none.
func TestToldTimeIsOfOnePassword(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		kept, told := d.Keeper.(*store.Store), d.clock().Add(-time.Hour)
		set := func(told time.Time) *directory.PasswordStanding {
			t.Helper()
			s, err := kept.PasswordStanding(t.Context(), "p1")
			if err != nil {
				t.Fatal(err)
			}
			d.pass(time.Second)
			err = kept.SetPassword(t.Context(), directory.NewPassword{
				PersonID: "p1", Since: s.ChangedAt, At: d.clock(), Keep: 3, MustChange: true, Reset: true, ToldAt: told,
			})
			if err == nil {
				s, err = kept.PasswordStanding(t.Context(), "p1")
			}
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := set(told); !s.ToldAt.Equal(told) {
			t.Errorf("%v", s.ToldAt)
		}
		if s := set(time.Time{}); !s.ToldAt.IsZero() {
			t.Errorf("%v", s.ToldAt)
		}
	})
}
