package directory_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// box is a mail system of the tests.
type box struct {
	name     string
	hash     bool
	agencies []string

	mu   sync.Mutex
	fail error
	got  map[string]string
}

func (b *box) Name() string    { return b.name }
func (b *box) TakesHash() bool { return b.hash }

func (b *box) Takes(agency string) bool {
	return len(b.agencies) == 0 || slices.Contains(b.agencies, agency)
}

func (b *box) Deliver(_ context.Context, of idp.Account, secret string) error {
	account := of.Name
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.got[account] = secret
	return nil
}

// desk is a world with what changes passwords.
type desk struct {
	*world
	*directory.Passwords
	postman *directory.Postman
	hashed  *box
	plain   *box
	told    []directory.Told
}

func eachDesk(t *testing.T, profile policy.PasswordProfile, test func(t *testing.T, d *desk)) {
	eachWorld(t, func(t *testing.T, w *world) {
		sealer, err := keys.NewSealer(bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		rules, err := policy.RulesOf(profile)
		if err != nil {
			t.Fatal(err)
		}
		d := &desk{
			world: w, hashed: &box{name: "dovecot", hash: true, got: map[string]string{}}, plain: &box{name: "ldap", got: map[string]string{}},
		}
		kept, logger := w.Gate.Tries.(*store.Store), slog.New(slog.NewTextHandler(io.Discard, nil))
		mail := []directory.Mailbox{d.hashed, d.plain}
		d.Passwords = &directory.Passwords{
			Gate: w.Gate, Keeper: kept, Rules: rules, Mail: mail, Seal: sealer.Seal, Open: sealer.Open, Now: w.clock, Logger: logger,
			Intents: kept, Letters: func(told directory.Told) []outbox.Message {
				d.told = append(d.told, told)
				return []outbox.Message{outbox.NewMail(told.Person.ID+"@gov.taipei", told.Kind, "text", told.At)}
			},
		}
		w.Gate.After = d.Passwords.After
		d.postman = &directory.Postman{Keeper: kept, Mail: mail, Open: sealer.Open, Now: w.clock, Logger: logger}
		test(t, d)
	})
}

func (d *desk) person() *idp.Person {
	d.t.Helper()
	p, err := d.world.Gate.Accounts.Person(d.t.Context(), "p1")
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func (d *desk) change(old, password string) error {
	_, err := d.ChangeOwn(d.context(), d.person(), old, password, "s1")
	return err
}

func (d *desk) wantFault(err error, want policy.Fault) {
	d.t.Helper()
	if !policy.IsFault(err, want) {
		d.t.Errorf("want the fault %q: %v", want, err)
	}
}

func TestT240_LastThreeAreRefused(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		d.wantFault(d.change(rightPassword, rightPassword), policy.FaultUsed)
		was := []string{rightPassword}
		for i := range 4 {
			next := fmt.Sprintf("Lanterns%d&Fog", i)
			if err := d.change(was[len(was)-1], next); err != nil {
				t.Fatal(err)
			}
			was = append(was, next)
			d.wantFault(d.change(next, "Harbour9&Fog"), policy.FaultYoung)
			d.pass(25 * time.Hour)
			for _, old := range was[max(0, len(was)-3):] {
				d.wantFault(d.change(next, old), policy.FaultUsed)
			}
		}
		// The fourth last may come back.
		if err := d.change(was[4], was[1]); err != nil {
			t.Error(err)
		}
		if len(d.told) != 5 || d.told[0].Kind != "password.change" {
			t.Errorf("told %v", d.told)
		}
	})
}

func TestT240_NISTHasNoHistoryAndNoAges(t *testing.T) {
	eachDesk(t, policy.ProfileNIST, func(t *testing.T, d *desk) {
		one, two := "correct horse battery staple", "seven lanterns in the fog"
		for i, next := range []string{one, two, one} {
			if err := d.change([]string{rightPassword, one, two}[i], next); err != nil {
				t.Fatal(err)
			}
		}
		d.pass(3 * 365 * 24 * time.Hour)
		d.want(d.try("ab1234", one), "ok")
		d.wantFault(d.change(one, one), policy.FaultUsed)
		d.wantFault(d.change(one, "Short1&Fog"), policy.FaultShort)
	})
}

