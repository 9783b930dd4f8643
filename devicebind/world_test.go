package devicebind_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // as the store's own driver

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

const (
	origin = "https://id.example.gov.tw"
	pin    = "294716"
)

// node is one process of the product.
type node struct {
	db       *store.Store
	enroller *devicebind.Enroller
	devices  *devicebind.Devices
	attempts *devicebind.Attempts
	codes    *devicebind.Codes
	otp      *devicebind.OTP
	passkeys *devicebind.Passkeys
	notifier *devicebind.Notifier
}

// world is two nodes on one database, with a clock that tests set.
type world struct {
	testing.TB
	nodes  [2]*node
	sealer *keys.Sealer
	ctx    context.Context // of a request from the city's network
	locked map[string]bool // people that a lock-out stops
	seq    int

	opened store.Options

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func onBoth(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(newWorld(t, storetest.SQLite(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(newWorld(t, storetest.PostgreSQL(t)))
	})
}

func newWorld(t testing.TB, o store.Options) *world {
	t.Helper()
	// The start of a slot, so that tests know where in it they are.
	w := &world{TB: t, now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), locked: map[string]bool{}}
	o.Now, w.opened = w.clock, o
	w.ctx = idp.WithOrigin(t.Context(), idp.Origin{RequestID: "r", Address: netip.MustParseAddr("10.1.2.3"), City: true})
	var err error
	w.sealer, err = keys.NewSealer([]byte(strings.Repeat("k", 32)))
	w.must(err)
	for i := range w.nodes {
		w.nodes[i] = w.node(o)
	}
	w.must(w.nodes[0].db.PutClient(w.ctx, &idp.Client{ID: "docs", Name: "公文系統", NameEN: "Documents", CreatedAt: w.now}))
	return w
}

func (w *world) node(o store.Options) *node {
	w.Helper()
	db, err := store.Open(w.Context(), o)
	w.must(err)
	w.Cleanup(func() { db.Close() })
	ca, err := keys.OpenDeviceCA(w.ctx, db.Keys(), w.sealer, w.now)
	w.must(err)
	keeper, err := devicebind.NewKeeper(w.sealer)
	w.must(err)
	hasher := directory.NewHasher(directory.HasherOptions{Memory: 8, Time: 1, Concurrent: 8})
	factors := &devicebind.Factors{Store: db, Now: w.clock, Letters: func(n devicebind.Notice) []outbox.Message {
		return []outbox.Message{outbox.NewMail(n.Person.Email, n.Kind, n.Name, n.At)}
	}}
	n := &node{db: db, notifier: &devicebind.Notifier{Store: db, Now: w.clock, Every: 10 * time.Millisecond}}
	n.codes = &devicebind.Codes{Keeper: keeper, Origin: origin, Now: w.clock}
	n.enroller = &devicebind.Enroller{
		Store: db, CA: ca, Keeper: keeper, Hasher: hasher, Cards: db.CardsOf, Factors: factors, Notifier: n.notifier, Origin: origin, Now: w.clock,
	}
	n.devices = &devicebind.Devices{Store: db, Factors: factors, Keeper: keeper, Hasher: hasher, Origin: origin, Now: w.clock}
	n.attempts = &devicebind.Attempts{
		Store: db, Devices: db, Codes: n.codes, Keeper: keeper, Hasher: hasher, Notifier: n.notifier, Scanning: db, Client: db.Client,
		Locked: func(_ context.Context, personID string) (bool, error) { return w.locked[personID], nil },
		Origin: origin, Now: w.clock,
	}
	n.otp = &devicebind.OTP{Store: db, Guesses: db, Keeper: keeper, Factors: factors, Issuer: "臺北通", Now: w.clock}
	n.passkeys = &devicebind.Passkeys{Store: db, Keeper: keeper, Factors: factors, Origin: origin, Name: "Login", Now: w.clock}
	return n
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) denied(err error, want ...idp.Reason) {
	w.Helper()
	var no idp.Denied
	if errors.As(err, &no) {
		for _, r := range want {
			if no.Reason == r {
				return
			}
		}
	}
	w.Fatalf("got %v, want %v", err, want)
}

func (w *world) id(kind string) string {
	w.seq++
	return fmt.Sprintf("%s-%d", kind, w.seq)
}

// person adds a person with a bound card, who has just logged in with it.
func (w *world) person() devicebind.Who {
	w.Helper()
	id := w.id("person")
	rec := directory.Record{Person: idp.Person{
		ID: id, Subject: "sub-" + id, Name: "王小明", Agency: idp.Agency{Code: "379", Name: "資訊局"}, Username: id, Email: id + "@example.gov.tw",
		State: idp.PersonEnabled, UpdatedAt: w.clock(),
	}, Accounts: []idp.Account{{Name: id, Kind: idp.AccountSingle, PersonID: id}}, NationalIDHash: []byte(id)}
	db := w.nodes[0].db
	w.must(db.PutPerson(w.ctx, rec))
	card := &idp.Card{ID: "card-" + id, PersonID: id, IssuerKeyID: "issuer", SubjectSerial: id, Fingerprint: "f-" + id, Name: "王小明",
		NotAfter: w.clock().Add(300 * 24 * time.Hour), BoundAt: w.clock()}
	w.must(db.BindCard(w.ctx, card))
	return w.login(&rec.Person, idp.Evidence{Method: idp.MethodCard, Card: card.ID})
}

// login opens a session with the evidence, now.
func (w *world) login(p *idp.Person, evidence ...idp.Evidence) devicebind.Who {
	w.Helper()
	for i := range evidence {
		evidence[i].At = w.clock()
	}
	s := &idp.Session{ID: w.id("session"), PersonID: p.ID, Evidence: evidence, CreatedAt: w.clock(), SeenAt: w.clock(), EndsAt: w.clock().Add(8 * time.Hour)}
	token := sha256.Sum256([]byte(s.ID))
	w.must(w.nodes[0].db.CreateSession(w.ctx, s, token[:], nil))
	return devicebind.Who{Person: p, Session: s}
}

// phone binds a phone with a PIN to the person.
func (w *world) phone(who devicebind.Who) *app.Phone {
	w.Helper()
	p, l, claim := w.claim(who)
	n := w.nodes[0]
	got, err := n.enroller.Claim(w.ctx, l.ID, *claim)
	w.must(err)
	_, err = n.enroller.Confirm(w.ctx, who, l.ID)
	w.must(err)
	c, err := n.enroller.Collect(w.ctx, l.ID, got.StatusToken)
	w.must(err)
	w.must(p.Complete(c))
	return p
}

// claim begins an enrolment and makes a phone's claim of it, with a PIN.
func (w *world) claim(who devicebind.Who) (*app.Phone, app.Link, *devicebind.Claim) {
	w.Helper()
	started, err := w.nodes[0].enroller.Begin(w.ctx, who)
	w.must(err)
	l, err := app.ParseLink(started.Link)
	w.must(err)
	key, err := app.NewKey(nil)
	w.must(err)
	p := &app.Phone{Origin: l.Origin, DeviceID: l.ID, Name: "我的手機", Key: key}
	claim, err := app.NewClaim(l, p, "Android", pin)
	w.must(err)
	return p, l, claim
}

// page is a login page that waits in a browser.
type page struct {
	flow, browser []byte
}

// page opens a login page for the client.
func (w *world) page(client string) page {
	w.Helper()
	f, b := sha256.Sum256([]byte(w.id("flow"))), sha256.Sum256([]byte(w.id("browser")))
	w.must(w.nodes[0].db.CreateFlow(w.ctx, &idp.Flow{
		Handle: f[:], Browser: b[:], Ask: idp.Ask{ClientID: client, At: w.clock()}, CreatedAt: w.clock(), EndsAt: w.clock().Add(30 * time.Minute),
	}))
	return page{f[:], b[:]}
}

var pc = devicebind.PC{Browser: "Chrome", System: "Windows", Network: devicebind.NetworkCity}

func (w *world) scan(n *node, p *app.Phone, code string) (*devicebind.Scanned, error) {
	w.Helper()
	w.later(time.Millisecond) // a phone's scans are later than each other
	req, err := p.NewScan(code, w.clock())
	w.must(err)
	return n.attempts.Scan(w.ctx, *req)
}

func (w *world) decide(n *node, p *app.Phone, s *devicebind.Scanned, v devicebind.Verdict, number string) error {
	w.Helper()
	req, err := p.NewDecision(s, v, number, pin, w.clock())
	w.must(err)
	return n.attempts.Decide(w.ctx, *req)
}

// scanned is a page whose code the phone has scanned.
func (w *world) scanned(p *app.Phone) (page, *devicebind.Scanned, string) {
	w.Helper()
	n := w.nodes[0]
	pg := w.page("docs")
	s, err := w.scan(n, p, n.codes.Make(pg.flow, pc).Link)
	w.must(err)
	return pg, s, w.look(n, pg, devicebind.AttemptScanned).Number
}

func (w *world) look(n *node, pg page, want devicebind.AttemptState) *devicebind.View {
	w.Helper()
	v, err := n.attempts.Look(w.ctx, pg.flow, pg.browser)
	w.must(err)
	if v.State != want {
		w.Fatalf("state %q, want %q", v.State, want)
	}
	return v
}

func (w *world) approved(p *app.Phone) page {
	w.Helper()
	pg, s, number := w.scanned(p)
	w.must(w.decide(w.nodes[0], p, s, devicebind.VerdictApprove, number))
	return pg
}

// events counts the events of a kind and result.
func (w *world) events(kind, result string) (n int) {
	w.Helper()
	list, err := w.nodes[0].db.Events(w.ctx, store.EventFilter{Limit: 1000})
	w.must(err)
	for _, e := range list {
		if e.Kind == kind && e.Result == result {
			n++
		}
	}
	return n
}

// mails are the subjects of the mails that wait, and takes them.
func (w *world) mails() (subjects []string) {
	w.Helper()
	list, err := w.nodes[0].db.TakeMessages(w.ctx, w.id("lease"), w.clock(), w.clock().Add(time.Hour), 100)
	w.must(err)
	for _, m := range list {
		subjects = append(subjects, m.Subject)
	}
	return subjects
}

// together runs n calls at once and returns how many succeeded, and the other
// answers.
func together(n int, call func(i int) error) (succeeded int, failed []error) {
	answers := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			answers[i] = call(i)
		})
	}
	close(start)
	all.Wait()
	for _, err := range answers {
		if err == nil {
			succeeded++
		} else {
			failed = append(failed, err)
		}
	}
	return succeeded, failed
}

func sqliteOptions(t testing.TB) store.Options {
	return storetest.SQLite(t)
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// swap exchanges what is sealed in two rows, as somebody with the database in
// hand could.
func (w *world) swap(table, column string, a, b any) {
	w.Helper()
	driver, address := "sqlite", w.opened.SQLite
	if w.opened.PostgreSQL != "" {
		driver, address = "pgx", w.opened.PostgreSQL
	}
	db, err := sql.Open(driver, address)
	w.must(err)
	defer db.Close()
	sealed := [2][]byte{}
	for i, id := range []any{a, b} {
		w.must(db.QueryRowContext(w.ctx, "SELECT sealed FROM "+table+" WHERE "+column+" = $1", id).Scan(&sealed[i]))
	}
	for i, id := range []any{b, a} {
		_, err := db.ExecContext(w.ctx, "UPDATE "+table+" SET sealed = $1 WHERE "+column+" = $2", sealed[i], id)
		w.must(err)
	}
}
