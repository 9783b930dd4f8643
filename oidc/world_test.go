package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

const secret = "s3cret +/&=%:" // with everything that form encoding changes

// world is a whole provider on a real store, with a login page that asks
// nothing.
type world struct {
	t        testing.TB
	store    *store.Store
	options  store.Options
	sealer   *keys.Sealer
	ring     *keys.Ring
	sessions *session.Manager
	provider *oidc.Provider
	server   *httptest.Server
	issuer   string
	canary   string // an address that nobody may ask

	mu       sync.Mutex
	clock    time.Time
	started  time.Time     // since when the clock goes; zero: it stands
	person   string        // who logs in
	method   idp.Method    // how
	evidence *idp.Evidence // how in detail, but for the time; nil: only method
	stronger idp.Method    // how when more is needed
	cancel   bool          // the person says no
	stay     bool          // the login page waits
	logins   int           // how often somebody logged in
}

// seeds are made once: RSA keys are slow to make.
var seeds = sync.OnceValue(func() []keys.Seed {
	var out []keys.Seed
	for _, alg := range []string{keys.RS256, keys.PS256} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out = append(out, keys.Seed{Use: keys.UseToken, Algorithm: alg, Key: k})
	}
	return out
})

var assertionKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// onEach runs the test on a world of each database.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("postgres", func(t *testing.T) {
		test(t, openWorld(t, storetest.PostgreSQL(t)))
	})
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return openWorld(t, storetest.SQLite(t))
}

func openWorld(t testing.TB, o store.Options) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC),
		person: "wang", method: idp.MethodPassword, stronger: idp.MethodCard}
	o.Now = w.now
	w.options = o
	var err error
	w.store, err = store.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { w.store.Close() })
	w.sealer, err = keys.NewSealer(make([]byte, 32))
	must(t, err)
	w.ring, err = keys.OpenRing(t.Context(), keys.RingOptions{Store: w.store.Keys(), Sealer: w.sealer, Now: w.now, Seeds: seeds()})
	must(t, err)
	w.addPeople()
	w.sessions = &session.Manager{Store: w.store, Now: w.now, Idle: time.Hour, Absolute: 12 * time.Hour, Insecure: true}
	w.server = w.node(nil)
	w.addClients()
	return w
}

// node starts a server process of the same world; change may alter its
// provider.
func (w *world) node(change func(*oidc.Provider)) *httptest.Server {
	w.t.Helper()
	pages, err := templates.New(templates.Options{Now: w.now})
	must(w.t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		at, _ := netip.ParseAddrPort(r.RemoteAddr)
		ctx := idp.WithOrigin(r.Context(), idp.Origin{RequestID: "test", Address: at.Addr()})
		mux.ServeHTTP(rw, r.WithContext(ctx))
	}))
	w.t.Cleanup(server.Close)
	if w.issuer == "" {
		w.issuer = server.URL
	}
	p := &oidc.Provider{
		Issuer: w.issuer, Grants: w.store, Requests: w.store, Clients: w.store, Sessions: w.sessions,
		Keys: w.ring, Sealer: w.sealer, Pages: pages, Now: w.now,
	}
	if change != nil {
		change(p)
	}
	p.Mount(mux)
	mux.HandleFunc("GET /login", w.login)
	if w.provider == nil {
		w.provider = p
	}
	return server
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started.IsZero() {
		return w.clock.Add(time.Since(w.started))
	}
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// login stands in for package login: it does what policy asks for at once.
func (w *world) login(rw http.ResponseWriter, r *http.Request) {
	ctx, handle := r.Context(), r.URL.Query().Get("flow")
	hash, browser := session.HandleHash(handle), w.sessions.Browser(r)
	flow, err := w.store.Flow(ctx, hash)
	if err != nil || w.stay {
		http.Error(rw, "login page", http.StatusOK)
		return
	}
	if w.cancel {
		must(w.t, w.store.MarkFlow(ctx, hash, browser, login.MarkCancelled, w.now()))
	}
	current, err := w.sessions.Current(r)
	must(w.t, err)
	have := policy.Have{Selected: flow.Selected, Consented: flow.Consented, Cancelled: w.cancel}
	if current != nil {
		have.Session, have.Person = current.Session, current.Person
		have.Consent, err = w.store.Consent(ctx, current.Person.ID, flow.Ask.ClientID)
		must(w.t, err)
	}
	d := policy.Decide(flow.Ask, have, w.now())
	if d.Outcome == policy.Need {
		w.step(rw, r, flow, current, d)
	}
	http.Redirect(rw, r, oidc.PathAuthorize+"?flow="+handle, http.StatusSeeOther)
}

