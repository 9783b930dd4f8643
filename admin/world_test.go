package admin_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/admin"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

// world is the product around the administrators' pages. There are two agencies,
// A and B, each with its people and administrator, and a helpdesk.
type world struct {
	*testing.T
	db       *store.Store
	sessions *session.Manager
	admin    *admin.Handler
	mux      *recorder
	mu       sync.Mutex
	now      time.Time
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

func onBoth(t *testing.T, test func(*testing.T, *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, storetest.SQLite(t))) })
	t.Run("postgresql", func(t *testing.T) { test(t, newWorld(t, storetest.PostgreSQL(t))) })
}

func newWorld(t *testing.T, o store.Options) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), mux: &recorder{}}
	o.Now = w.clock
	db, err := store.Open(t.Context(), o)
	w.must(err)
	t.Cleanup(func() { db.Close() })
	pages, err := templates.New(templates.Options{Now: w.clock})
	w.must(err)
	sealer, err := keys.NewSealer(bytes.Repeat([]byte{7}, 32))
	w.must(err)
	rules, err := policy.RulesOf(policy.ProfileBaseline)
	w.must(err)
	quiet := slog.New(slog.DiscardHandler)
	w.db = db
	w.sessions = &session.Manager{Store: db, Now: w.clock, Idle: time.Hour, Absolute: 12 * time.Hour, Insecure: true}
	gate := &directory.Gate{
		Accounts: db, Tries: db, Hasher: directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1}),
		Rules: policy.CityLockout(), Key: sealer.Hash, Record: db.Record, Now: w.clock, Logger: quiet,
	}
	passwords := &directory.Passwords{Gate: gate, Keeper: db, Rules: rules, Seal: sealer.Seal, Open: sealer.Open, Now: w.clock, Logger: quiet}
	gate.After = passwords.After
	w.admin = &admin.Handler{
		Store: db, People: db, Seconds: db, Reports: db, Sessions: w.sessions, Gate: gate, Passwords: passwords, Pages: pages, Now: w.clock, Logger: quiet,
	}
	w.admin.Mount(w.mux)
	for _, agency := range []string{"A", "B"} {
		for i := range 4 {
			w.put(agency, fmt.Sprintf("%s-user%d", strings.ToLower(agency), i), i%2 == 0)
		}
		w.put(agency, strings.ToLower(agency)+"-chief", false)
		w.grant(strings.ToLower(agency)+"-chief", policy.RolePeople, agency)
	}
	w.put("B", "desk", false)
	w.grant("desk", policy.RoleHelpdesk, "")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func id(account string) string { return "id-" + account }

// put makes a person with a portal account, and a TPEAD account that is bound to
// it or not.
func (w *world) put(agency, account string, bound bool) {
	w.Helper()
	hash := sha256.Sum256([]byte(account))
	p := idp.Person{
		ID: id(account), Subject: "sub-" + account, Name: "人員 " + account, Unit: "一科", IDTail: "6789", Username: account,
		Agency: idp.Agency{Code: agency, Name: "機關" + agency}, State: idp.PersonEnabled, UpdatedAt: w.clock(),
	}
	w.must(w.db.PutPerson(w.Context(), directory.Record{Person: p, NationalID: []byte("sealed"), NationalIDHash: hash[:], Accounts: []idp.Account{
		{Name: account, Kind: idp.AccountPortal, PersonID: p.ID}, {Name: "t-" + account, Kind: idp.AccountTPEAD, PersonID: p.ID},
	}}))
	if bound {
		w.must(w.db.Bind(w.Context(), directory.Binding{Portal: account, TPEAD: "t-" + account, PersonID: p.ID, How: "self", At: w.clock()}, "test"))
	}
}

func (w *world) grant(account string, kind policy.RoleKind, agency string) {
	w.Helper()
	w.must(w.db.GrantRole(w.Context(), store.Granted{
		Role: policy.Role{Kind: kind, Agency: agency}, Person: idp.Person{ID: id(account)}, By: "operator:root", At: w.clock(), Reason: "applied for",
	}))
}

// browser has cookies.
type browser struct {
	*world
	cookies map[string]string
}

// in opens a session of the person by that evidence.
func (w *world) in(account string, method idp.Method) *browser {
	w.Helper()
	handle, _ := session.NewHandle()
	b := &browser{world: w, cookies: map[string]string{"idp-flow": handle}}
	if account == "" {
		return b
	}
	rec := httptest.NewRecorder()
	ev := idp.Evidence{Method: method, At: w.clock()}
	if method == idp.MethodCard {
		ev.Card = "card-" + account
		card := idp.Card{
			ID: ev.Card, PersonID: id(account), IssuerKeyID: "k", SubjectSerial: account, Fingerprint: account, NotAfter: w.clock().Add(time.Hour), BoundAt: w.clock(),
		}
		w.must(w.db.BindCard(w.Context(), &card))
	}
	_, err := w.sessions.Begin(rec, httptest.NewRequest("POST", "/login", nil), id(account), ev)
	w.must(err)
	for _, c := range rec.Result().Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return b
}

func (b *browser) do(method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:8080/", strings.NewReader(body))
	u, err := url.Parse("http://localhost:8080" + target)
	if err != nil {
		b.Fatal(err)
	}
	r.URL, r.RequestURI = u, target
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r = r.WithContext(idp.WithOrigin(r.Context(), idp.Origin{RequestID: "0123456789abcdef", Address: netip.MustParseAddr("10.1.2.3"), City: true}))
	rec := httptest.NewRecorder()
	b.mux.ServeHTTP(rec, r)
	return rec
}

func (b *browser) get(target string) *httptest.ResponseRecorder { return b.do("GET", target, "") }

func (b *browser) post(target string, fields ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do("POST", target, form.Encode())
}

func (w *world) want(a *httptest.ResponseRecorder, status int, texts ...string) {
	w.Helper()
	if a.Code != status {
		w.Errorf("%d to %q, want %d", a.Code, a.Header().Get("Location"), status)
	}
	for _, text := range texts {
		if !strings.Contains(a.Body.String(), text) {
			w.Errorf("no %q", text)
		}
	}
}

func (w *world) wantTo(a *httptest.ResponseRecorder, to string) {
	w.Helper()
	if got := a.Header().Get("Location"); a.Code != http.StatusSeeOther || !strings.HasPrefix(got, to) {
		w.Errorf("%d to %q, want %q", a.Code, got, to)
	}
}

func newSQLite(t *testing.T) *world {
	return newWorld(t, storetest.SQLite(t))
}
