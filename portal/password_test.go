package portal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// settlePasswords joins what changes passwords.
func (w *world) settlePasswords(t *testing.T) {
	t.Helper()
	sealer, err := keys.NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.RulesOf(policy.ProfileBaseline)
	if err != nil {
		t.Fatal(err)
	}
	gate := &directory.Gate{
		Accounts: w.db, Tries: w.db, Hasher: directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1}),
		Rules: policy.CityLockout(), Key: sealer.Hash, Record: w.db.Record, Now: w.clock, Logger: slog.New(slog.DiscardHandler),
	}
	w.portal.Passwords = &directory.Passwords{
		Gate: gate, Keeper: w.db, Rules: rules, Seal: sealer.Seal, Open: sealer.Open, Now: w.clock, Logger: slog.New(slog.DiscardHandler),
	}
	gate.After = w.portal.Passwords.After
	w.settleBinder()
}

// givePassword sets the person's first password.
func (w *world) givePassword(account, password string) {
	w.Helper()
	hash, err := w.portal.Passwords.Gate.Hasher.Hash(w.Context(), password)
	if err != nil {
		w.Fatal(err)
	}
	p := w.person[account]
	err = w.db.PutPerson(w.Context(), directory.Record{
		Person: *p, PasswordHash: hash, Accounts: []idp.Account{{Name: account, Kind: idp.AccountSingle, PersonID: p.ID}},
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantPassword(a answer) templates.Password {
	w.Helper()
	v, ok := a.view.(templates.Password)
	if !ok {
		w.Fatalf("%d, %T", a.StatusCode, a.view)
	}
	return v
}

const firstPassword, secondPassword = "Lanterns7&Fog", "Harbour9&Rain"

func TestPasswordPage(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.givePassword("ab1001", firstPassword)
		here, there := w.browser(), w.browser()
		here.wantFlow(here.get("/password"))
		here.in("ab1001", idp.MethodPhone)
		there.in("ab1001", idp.MethodPassword)
		v := w.wantPassword(here.get("/password"))
		if v.Way != templates.PasswordOwn || v.Account != "ab1001" || v.Rules.MinLength != 8 || v.Rules.MaxDays != 90 || !slices.Contains(v.Own, "王小明") {
			t.Fatalf("%+v", v)
		}
		post := func(old, password, again string) answer {
			return here.post("/password", "old", old, "new", password, "again", again)
		}
		for _, c := range []struct{ old, password, again, fault string }{
			{firstPassword, secondPassword, "other", "differ"}, {firstPassword, "short", "short", "short"},
			{firstPassword, "Taipei2026!", "Taipei2026!", "weak"}, {firstPassword, "Ab1001&Fog", "Ab1001&Fog", "own"},
			{firstPassword, firstPassword, firstPassword, "used"}, {firstPassword, "", "", "form"},
		} {
			a := post(c.old, c.password, c.again)
			if v := w.wantPassword(a); !slices.Contains(v.Faults, c.fault) || v.Reason != "" {
				t.Errorf("%q: %v, want %s", c.password, v.Faults, c.fault)
			}
			if len(c.password) > 8 && strings.Contains(a.body, c.password) {
				t.Errorf("the page holds %q", c.password)
			}
		}
		w.wantTo(post(firstPassword, secondPassword, secondPassword), "/password?done=yes")
		if v := w.wantPassword(here.get("/password?done=yes")); !v.Done {
			t.Errorf("%+v", v)
		}
		if here.current() == nil || there.current() != nil {
			t.Error("the wrong session has ended")
		}
		if v := w.wantPassword(post(secondPassword, "Sparrow4&Kite", "Sparrow4&Kite")); !slices.Contains(v.Faults, "young") {
			t.Errorf("%+v", v)
		}
		w.later(25 * time.Hour)
		here.in("ab1001", idp.MethodPassword)
		w.wantTo(post(secondPassword, "Sparrow4&Kite", "Sparrow4&Kite"), "/password?done=yes")
	})
}

// TestT074_ChangePageCountsLikeTheLogin guesses the old password.
func TestT074_ChangePageCountsLikeTheLogin(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.givePassword("ab1001", firstPassword)
		b := w.browser()
		b.in("ab1001", idp.MethodPhone)
		for i := range 6 {
			want := idp.ReasonWrong
			if i >= 4 {
				want = idp.ReasonLocked
			}
			v := w.wantPassword(b.post("/password", "old", fmt.Sprint("guess ", i), "new", secondPassword, "again", secondPassword))
			if v.Reason != want || v.LockedUntil.IsZero() == (i >= 4) {
				t.Fatalf("guess %d: %+v", i, v)
			}
		}
		if v := w.wantPassword(b.post("/password", "old", firstPassword, "new", secondPassword, "again", secondPassword)); v.Reason != idp.ReasonLocked {
			t.Errorf("%+v", v)
		}
	})
}

