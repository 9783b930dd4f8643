package ad_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// killing is what the test program is told that runs again as a node to be
// killed.
type killing struct {
	SQLite, PostgreSQL string

	LDAPS   string
	CA      []byte
	BindDN  string
	Secret  string
	Base    string
	Account string
	How     string // change, card, reset
	Step    string // where it is killed
	After   time.Duration
}

const killingEnv = "AD_TEST_KILLED"

func TestMain(m *testing.M) {
	if task := os.Getenv(killingEnv); task != "" {
		var k killing
		if err := json.Unmarshal([]byte(task), &k); err != nil {
			panic(err)
		}
		fmt.Println(k.run())
		return
	}
	os.Exit(m.Run())
}

// die ends the process as a power cut does.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		_ = self.Kill()
	}
	select {}
}

// dying is the store of a node that is killed at a step.
type dying struct {
	*store.Store
	step  string
	after time.Duration
}

func (d dying) BeginPassword(ctx context.Context, i directory.Intent) error {
	err := d.Store.BeginPassword(ctx, i)
	switch d.step {
	case "begun":
		die()
	case "asking":
		time.AfterFunc(d.after, die)
	}
	return err
}

func (d dying) SetPassword(ctx context.Context, n directory.NewPassword, events ...idp.Event) error {
	if d.step == "set" {
		die()
	}
	err := d.Store.SetPassword(ctx, n, events...)
	if d.step == "kept" {
		die()
	}
	return err
}

func (k *killing) open() (*ad.Directory, *store.Store, error) {
	d, err := ad.New(ad.Options{
		Name: "tpead", Servers: []string{"ldaps://" + k.LDAPS}, CA: pool(k.CA), BindDN: k.BindDN, Secret: k.Secret, Base: k.Base, Suffix: "tpead.test",
	})
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(context.Background(), store.Options{SQLite: k.SQLite, PostgreSQL: k.PostgreSQL})
	return d, s, err
}

type mailbox struct{}

func (mailbox) Name() string                                       { return "mail" }
func (mailbox) TakesHash() bool                                    { return true }
func (mailbox) Takes(string) bool                                  { return true }
func (mailbox) Deliver(context.Context, idp.Account, string) error { return nil }

func passwordsOf(d directory.Backend, s dying, now func() time.Time) *directory.Passwords {
	sealer, err := keys.NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	rules, err := policy.RulesOf(policy.ProfileBaseline)
	if err != nil {
		panic(err)
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	gate := &directory.Gate{
		Accounts: s.Store, Tries: s.Store, Hasher: directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1, Waiting: 1000, Wait: time.Minute}),
		Rules: policy.CityLockout(), Key: key, Record: s.Record, Now: now, Logger: logger, Routes: []directory.Route{route(d)},
	}
	return &directory.Passwords{
		Gate: gate, Keeper: s, Intents: s, Rules: rules, Mail: []directory.Mailbox{mailbox{}}, Seal: sealer.Seal, Open: sealer.Open, Now: now, Logger: logger,
		Letters: func(t directory.Told) []outbox.Message {
			return []outbox.Message{outbox.NewMail(t.Person.Email, t.Kind, "text", t.At)}
		},
	}
}

const newPassword = "Lanterns7&Fog"

func (k *killing) run() error {
	d, s, err := k.open()
	if err != nil {
		return err
	}
	ctx := context.Background()
	p := passwordsOf(d, dying{s, k.Step, k.After}, time.Now)
	person, err := s.Person(ctx, "p-"+k.Account)
	if err != nil {
		return err
	}
	switch k.How {
	case "change":
		_, err = p.ChangeOwn(ctx, person, rightPassword, newPassword, "s-"+k.Account)
	case "card":
		_, err = p.SetByCard(ctx, person, newPassword, "s-"+k.Account)
	case "reset":
		_, _, err = p.Reset(ctx, k.Account, directory.Hand{Actor: "helpdesk"}, "came to the counter")
	}
	return err
}

// killed is a person with all that a new password ends, and the node that is
// killed while it sets one.
type killed struct {
	*testing.T
	killing
	d     *ad.Directory
	store *store.Store
	entry *ad.Entry
}

