package login_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

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
	node    http.Handler // nil: the first one
	outside bool         // not on the city's network
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
	r = r.WithContext(idp.WithOrigin(r.Context(), idp.Origin{RequestID: "0123456789abcdef", Address: b.address, City: !b.outside}))
	rec := httptest.NewRecorder()
	var node http.Handler = b.mux
	if b.node != nil {
		node = b.node
	}
	http.NewCrossOriginProtection().Handler(node).ServeHTTP(rec, r)
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

// choose looks at the page and answers it, as the session that it was drawn for.
func (b *browser) choose(path, flow, choice string) answer {
	b.Helper()
	sid := ""
	switch v := b.get("/login?flow=" + flow).view.(type) {
	case templates.Consent:
		sid = v.Sid
	case templates.Select:
		sid = v.Sid
	}
	return b.post(path, "flow", flow, "sid", sid, "choice", choice)
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

// wantNext asserts that the step was taken: back to the dispatcher, or on to the
// authorization endpoint where nothing more is to be asked (TestOnward).
func (w *world) wantNext(a answer, flow string) {
	w.Helper()
	if a.StatusCode != http.StatusSeeOther || a.to() != "/login?flow="+flow && a.to() != "/oauth2/authorize?flow="+flow {
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
