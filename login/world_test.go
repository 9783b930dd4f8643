package login_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

// The people of the tests: each one's password is their account's name and "!A1".
var people = []struct{ account, name, nationalID string }{
	{"ab1001", "王小明", "A123456789"},
	{"ab1002", "歐陽上官令狐", "B223456791"},
	{"ab1003", "陳怡君", "C223456710"},
	{"ab1004", "林志豪", "D123456728"},
}

const rightSuffix = "!A1"

// world is the product around the login, with a clock that tests set.
type world struct {
	*testing.T
	db       *store.Store
	sessions *session.Manager
	login    *login.Handler
	mux      *recorder
	options  store.Options
	person   map[string]*idp.Person // by account
	looks    *looks
	revoked  map[string]bool // certificate fingerprints
	view     templates.View  // what was drawn last
	log      *bytes.Buffer
	gate     *directory.Gate

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

// recorder keeps the patterns that were mounted.
type recorder struct {
	http.ServeMux
	patterns []string
}

func (m *recorder) Handle(pattern string, h http.Handler) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.Handle(pattern, h)
}

// looks counts how often the directory looked at somebody's password.
type looks struct {
	directory.Accounts
	mu    sync.Mutex
	count int
	fail  error
}

func (l *looks) PasswordHash(ctx context.Context, id string) (string, error) {
	l.mu.Lock()
	if id != "" {
		l.count++
	}
	err := l.fail
	l.mu.Unlock()
	if err != nil {
		return "", err
	}
	return l.Accounts.PasswordHash(ctx, id)
}

func (l *looks) n() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Check is a revocation list that tests write.
func (w *world) Check(_ string, cert *x509.Certificate, _ time.Time, _ bool) error {
	if w.revoked[cert.Subject.SerialNumber+cert.SerialNumber.String()] {
		return &cardreader.Refusal{Cause: cardreader.CauseRevoked}
	}
	return nil
}

// Render draws with the real pages, and remembers what.
func (w *world) pages(real *templates.Renderer) login.Pages {
	return pages(func(rw http.ResponseWriter, r *http.Request, status int, v templates.View) {
		w.mu.Lock()
		w.view = v
		w.mu.Unlock()
		real.Render(rw, r, status, v)
	})
}

type pages func(http.ResponseWriter, *http.Request, int, templates.View)

func (p pages) Render(w http.ResponseWriter, r *http.Request, status int, v templates.View) {
	p(w, r, status, v)
}

// onBoth runs a test on SQLite and on PostgreSQL.
func onBoth(t *testing.T, test func(*testing.T, *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("postgresql", func(t *testing.T) {
		test(t, newWorldOn(t, storetest.PostgreSQL(t)))
	})
}

func newWorld(t *testing.T) *world {
	return newWorldOn(t, storetest.SQLite(t))
}

func newWorldOn(t *testing.T, o store.Options) *world {
	t.Helper()
	w := &world{
		T: t, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), mux: &recorder{}, log: &bytes.Buffer{},
		person: map[string]*idp.Person{}, revoked: map[string]bool{},
	}
	o.Now = w.clock
	w.options = o
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.db, w.looks = db, &looks{Accounts: db}
	real, err := templates.New(templates.Options{Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(&lockedWriter{w: w.log}, nil))
	hasher := directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1})
	names := policy.Names{Domains: []string{"TPEAD"}, Suffixes: []string{"tpead.gov.taipei"}}
	key := func(context string, data []byte) []byte { return append([]byte(context+"\x00"), data...) }
	w.gate = &directory.Gate{
		Accounts: w.looks, Tries: db, Hasher: hasher, Names: names, Rules: policy.CityLockout(),
		Sources: directory.Sources{Names: 20, Gateway: 1000, Window: 15 * time.Minute},
		Key:     key, Record: db.Record, Now: w.clock, Logger: logger,
	}
	w.sessions = &session.Manager{Store: db, Now: w.clock, Idle: time.Hour, Absolute: 12 * time.Hour, Insecure: true}
	w.login = &login.Handler{
		Store: db, Visits: db, Sessions: w.sessions, Gate: w.gate, Desk: w.desk(db), Cards: db, Pages: w.pages(real),
		Now: w.clock, Logger: logger, Settings: login.Settings{AgentOrigin: "http://localhost:16780"},
	}
	w.settlePasswords(t)
	w.login.Mount(w.mux)
	w.settle(hasher, names, key)
	return w
}