func (k *killed) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func newKilled(t *testing.T, dc *testenv.AD, options store.Options) *killed {
	t.Helper()
	d := open(t, dc)
	e := person(t, d)
	k := &killed{T: t, d: d, entry: e, killing: killing{
		SQLite: options.SQLite, PostgreSQL: options.PostgreSQL, LDAPS: dc.LDAPS, CA: dc.CA, BindDN: dc.Admin, Secret: dc.Password, Base: dc.Base, Account: e.Name,
	}}
	s, err := store.Open(t.Context(), options)
	k.must(err)
	t.Cleanup(func() { s.Close() })
	k.store = s
	now := time.Now()
	k.must(s.PutPerson(t.Context(), directory.Record{
		Person:         idp.Person{ID: "p-" + e.Name, Subject: e.Name, Name: "王大明", Email: e.Name + "@gov.taipei", State: idp.PersonEnabled, UpdatedAt: now},
		Accounts:       []idp.Account{{Name: e.Name, Kind: idp.AccountSingle}, {Name: "mail." + e.Name, Kind: idp.AccountMail}},
		NationalIDHash: []byte(e.Name),
	}))
	for _, id := range []string{"s-", "other-"} {
		session := &idp.Session{ID: id + e.Name, PersonID: "p-" + e.Name, CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour)}
		k.must(s.CreateSession(t.Context(), session, []byte(id+e.Name), nil))
	}
	k.must(s.CreateGrant(t.Context(), &oidc.Grant{
		ID: []byte(e.Name), Kind: oidc.GrantCode, ClientID: "c", PersonID: "p-" + e.Name, SessionID: "other-" + e.Name, Scopes: "openid offline_access",
		CodeHash: []byte(e.Name), CreatedAt: now, CodeEndsAt: now.Add(time.Minute), EndsAt: now.Add(time.Hour),
	}))
	return k
}

// kill runs a node that is killed.
func (k *killed) kill(how, step string, after time.Duration) {
	k.Helper()
	k.How, k.Step, k.After = how, step, after
	task, err := json.Marshal(k.killing)
	k.must(err)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), killingEnv+"="+string(task))
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) && step != "asking" {
		k.Fatalf("it was not killed: %v: %s", err, out)
	}
}

// finish is another node, a while later.
func (k *killed) finish() *directory.Passwords {
	k.Helper()
	later := time.Now()
	p := passwordsOf(k.d, dying{Store: k.store}, func() time.Time { return later })
	for range 2 { // one look that finds another password is no proof
		later = later.Add(61 * time.Second)
		if _, err := p.Finish(k.Context(), ""); err != nil {
			k.Fatal(err)
		}
	}
	if n, err := p.Finish(k.Context(), ""); err != nil || n != 0 {
		k.Fatalf("%d are left, %v", n, err)
	}
	return p
}

// whole checks that a change is there with all that follows, or not at all.
func (k *killed) whole(changed bool) {
	k.Helper()
	ctx, id := k.Context(), "p-"+k.Account
	standing, err := k.store.PasswordStanding(ctx, id)
	k.must(err)
	deliveries, err := k.store.DeliveriesOf(ctx, id, 10)
	k.must(err)
	mail, err := k.store.TakeMessages(ctx, rand.Text(), time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), 100)
	k.must(err)
	letters := 0
	for _, m := range mail {
		if m.To == k.entry.Name+"@gov.taipei" {
			letters++
		}
	}
	grant, _, err := k.store.GrantByID(ctx, []byte(k.Account))
	k.must(err)
	alive := func(s string) bool { _, _, err := k.store.Session(ctx, []byte(s+k.Account)); return err == nil }
	got := fmt.Sprintf("history %d, deliveries %d, letters %d, own session %v, other session %v, tokens %v, must change %v",
		len(standing.History), len(deliveries), letters, alive("s-"), alive("other-"), grant.RevokedAt.IsZero(), standing.MustChange)
	want := "history 0, deliveries 0, letters 0, own session true, other session true, tokens true, must change false"
	if changed {
		want = fmt.Sprintf("history 1, deliveries 1, letters 1, own session %v, other session false, tokens false, must change %v", k.How != "reset", k.How == "reset")
	}
	if got != want {
		k.Errorf("%s, killed at %q:\n got %s\nwant %s", k.How, k.Step, got, want)
	}
}

// TestKilledWhileAPasswordIsSet kills a node between each two steps of a change:
// what another node finds is the old password with everything as it was, or the
// new one with everything that follows from it.
func TestKilledWhileAPasswordIsSet(t *testing.T) {
	dc := testenv.Samba(t)
	for name, options := range map[string]store.Options{
		"sqlite": storetest.SQLite(t), "postgres": storetest.PostgreSQL(t),
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []string{"change", "card", "reset"} {
				for _, step := range []string{"begun", "set", "kept"} {
					k := newKilled(t, dc, options)
					k.kill(how, step, 0)
					if step == "begun" {
						if n, err := passwordsOf(k.d, dying{Store: k.store}, time.Now).Finish(t.Context(), ""); err != nil || n != 0 {
							t.Errorf("%d taken while its owner may be at it: %v", n, err)
						}
					}
					k.finish()
					k.whole(step != "begun")
					old := "wrong"
					if step == "begun" {
						old = "ok"
					}
					check(t, k.d, k.Account, rightPassword, old)
					if how != "reset" && step != "begun" {
						check(t, k.d, k.Account, newPassword, "ok")
					}
				}
			}
		})
	}
}

