package portal_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/portal"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

// world is the product around the portal, with a clock that tests set. People
// log in by opening sessions, as package login would.
type world struct {
	*testing.T
	db       *store.Store
	sessions *session.Manager
	portal   *portal.Handler
	mux      *recorder
	person   map[string]*idp.Person // by account
	revoked  map[string]bool        // subject serial numbers

	mu   sync.Mutex
	now  time.Time
	view templates.View // what was drawn last
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

// Check is a revocation list that tests write.
func (w *world) Check(_ string, cert *x509.Certificate, _ time.Time, _ bool) error {
	if w.revoked[cert.Subject.SerialNumber] {
		return &cardreader.Refusal{Cause: cardreader.CauseRevoked}
	}
	return nil
}

// pages draws with the real pages, and remembers what.
type pages struct {
	*world
	real *templates.Renderer
}

func (p pages) Render(w http.ResponseWriter, r *http.Request, status int, v templates.View) {
	p.mu.Lock()
	p.view = v
	p.mu.Unlock()
	p.real.Render(w, r, status, v)
}

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
		T: t, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), mux: &recorder{},
		person: map[string]*idp.Person{}, revoked: map[string]bool{},
	}
	o.Now = w.clock
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	real, err := templates.New(templates.Options{Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	w.sessions = &session.Manager{Store: db, Now: w.clock, Idle: time.Hour, Absolute: 12 * time.Hour, Insecure: true}
	w.portal = &portal.Handler{
		Store: db, Sessions: w.sessions, Desk: w.desk(), Cards: db, Pages: pages{w, real}, Now: w.clock,
		Logger: slog.New(slog.DiscardHandler), Settings: portal.Settings{AgentOrigin: "http://localhost:16780"},
	}
	w.settlePasswords(t)
	w.portal.Mount(w.mux)
	for account, name := range map[string]string{"ab1001": "王小明", "ab1002": "歐陽上官令狐", "ab1003": "王小明"} {
		p := idp.Person{
			ID: "id-" + account, Subject: "sub-" + account, Name: name, IDTail: "6789", Username: account,
			Agency: idp.Agency{Code: "379000000A", Name: "臺北市政府"}, State: idp.PersonEnabled, UpdatedAt: w.now,
		}
		record := directory.Record{Person: p, Accounts: []idp.Account{{Name: account, Kind: idp.AccountSingle, PersonID: p.ID}}}
		if err := db.PutPerson(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		w.person[account] = &p
	}
	for _, c := range []idp.Client{
		{ID: "documents", Name: "公文系統", NameEN: "Documents", FirstParty: true, URI: "https://documents.test"},
		{ID: "service", Name: "批次", FirstParty: true}, {ID: "survey", Name: "問卷", URI: "https://survey.test"},
		{ID: "off", Name: "停用系統", FirstParty: true, URI: "https://off.test", Disabled: true},
	} {
		c.AuthMethods = []string{idp.AuthNone}
		if err := db.PutClient(t.Context(), &c); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) desk() *cardreader.Desk {
	ids := cardtest.KeyIDs()
	g3 := cardreader.MOICAG3()
	g3.Issuers = ids
	anchors, err := cardreader.NewAnchors(
		[]*x509.Certificate{cardtest.G2().Certificate, cardtest.G3().Certificate}, []cardreader.Profile{g3})
	if err != nil {
		w.Fatal(err)
	}
	return &cardreader.Desk{
		Store: w.db, Key: ed25519.NewKeyFromSeed([]byte("test-only seed of a challenge ke")),
		Verifier: &cardreader.Verifier{Anchors: anchors, Revocation: w, Now: w.clock},
		Origin:   "http://localhost:8080", Now: w.clock,
	}
}