func TestT240_OldPasswordHasToBeChangedAtTheLogin(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		if err := d.change(rightPassword, "Lanterns7&Fog"); err != nil {
			t.Fatal(err)
		}
		d.pass(90 * 24 * time.Hour)
		_, err := d.world.Gate.CheckPassword(d.context(), "ab1234", "Lanterns7&Fog")
		if !errors.Is(err, directory.ErrMustChange) {
			t.Fatalf("after 90 days: %v", err)
		}
		if _, err := d.ChangeFirst(d.context(), "GEAA-000001", "Lanterns7&Fog", "Harbour9&Fog"); err != nil {
			t.Fatal(err)
		}
		d.want(d.try("ab1234", "Harbour9&Fog"), "ok")
		if _, err := d.ChangeFirst(d.context(), "ab1234", "Harbour9&Fog", "Sparrow4&Rain"); !errors.Is(err, idp.ErrUsed) {
			t.Errorf("a password that need not be changed: %v", err)
		}
	})
}

// TestT242_StartPassword opens nothing but the change, once, ends by itself, and
// a new one kills the old one.
func TestT242_StartPassword(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		if _, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, ""); !errors.Is(err, directory.ErrReason) {
			t.Fatalf("without a reason: %v", err)
		}
		first, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "came to the counter")
		if err != nil {
			t.Fatal(err)
		}
		d.want(d.try("ab1234", rightPassword), "wrong")
		second, _, err := d.Reset(d.context(), "wang.daming", directory.Hand{Actor: "helpdesk"}, "lost it on the way")
		if err != nil || first == second {
			t.Fatal(first, second, err)
		}
		d.want(d.try("ab1234", first), "wrong")
		if _, err := d.world.Gate.CheckPassword(d.context(), "ab1234", second); !errors.Is(err, directory.ErrMustChange) {
			t.Fatalf("the start password: %v", err)
		}
		_, err = d.ChangeFirst(d.context(), "ab1234", second, "password1")
		d.wantFault(err, policy.FaultWeak)
		_, err = d.ChangeFirst(d.context(), "ab1234", second, second)
		d.wantFault(err, policy.FaultUsed)
		if _, err := d.ChangeFirst(d.context(), "ab1234", second, "Lanterns7&Fog"); err != nil {
			t.Fatal(err)
		}
		d.want(d.try("ab1234", second), "wrong")
		d.want(d.try("ab1234", "Lanterns7&Fog"), "ok")
		third, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "again")
		if err != nil {
			t.Fatal(err)
		}
		d.pass(24 * time.Hour)
		d.want(d.try("ab1234", third), "disabled")
		_, err = d.ChangeFirst(d.context(), "ab1234", third, "Harbour9&Fog")
		var refusal *directory.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != idp.ReasonDisabled {
			t.Errorf("an ended start password: %v", err)
		}
		events, err := d.world.Gate.Tries.(*store.Store).Events(t.Context(), store.EventFilter{PersonID: "p1", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		resets := 0
		for _, e := range events {
			if e.Kind == "password.reset" && e.Actor == "helpdesk" && e.Detail != "" {
				resets++
			}
			for _, secret := range []string{first, second, third} {
				if strings.Contains(fmt.Sprintf("%+v", e), secret) {
					t.Errorf("the record holds a password: %+v", e)
				}
			}
		}
		if resets != 3 {
			t.Errorf("%d resets on record", resets)
		}
	})
}

