package login_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
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
		test(t, newWorldOn(t, store.Options{PostgreSQL: testenv.Postgres(t)}))
	})
}

func newWorld(t *testing.T) *world {
	return newWorldOn(t, store.Options{SQLite: filepath.Join(t.TempDir(), "idp.db")})
}

func newWorldOn(t *testing.T, o store.Options) *world {
	t.Helper()
	w := &world{
		T: t, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), mux: &recorder{}, log: &bytes.Buffer{},
		person: map[string]*idp.Person{}, revoked: map[string]bool{},
	}
	o.Now = w.clock
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
		Store: db, Sessions: w.sessions, Gate: w.gate, Desk: w.desk(db), Cards: db, Pages: w.pages(real),
		Now: w.clock, Logger: logger, Settings: login.Settings{AgentOrigin: "http://localhost:16780"},
	}
	w.login.Mount(w.mux)
	w.settle(hasher, names, key)
	return w
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

// softCard is a card of the tests: RSA keys are ready made.
type softCard struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func (w *world) newCard(key int, l cardtest.Leaf) softCard {
	w.Helper()
	c := softCard{key: cardtest.Key(key)}
	l.Key = &c.key.PublicKey
	cert, err := cardtest.G3().Issue(l)
	if err != nil {
		w.Fatal(err)
	}
	c.cert = cert
	return c
}

// cardOf makes a card of the person with that account, and binds it if told so.
func (w *world) cardOf(account string, key int, bind bool) softCard {
	w.Helper()
	p := w.person[account]
	c := w.newCard(key, cardtest.Leaf{Name: p.Name, SubjectSerial: "000000000000" + account[2:], IDTail: p.IDTail})
	if bind {
		w.bind(account, c)
	}
	return c
}

func (w *world) bind(account string, c softCard) {
	w.Helper()
	// What the verifier says of the card is what is bound.
	jws, err := w.login.Desk.Issue(w.Context(), cardreader.Issued{Key: []byte(account), Browser: make([]byte, 32), Purpose: "bind"})
	if err != nil {
		w.Fatal(err)
	}
	holder, _, err := w.login.Desk.Redeem(w.Context(), []byte(account), make([]byte, 32), cardreader.PurposeBind, c.sign(jws))
	if err != nil {
		w.Fatal(err)
	}
	card := &idp.Card{
		ID: "card-" + account, PersonID: w.person[account].ID, IssuerKeyID: holder.IssuerKeyID,
		SubjectSerial: holder.SubjectSerial, Fingerprint: holder.Fingerprint, Name: holder.Name,
		NotAfter: holder.NotAfter, BoundAt: w.clock(),
	}
	if err := w.db.BindCard(w.Context(), card); err != nil {
		w.Fatal(err)
	}
}

func (c softCard) sign(jws string) []byte { return cardtest.Sign([]byte(jws), c.key, c.cert) }

// browser has cookies, and comes from somewhere.
type browser struct {
	*world
	cookies map[string]string
	agent   string
	header  http.Header
	address netip.Addr
}

func (w *world) browser() *browser {
	handle, _ := session.NewHandle()
	return &browser{
		world: w, cookies: map[string]string{"idp-flow": handle}, agent: "Mozilla/5.0 (X11; Linux x86_64)",
		header: http.Header{}, address: netip.MustParseAddr("10.1.2.3"),
	}
}

func (b *browser) hash() []byte { return session.HandleHash(b.cookies["idp-flow"]) }

// begin saves a flow of this browser, as the authorization endpoint does.
func (b *browser) begin(ask idp.Ask) string {
	b.Helper()
	return b.save(&idp.Flow{Ask: ask, Request: "client_id=" + ask.ClientID, RedirectTo: "https://" + ask.ClientID + ".test"})
}

// beginTo saves a flow of our own pages.
func (b *browser) beginTo(returnTo string) string {
	b.Helper()
	return b.save(&idp.Flow{ReturnTo: returnTo})
}

