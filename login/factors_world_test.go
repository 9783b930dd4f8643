package login_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/devicebind/devicetest"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

const (
	here = "http://localhost:8080"
	pin  = "294716"
)

// twins are two nodes of the product on one database, with phones, one-time
// codes and passkeys. Node 0 is the world itself.
type twins struct {
	*world
	nodes  [2]*node
	sealer *keys.Sealer
	phones int
}

// node is what one of them adds to the login.
type node struct {
	*world
	enroller *devicebind.Enroller
	devices  *devicebind.Devices
	attempts *devicebind.Attempts
	codes    *devicebind.Codes
	otp      *devicebind.OTP
	passkeys *devicebind.Passkeys
	notifier *devicebind.Notifier
}

// onTwins runs a test on one node with SQLite, and on two with PostgreSQL.
func onTwins(t *testing.T, test func(w *twins)) {
	t.Run("sqlite", func(t *testing.T) {
		w := newTwins(t, storetest.SQLite(t))
		w.nodes[1] = w.nodes[0]
		test(w)
	})
	t.Run("postgresql", func(t *testing.T) {
		o := storetest.PostgreSQL(t)
		w := newTwins(t, o)
		w.nodes[1] = w.twin(o)
		test(w)
	})
}

func newTwins(t *testing.T, o store.Options) *twins {
	t.Helper()
	first := newWorldOn(t, o)
	sealer, err := keys.NewSealer(make([]byte, 32))
	first.must(err)
	w := &twins{world: first, sealer: sealer}
	w.nodes[0] = w.add(first)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// twin is another process on the same database.
func (w *twins) twin(o store.Options) *node {
	w.Helper()
	o.Now = w.clock
	db, err := store.Open(w.Context(), o)
	w.must(err)
	w.Cleanup(func() { db.Close() })
	other := &world{T: w.T, db: db, mux: &recorder{}, person: w.person, revoked: w.revoked, log: w.log, now: w.clock()}
	other.sessions = w.sessionsOn(db)
	handler := *w.login
	handler.Store, handler.Visits, handler.Sessions, handler.Desk, handler.Cards = db, db, other.sessions, w.desk(db), db
	real, err := templates.New(templates.Options{Now: w.clock})
	w.must(err)
	handler.Pages = other.pages(real)
	other.login = &handler
	return w.add(other)
}

// add joins phones, codes and passkeys into a node, and mounts them.
func (w *twins) add(on *world) *node {
	w.Helper()
	ca, err := keys.OpenDeviceCA(w.Context(), on.db.Keys(), w.sealer, w.clock())
	w.must(err)
	keeper, err := devicebind.NewKeeper(w.sealer)
	w.must(err)
	hasher := directory.NewHasher(directory.HasherOptions{Memory: 8, Time: 1, Concurrent: 8})
	factors := &devicebind.Factors{Store: on.db, Now: w.clock}
	n := &node{world: on, notifier: &devicebind.Notifier{Store: on.db, Now: w.clock, Every: 10 * time.Millisecond}}
	n.codes = &devicebind.Codes{Keeper: keeper, Origin: here, Now: w.clock}
	n.enroller = &devicebind.Enroller{
		Store: on.db, CA: ca, Keeper: keeper, Hasher: hasher, Cards: on.db.CardsOf, Factors: factors, Notifier: n.notifier,
		Origin: here, Now: w.clock,
	}
	n.devices = &devicebind.Devices{Store: on.db, Factors: factors, Keeper: keeper, Hasher: hasher, Origin: here, Now: w.clock}
	n.attempts = &devicebind.Attempts{
		Store: on.db, Devices: on.db, Codes: n.codes, Keeper: keeper, Hasher: hasher, Notifier: n.notifier, Scanning: on.db,
		Client: on.db.Client, Origin: here, Now: w.clock,
	}
	n.otp = &devicebind.OTP{Store: on.db, Guesses: on.db, Keeper: keeper, Factors: factors, Issuer: "臺北", Now: w.clock}
	n.passkeys = &devicebind.Passkeys{Store: on.db, Keeper: keeper, Factors: factors, Origin: here, Name: "臺北", Now: w.clock}
	on.login.Factors = login.Factors{
		Attempts: n.attempts, Codes: n.codes, Waiting: n.notifier, OTP: n.otp, Passkeys: n.passkeys, People: on.db, Known: on.db,
		Sealer: w.sealer, Names: w.gate.Names, Stop: make(chan struct{}),
	}
	fresh := &recorder{} // what was mounted before had no factors
	on.mux = fresh
	on.login.Mount(fresh)
	go n.notifier.Run(w.Context())
	return n
}

// on is the browser at another node.
func (b *browser) on(n *node) *browser {
	other := *b
	other.world = n.world
	return &other
}

// phoneOf binds a phone to the person, who has just logged in by card.
func (w *twins) phoneOf(account string, card softCard) *app.Phone {
	w.Helper()
	b := w.browser()
	ask := documents
	ask.MinLevel = idp.LevelCard
	flow := b.begin(ask)
	w.wantNext(b.card(flow, card), flow)
	who := devicebind.Who{Person: w.person[account], Session: b.wantWho(account)}
	ctx := idp.WithOrigin(w.Context(), idp.Origin{City: true})
	e := w.nodes[0].enroller
	started, err := e.Begin(ctx, who)
	w.must(err)
	link, err := app.ParseLink(started.Link)
	w.must(err)
	w.phones++
	key, err := app.NewKey(nil)
	w.must(err)
	p := &app.Phone{Origin: link.Origin, DeviceID: link.ID, Name: fmt.Sprintf("手機 %d", w.phones), Key: key}
	claim, err := app.NewClaim(link, p, "Android", pin)
	w.must(err)
	claimed, err := e.Claim(ctx, link.ID, *claim)
	w.must(err)
	_, err = e.Confirm(ctx, who, link.ID)
	w.must(err)
	got, err := e.Collect(ctx, link.ID, claimed.StatusToken)
	w.must(err)
	w.must(p.Complete(got))
	return p
}

// scan is what the phone says to a node when it has read a code.
func (w *twins) scan(n *node, p *app.Phone, code string) (*devicebind.Scanned, error) {
	w.Helper()
	w.later(time.Millisecond) // each scan of a phone is later than the one before
	req, err := p.NewScan(code, w.clock())
	w.must(err)
	return n.attempts.Scan(w.Context(), *req)
}

func (w *twins) decide(n *node, p *app.Phone, s *devicebind.Scanned, v devicebind.Verdict, number string) error {
	w.Helper()
	w.later(time.Millisecond)
	req, err := p.NewDecision(s, v, number, pin, w.clock())
	w.must(err)
	return n.attempts.Decide(w.Context(), *req)
}

// authenticator registers a passkey of the person.
func (w *twins) authenticator(account string, session *idp.Session) *devicetest.Authenticator {
	w.Helper()
	who := devicebind.Who{Person: w.person[account], Session: session}
	options, err := w.nodes[0].passkeys.BeginAdd(w.Context(), who)
	w.must(err)
	challenge, handle := readOptions(w.T, options)
	a := devicetest.New(here, handle)
	_, err = w.nodes[0].passkeys.Add(w.Context(), who, "鑰匙", a.Create(challenge))
	w.must(err)
	return a
}

// realServer serves a node over a real connection, as events need it.
func (n *node) realServer() *httptest.Server {
	s := httptest.NewServer(withOrigin(n.world.mux))
	n.Cleanup(s.Close)
	return s
}

// t0 is a context that ends a test whose answer does not come.
func t0(w *twins) context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	w.Cleanup(cancel)
	return ctx
}

// wantEvent asserts that it is on record.
func (w *twins) wantEvent(kind, result string) {
	w.Helper()
	events, err := w.db.Events(w.Context(), store.EventFilter{Limit: 1000})
	w.must(err)
	for _, e := range events {
		if e.Kind == kind && e.Result == result {
			return
		}
	}
	w.Errorf("no event %s %s", kind, result)
}