// secondNode is another process on the same database.
func (w *world) secondNode() http.Handler {
	w.Helper()
	o := w.options
	o.NoMigrate = true
	db, err := store.Open(w.Context(), o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { db.Close() })
	node := *w.login
	node.Store, node.Visits, node.Sessions, node.Desk, node.Cards = db, db, w.sessionsOn(db), w.desk(db), db
	mux := http.NewServeMux()
	node.Mount(mux)
	return mux
}

// sessionsOn are another node's sessions, as this one has them.
func (w *world) sessionsOn(db *store.Store) *session.Manager {
	m := w.sessions
	return &session.Manager{Store: db, Now: m.Now, Idle: m.Idle, Absolute: m.Absolute, Insecure: m.Insecure, Believe: m.Believe}
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *world) desk(db cardreader.Challenges) *cardreader.Desk {
	ids := cardtest.KeyIDs()
	g2, g3 := cardreader.MOICAG2(), cardreader.MOICAG3()
	g2.Issuers, g3.Issuers = ids[:1], ids[1:]
	anchors, err := cardreader.NewAnchors(
		[]*x509.Certificate{cardtest.G2().Certificate, cardtest.G3().Certificate}, []cardreader.Profile{g2, g3})
	if err != nil {
		w.Fatal(err)
	}
	return &cardreader.Desk{
		Store: db, Key: ed25519.NewKeyFromSeed([]byte("test-only seed of a challenge ke")),
		Verifier: &cardreader.Verifier{Anchors: anchors, Revocation: w, Now: w.clock},
		Origin:   "http://localhost:8080", Now: w.clock,
	}
}

// settle takes the people in, and two relying systems.
func (w *world) settle(hasher *directory.Hasher, names policy.Names, key func(string, []byte) []byte) {
	reg := directory.Registrar{
		Accounts: w.db, Names: names, Key: key, Now: w.clock,
		Seal: func(plain []byte, _ string) []byte { return bytes.Repeat([]byte{1}, len(plain)) },
	}
	for _, p := range people {
		hash, err := hasher.Hash(w.Context(), p.account+rightSuffix)
		if err != nil {
			w.Fatal(err)
		}
		person, err := reg.Put(w.Context(), directory.NewPerson{
			Person:     idp.Person{Name: p.name, Agency: idp.Agency{Code: "379000000A", Name: "臺北市政府"}},
			Accounts:   []idp.Account{{Name: p.account, Kind: idp.AccountSingle}, {Name: "GEAA-" + p.account[2:], Kind: idp.AccountTPEAD}},
			NationalID: p.nationalID, PasswordHash: hash,
		})
		if err != nil {
			w.Fatal(err)
		}
		w.person[p.account] = person
	}
	for _, c := range []idp.Client{
		{ID: "documents", Name: "公文系統", NameEN: "Documents", FirstParty: true, URI: "https://documents.test"},
		{ID: "survey", Name: "問卷", NameEN: "Survey", URI: "https://survey.test"},
	} {
		c.AuthMethods, c.RedirectURIs = []string{idp.AuthNone}, []string{c.URI + "/callback"}
		c.GrantTypes, c.Scopes = []string{"authorization_code"}, []string{"openid", "profile"}
		if err := w.db.PutClient(w.Context(), &c); err != nil {
			w.Fatal(err)
		}
	}
}