func (b *browser) save(f *idp.Flow) string {
	b.Helper()
	handle, hash := session.NewHandle()
	f.Handle, f.Browser, f.Ask.At = hash, b.hash(), b.clock()
	f.CreatedAt, f.EndsAt = f.Ask.At, f.Ask.At.Add(30*time.Minute)
	if err := b.db.CreateFlow(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	return handle
}

var documents = idp.Ask{ClientID: "documents", FirstParty: true, Scopes: []string{"openid"}}

// answer is a response and what it drew.
type answer struct {
	*http.Response
	body string
	view templates.View
}

func (a answer) to() string { return a.Header.Get("Location") }

func (b *browser) do(method, target, contentType, body string) answer {
	b.Helper()
	r := httptest.NewRequest(method, "http://localhost:8080"+target, strings.NewReader(body))
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name := range b.header {
		r.Header.Set(name, b.header.Get(name))
	}
	r.Header.Set("User-Agent", b.agent)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r = r.WithContext(idp.WithOrigin(r.Context(), idp.Origin{RequestID: "0123456789abcdef", Address: b.address, City: true}))
	rec := httptest.NewRecorder()
	http.NewCrossOriginProtection().Handler(b.mux).ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return answer{Response: res, body: rec.Body.String(), view: b.world.view}
}

func (b *browser) get(target string) answer { b.Helper(); return b.do("GET", target, "", "") }

func (b *browser) post(target string, fields ...string) answer {
	b.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do("POST", target, "application/x-www-form-urlencoded", form.Encode())
}

func (b *browser) password(flow, account, password string) answer {
	b.Helper()
	return b.post("/login/password", "flow", flow, "account", account, "password", password)
}

// challenge fetches what the card has to sign.
func (b *browser) challenge(flow string) string {
	b.Helper()
	a := b.post("/login/card/challenge?flow=" + flow)
	var v struct{ Challenge string }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Challenge == "" {
		b.Fatalf("challenge: %d %s", a.StatusCode, a.body)
	}
	return v.Challenge
}

func (b *browser) sendCard(flow string, cms []byte) answer {
	b.Helper()
	return b.post("/login/card", "flow", flow, "cms", base64.StdEncoding.EncodeToString(cms))
}

func (b *browser) card(flow string, c softCard) answer {
	b.Helper()
	return b.sendCard(flow, c.sign(b.challenge(flow)))
}

// in logs the person in for the documents system and goes on to it.
func (b *browser) in(account string) {
	b.Helper()
	flow := b.begin(documents)
	b.wantNext(b.password(flow, account, account+rightSuffix), flow)
	b.wantDone(flow)
}

// current is whose session the browser has, "" for nobody.
func (b *browser) current() (string, *idp.Session) {
	b.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "idp-session", Value: b.cookies["idp-session"]})
	c, err := b.sessions.Current(r)
	if err != nil {
		b.Fatal(err)
	}
	if c == nil {
		return "", nil
	}
	return c.Person.Username, c.Session
}

func (b *browser) wantWho(account string) *idp.Session {
	b.Helper()
	who, s := b.current()
	if who != account {
		b.Fatalf("logged in: %q, want %q", who, account)
	}
	return s
}

func (w *world) wantNext(a answer, flow string) {
	w.Helper()
	if a.StatusCode != http.StatusSeeOther || a.to() != "/login?flow="+flow {
		w.Fatalf("got %d to %q, want 303 to the dispatcher; drew %+v", a.StatusCode, a.to(), a.view)
	}
}

// wantDone asserts that policy has nothing more to ask.
func (b *browser) wantDone(flow string) {
	b.Helper()
	a := b.get("/login?flow=" + flow)
	if a.StatusCode != http.StatusSeeOther || a.to() != "/oauth2/authorize?flow="+flow {
		b.Fatalf("got %d to %q, want 303 to the authorization endpoint; drew %+v", a.StatusCode, a.to(), a.view)
	}
}

func (w *world) wantReason(a answer, reason idp.Reason) {
	w.Helper()
	var got idp.Reason
	switch v := a.view.(type) {
	case templates.Login:
		got = v.Reason
	case templates.Error:
		got = v.Reason
	}
	if got != reason {
		w.Fatalf("got %d with reason %q, want %q; drew %+v", a.StatusCode, got, reason, a.view)
	}
}