// TestT243_GuessingTheOldPasswordLocksTheLogin tries the change page instead of
// the login.
func TestT243_GuessingTheOldPasswordLocksTheLogin(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		var refusal *directory.Refusal
		for i := range 6 {
			err := d.change(fmt.Sprintf("guess %d", i), "Lanterns7&Fog")
			want := idp.ReasonWrong
			if i >= 4 {
				want = idp.ReasonLocked
			}
			if !errors.As(err, &refusal) || refusal.Reason != want {
				t.Fatalf("try %d: %v", i, err)
			}
		}
		if n := d.looks.n.Load(); n != 5 {
			t.Errorf("%d looks", n)
		}
		d.want(d.try("ab1234", rightPassword), "locked until 15m0s")
		// The card opens what guessing has closed.
		if _, err := d.SetByCard(d.context(), d.person(), "Lanterns7&Fog", ""); err != nil {
			t.Fatal(err)
		}
		d.want(d.try("ab1234", "Lanterns7&Fog"), "ok")
	})
}

func TestT241_LeakedOnesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leaked.bin")
	write := func(passwords ...string) {
		t.Helper()
		var sums []string
		for _, p := range passwords {
			sums = append(sums, fmt.Sprintf("%X:3", sha1.Sum([]byte(p))))
		}
		slices.Sort(sums)
		file, err := os.Create(path + ".new")
		if err != nil {
			t.Fatal(err)
		}
		list, err := directory.NewLeakedWriter(file)
		if err == nil {
			err = list.Add(strings.NewReader(strings.Join(sums, "\r\n")+"\r\n\r\n"), "")
		}
		if err != nil {
			t.Fatal(err)
		}
		if n, err := list.Close(); err != nil || n != int64(len(passwords)) {
			t.Fatal(n, err)
		}
		if err := errors.Join(file.Close(), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	var many []string
	for i := range 5000 {
		many = append(many, fmt.Sprintf("Leaked-%d&Fog", i))
	}
	write(many...)
	list := &directory.LeakedFile{Path: path}
	for _, p := range many {
		if has, err := list.Has(p); err != nil || !has {
			t.Fatalf("%s: %v, %v", p, has, err)
		}
	}
	if has, err := list.Has("Lanterns7&Fog"); err != nil || has {
		t.Fatal(has, err)
	}
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		d.Leaked = list
		d.wantFault(d.change(rightPassword, many[7]), policy.FaultLeaked)
		if err := d.change(rightPassword, "Lanterns7&Fog"); err != nil {
			t.Fatal(err)
		}
	})
	write("Lanterns7&Fog") // another list is seen at once
	if has, err := list.Has("Lanterns7&Fog"); err != nil || !has {
		t.Fatal(has, err)
	}
	for _, bad := range []string{"xyz", "F00", strings.Repeat("G", 40), "FF" + strings.Repeat("0", 38) + "\n" + strings.Repeat("0", 40)} {
		l, err := directory.NewLeakedWriter(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Add(strings.NewReader(bad), ""); !errors.Is(err, directory.ErrLeakedFile) && !errors.Is(err, directory.ErrUnsorted) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := os.WriteFile(path, []byte("no list at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&directory.LeakedFile{Path: path}).Look(); !errors.Is(err, directory.ErrLeakedFile) {
		t.Error(err)
	}
}

func TestNothingToChangeWithoutABinding(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		d.add("p2", "cd5678", "li.portal", "GEAA-000002")
		r := directory.Record{Person: *d.person(), Accounts: []idp.Account{{Name: "wang.daming", Kind: idp.AccountPortal}}}
		if err := d.world.Gate.Accounts.PutPerson(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := d.change(rightPassword, "Lanterns7&Fog"); !errors.Is(err, directory.ErrUnbound) {
			t.Fatalf("a portal account's password: %v", err)
		}
		r.Accounts = append(r.Accounts, idp.Account{Name: "geaa-000001", Kind: idp.AccountTPEAD})
		if err := d.world.Gate.Accounts.PutPerson(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		d.Phases = boundTo{name: new(string)}
		if err := d.change(rightPassword, "Lanterns7&Fog"); !errors.Is(err, directory.ErrUnbound) {
			t.Fatalf("an unbound account's password: %v", err)
		}
		if n := d.looks.n.Load(); n != 0 {
			t.Errorf("%d looks", n)
		}
	})
}