// TestT147_ForgottenNeedsTheCardNow takes no other proof, and none that is old.
func TestT147_ForgottenNeedsTheCardNow(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.givePassword("ab1001", firstPassword)
		b := w.browser()
		if f := b.wantFlow(b.get("/password/forgotten")); f.Ask.Method != idp.MethodCard || f.ReturnTo != "/password/forgotten" {
			t.Errorf("%+v", f)
		}
		for _, method := range []idp.Method{idp.MethodPassword, idp.MethodPhone} {
			b.in("ab1001", method)
			if v := w.wantPassword(b.get("/password/forgotten")); !v.NeedCard {
				t.Errorf("%s: %+v", method, v)
			}
			if f := b.wantFlow(b.post("/password/forgotten", "new", secondPassword, "again", secondPassword)); f.Ask.Method != idp.MethodCard || !f.Ask.PromptLogin {
				t.Errorf("%s: %+v", method, f)
			}
		}
		b.in("ab1001", idp.MethodCard)
		if v := w.wantPassword(b.post("/password/forgotten", "new", "Taipei2026!", "again", "Taipei2026!")); !slices.Contains(v.Faults, "weak") {
			t.Errorf("%+v", v)
		}
		w.later(6 * time.Minute)
		b.wantFlow(b.post("/password/forgotten", "new", secondPassword, "again", secondPassword))
		b.in("ab1001", idp.MethodCard)
		w.wantTo(b.post("/password/forgotten", "new", secondPassword, "again", secondPassword), "/password?done=yes")
		if _, err := w.portal.Passwords.Gate.CheckPassword(t.Context(), "ab1001", secondPassword); err != nil {
			t.Error(err)
		}
		if b.current() == nil {
			t.Error("the session at hand has ended")
		}
	})
}

func TestPasswordPageWithoutAnAccount(t *testing.T) {
	w := newWorld(t)
	p := w.person["ab1002"]
	err := w.db.PutPerson(t.Context(), directory.Record{Person: *p, Accounts: []idp.Account{{Name: "ouyang", Kind: idp.AccountPortal, PersonID: p.ID}}})
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	b.in("ab1002", idp.MethodPassword)
	a := b.get("/password?lang=en")
	if v := w.wantPassword(a); !v.Unbound || a.StatusCode != http.StatusOK || strings.Contains(a.body, "<input") || !strings.Contains(a.body, "/account/bind") {
		t.Errorf("%+v", v)
	}
}

// TestPasswordDone_ShowsTheWorst of what became of one mailbox in two mail systems.
func TestPasswordDone_ShowsTheWorst(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.givePassword("ab1001", firstPassword)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		person := w.person["ab1001"].ID
		st, err := w.db.PasswordStanding(t.Context(), person)
		must(err)
		n := directory.NewPassword{PersonID: person, Since: st.ChangedAt, At: w.clock(), Keep: 3}
		for _, target := range []string{"a", "b", "c"} {
			n.Deliveries = append(n.Deliveries, directory.Delivery{
				ID: "d-" + target, PersonID: person, Target: target, Account: "wang.box", Secret: []byte("x"), EndsAt: w.clock().Add(time.Hour),
			})
		}
		must(w.db.SetPassword(t.Context(), n))
		b := w.browser()
		b.in("ab1001", idp.MethodPhone)
		shows := func(want string) {
			t.Helper()
			if v := w.wantPassword(b.get("/password?done=yes")); len(v.Mail) != 1 || v.Mail[0].State != want {
				t.Errorf("%+v, want %s", v.Mail, want)
			}
		}
		_, err = w.db.TakeDeliveries(t.Context(), "l", w.clock(), w.clock().Add(time.Minute), 9)
		must(err)
		must(w.db.SettleDelivery(t.Context(), "d-a", "l", directory.DeliveryDone, time.Time{}, ""))
		shows("waiting")
		must(w.db.SettleDelivery(t.Context(), "d-b", "l", directory.DeliveryFailed, time.Time{}, "refused"))
		shows("failed")
		must(w.db.SettleDelivery(t.Context(), "d-c", "l", directory.DeliveryDone, time.Time{}, ""))
		shows("failed")
	})
}
