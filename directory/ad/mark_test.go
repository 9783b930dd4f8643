package ad_test

import (
	"testing"
	"time"

	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// marks goes through what happens to a start password; our own clock is two years
// ahead of the directory's.
func marks(t *testing.T, d *ad.Directory) {
	t.Helper()
	ctx := t.Context()
	e := person(t, d)
	a := account(e.Name)
	if e.PasswordAt.IsZero() {
		t.Fatal("it does not tell when a password was set")
	}
	since := func(what string, mark time.Time, want bool) {
		t.Helper()
		if got, err := d.ChangedSince(ctx, a, mark); err != nil || got != want {
			t.Errorf("%s: changed %v, %v", what, got, err)
		}
	}
	start := func(password string) time.Time {
		t.Helper()
		mark, err := d.SetMarked(ctx, a, password, true)
		if err != nil || mark.IsZero() {
			t.Fatal(mark, err)
		}
		if off := time.Since(mark); off < -5*time.Second || off > time.Minute {
			t.Errorf("the directory's time is %v ago", off)
		}
		return mark
	}
	mark := start("Start-2026!a")
	since("just set", mark, false)
	if e.PasswordAt.After(mark) {
		t.Error("a controller that has not heard of it would show a later time")
	}
	time.Sleep(2100 * time.Millisecond) // it has whole seconds
	since("a while after", mark, false)
	if err := d.SetPassword(ctx, e.ID, "Changed-At-PC-1!", false); err != nil {
		t.Fatal(err)
	}
	since("changed", mark, true)
	since("no mark", time.Time{}, false)
	again := start("Start-2026!b")
	if !again.After(mark) {
		t.Error("the second start password has no later time")
	}
	since("set again", mark, false)
	since("set again", again, false)
	if err := d.Delete(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ChangedSince(ctx, a, mark); err == nil {
		t.Error("what is not there was not changed")
	}
}

func ahead(o *ad.Options) { o.Now = func() time.Time { return time.Now().AddDate(2, 0, 0) } }

func TestSamba_TellsWhenAPasswordWasSet(t *testing.T) {
	marks(t, open(t, testenv.Samba(t), patient, ahead))
}

func TestSlapd_TellsWhenAPasswordWasSet(t *testing.T) {
	marks(t, openPlain(t, testenv.Slapd(t), patient, ahead))
}