// TestKilledWhileTheDirectoryIsAsked kills it at any time while the answer is
// awaited: only the directory knows.
func TestKilledWhileTheDirectoryIsAsked(t *testing.T) {
	dc := testenv.Samba(t)
	options := storetest.SQLite(t)
	for i := range 8 {
		k := newKilled(t, dc, options)
		k.kill("change", "asking", time.Duration(i*i)*time.Millisecond)
		time.Sleep(time.Second) // the controller may still be at it, as in the minute that others wait
		k.finish()
		is := outcome(k.d.Check(t.Context(), account(k.Account), newPassword)) == "ok"
		was := outcome(k.d.Check(t.Context(), account(k.Account), rightPassword)) == "ok"
		if is == was {
			t.Errorf("new %v, old %v", is, was)
		}
		k.whole(is)
	}
}

// TestADirectoryThatAnswersNothing takes a change whose answer is lost: the same
// node finishes it, and a directory that was never reached is not asked again.
func TestADirectoryThatAnswersNothing(t *testing.T) {
	dc := testenv.Samba(t)
	options := storetest.SQLite(t)
	k := newKilled(t, dc, options)
	k.How = "change"
	person, err := k.store.Person(t.Context(), "p-"+k.Account)
	k.must(err)
	away := open(t, dc, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} })
	if _, err := passwordsOf(away, dying{Store: k.store}, time.Now).SetByCard(t.Context(), person, newPassword, "s-"+k.Account); !errors.Is(err, idp.ErrUnavailable) {
		t.Fatal(err)
	}
	p := passwordsOf(lossy{k.d}, dying{Store: k.store}, time.Now)
	if _, err := p.ChangeOwn(t.Context(), person, rightPassword, newPassword, "s-"+k.Account); !errors.Is(err, idp.ErrUnavailable) {
		t.Fatal(err)
	}
	k.whole(false)
	// Nothing else is begun before it is known how that one ended.
	if _, err := p.SetByCard(t.Context(), person, "Another7&Fog", "s-"+k.Account); !errors.Is(err, idp.ErrUnavailable) {
		t.Fatal(err)
	}
	if got := passwordsOf(away, dying{Store: k.store}, func() time.Time { return time.Now().Add(61 * time.Second) }); true {
		if n, err := got.Finish(t.Context(), ""); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	k.whole(false)
	later := time.Now().Add(10 * time.Minute)
	found := passwordsOf(k.d, dying{Store: k.store}, func() time.Time { return later })
	if n, err := found.Finish(t.Context(), ""); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	k.whole(true)
	check(t, k.d, k.Account, newPassword, "ok")
}

// lossy does what it is asked and loses the answer.
type lossy struct{ *ad.Directory }

func (l lossy) ChangeOf(ctx context.Context, account idp.Account, old, password string) error {
	return errors.Join(l.Directory.ChangeOf(ctx, account, old, password), directory.ErrUncertain, idp.ErrUnavailable)
}

// TestNobodyKnowsWhatBecameOfAPassword: after a day the secret is wiped, and what
// was open is ended.
func TestNobodyKnowsWhatBecameOfAPassword(t *testing.T) {
	dc := testenv.Samba(t)
	k := newKilled(t, dc, storetest.SQLite(t))
	k.kill("change", "set", 0)
	away := open(t, dc, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} })
	start := time.Now()
	for _, after := range []time.Duration{2 * time.Minute, 25 * time.Hour} {
		p := passwordsOf(away, dying{Store: k.store}, func() time.Time { return start.Add(after) })
		if n, err := p.Finish(t.Context(), ""); err != nil || n != 1 {
			t.Fatal(n, err)
		}
	}
	k.finish()
	for _, s := range []string{"s-", "other-"} {
		if _, _, err := k.store.Session(t.Context(), []byte(s+k.Account)); err == nil {
			t.Errorf("session %q goes on", s)
		}
	}
	grant, _, err := k.store.GrantByID(t.Context(), []byte(k.Account))
	if err != nil || grant.RevokedAt.IsZero() {
		t.Errorf("tokens go on: %v", err)
	}
}