func (w *world) step(rw http.ResponseWriter, r *http.Request, flow *idp.Flow, current *session.Current, d policy.Decision) {
	ctx, browser := r.Context(), w.sessions.Browser(r)
	switch d.Step {
	case policy.StepLogin, policy.StepLevel:
		w.mu.Lock()
		w.logins++
		w.mu.Unlock()
		ev := idp.Evidence{Method: w.method, At: w.now()}
		if w.evidence != nil {
			ev = *w.evidence
			ev.At = w.now()
		}
		if d.Step == policy.StepLevel {
			ev.Method = w.stronger
		}
		if current != nil && current.Person.ID == w.person {
			must(w.t, w.sessions.StepUp(rw, r, current, ev))
			return
		}
		_, err := w.sessions.Begin(rw, r, w.person, ev)
		must(w.t, err)
	case policy.StepSelect:
		must(w.t, w.store.MarkFlow(ctx, flow.Handle, browser, login.MarkSelected, w.now()))
	case policy.StepConsent:
		must(w.t, w.store.SaveConsent(ctx, current.Person.ID, flow.Ask.ClientID, flow.Ask.Scopes, w.now()))
		must(w.t, w.store.MarkFlow(ctx, flow.Handle, browser, login.MarkConsented, w.now()))
	}
}

func (w *world) addPeople() {
	w.t.Helper()
	for _, p := range []idp.Person{
		{ID: "wang", Subject: "sub-wang", Name: "王大明", Username: "ab1234", Email: "ab1234@gov.taipei"},
		{ID: "lin", Subject: "sub-lin", Name: "林小美", Username: "cd5678", Email: "cd5678@gov.taipei"},
	} {
		p.Agency = idp.Agency{Code: "379000000A", Name: "資訊局"}
		p.Unit, p.Title, p.Phone, p.Address = "系發組", "科員", "02-2720-8889", "臺北市信義區市府路1號"
		p.State, p.UpdatedAt = idp.PersonEnabled, w.now()
		must(w.t, w.store.PutPerson(w.t.Context(), directory.Record{Person: p,
			Accounts: []idp.Account{{Name: p.Username, Kind: idp.AccountSingle, PersonID: p.ID}}}))
	}
}

var allScopes = []string{"openid", "profile", "email", "phone", "address", "offline_access", "agency"}

func (w *world) addClients() {
	w.t.Helper()
	hash := sha256.Sum256([]byte(secret))
	base := idp.Client{
		AuthMethods: []string{idp.AuthSecretBasic, idp.AuthSecretPost}, SecretHash: hash[:],
		RedirectURIs: []string{"https://rp.test/cb"}, PostLogoutURIs: []string{"https://rp.test/bye"},
		Origins: []string{"https://rp.test"}, Scopes: allScopes,
		GrantTypes: []string{"authorization_code", "refresh_token"}, FirstParty: true, IDTokenAlg: "ES256",
	}
	jwks, err := jose.JSONWebKey{Key: assertionKey().Public(), KeyID: "k1", Algorithm: "ES256"}.MarshalJSON()
	must(w.t, err)
	change := map[string]func(*idp.Client){
		"app":    func(c *idp.Client) { c.IDTokenAlg = "" },
		"other":  func(c *idp.Client) { c.RedirectURIs = []string{"https://other.test/cb?tenant=1"} },
		"third":  func(c *idp.Client) { c.FirstParty = false },
		"legacy": func(c *idp.Client) { c.PKCEOptional = true },
		"high":   func(c *idp.Client) { c.MinLevel = idp.LevelCard },
		"eddsa":  func(c *idp.Client) { c.IDTokenAlg = "EdDSA" },
		"ps":     func(c *idp.Client) { c.IDTokenAlg = "PS256" },
		"spa": func(c *idp.Client) {
			c.AuthMethods, c.SecretHash = []string{idp.AuthNone}, nil
		},
		"native": func(c *idp.Client) {
			c.AuthMethods, c.SecretHash = []string{idp.AuthNone}, nil
			c.RedirectURIs = []string{"http://127.0.0.1/cb", "tw.gov.taipei.app:/cb"}
		},
		"signed": func(c *idp.Client) {
			c.AuthMethods, c.SecretHash = []string{idp.AuthPrivateKeyJWT}, nil
			c.JWKS = `{"keys":[` + string(jwks) + `]}`
			c.GrantTypes = append(c.GrantTypes, "client_credentials")
			c.Scopes = append([]string{"jobs"}, allScopes...)
		},
		"jwt": func(c *idp.Client) {
			c.JWTAccess, c.Audience = true, []string{"https://api.test"}
			c.Scopes = append([]string{"documents.read"}, allScopes...)
		},
		"service": func(c *idp.Client) {
			c.GrantTypes, c.RedirectURIs = []string{"client_credentials"}, nil
			c.Scopes, c.MayIntrospect = []string{"jobs", "reports"}, true
		},
	}
	for id, f := range change {
		c := base
		c.ID, c.Name, c.NameEN = id, "系統 "+id, "System "+id
		c.GrantTypes = append([]string(nil), base.GrantTypes...)
		f(&c)
		must(w.t, oidc.ValidateClient(&c))
		must(w.t, w.store.PutClient(w.t.Context(), &c))
	}
}

// changeClient changes a client and lets the caches run out.
func (w *world) changeClient(id string, change func(*idp.Client)) {
	w.t.Helper()
	c, err := w.store.Client(context.Background(), id)
	must(w.t, err)
	change(c)
	must(w.t, w.store.PutClient(context.Background(), c))
	w.pass(time.Second)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
