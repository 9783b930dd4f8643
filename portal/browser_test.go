package portal_test

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
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// softCard is a card of the tests: RSA keys are ready made.
type softCard struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func (w *world) newCard(key int, name, serial, tail string) softCard {
	w.Helper()
	c := softCard{key: cardtest.Key(key)}
	cert, err := cardtest.G3().Issue(cardtest.Leaf{Name: name, SubjectSerial: serial, IDTail: tail, Key: &c.key.PublicKey})
	if err != nil {
		w.Fatal(err)
	}
	c.cert = cert
	return c
}

func (c softCard) sign(jws string) []byte { return cardtest.Sign([]byte(jws), c.key, c.cert) }

// browser has cookies, and comes from somewhere.
type browser struct {
	*world
	cookies map[string]string
	header  http.Header
	outside bool
}

func (w *world) browser() *browser {
	handle, _ := session.NewHandle()
	return &browser{world: w, cookies: map[string]string{"idp-flow": handle}, header: http.Header{}}
}

// in opens a session of the person by that evidence.
func (b *browser) in(account string, method idp.Method) {
	b.Helper()
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/login", nil)
	r.Header.Set("User-Agent", "Firefox")
	ev := idp.Evidence{Method: method, At: b.clock()}
	if method == idp.MethodCard {
		ev.Card = b.cardOf(b.person[account])
	}
	if _, err := b.sessions.Begin(rec, r, b.person[account].ID, ev); err != nil {
		b.Fatal(err)
	}
	b.keep(rec.Result())
}

// cardOf is the person's bound card; one is bound if there is none.
func (b *browser) cardOf(p *idp.Person) string {
	b.Helper()
	cards, err := b.db.CardsOf(b.Context(), p.ID)
	if err != nil {
		b.Fatal(err)
	}
	if len(cards) > 0 {
		return cards[0].ID
	}
	c := &idp.Card{ID: "card-" + p.ID, PersonID: p.ID, IssuerKeyID: "issuer", SubjectSerial: p.ID, Fingerprint: p.ID, Name: p.Name,
		NotAfter: b.clock().Add(365 * 24 * time.Hour), BoundAt: b.clock()}
	if err := b.db.BindCard(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	return c.ID
}

func (b *browser) keep(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

func (b *browser) current() *session.Current {
	b.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "idp-session", Value: b.cookies["idp-session"]})
	c, err := b.sessions.Current(r)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// answer is a response and what it drew.
type answer struct {
	*http.Response
	body string
	view templates.View
}

func (a answer) to() string { return a.Header.Get("Location") }

func (b *browser) do(method, target, body string) answer {
	b.Helper()
	r := httptest.NewRequest(method, "http://localhost:8080"+target, strings.NewReader(body))
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name := range b.header {
		r.Header.Set(name, b.header.Get(name))
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r = r.WithContext(idp.WithOrigin(r.Context(), idp.Origin{
		RequestID: "0123456789abcdef", Address: netip.MustParseAddr("10.1.2.3"), City: !b.outside,
	}))
	rec := httptest.NewRecorder()
	http.NewCrossOriginProtection().Handler(b.mux).ServeHTTP(rec, r)
	b.keep(rec.Result())
	b.mu.Lock()
	defer b.mu.Unlock()
	return answer{Response: rec.Result(), body: rec.Body.String(), view: b.view}
}

func (b *browser) get(target string) answer { b.Helper(); return b.do("GET", target, "") }

func (b *browser) post(target string, fields ...string) answer {
	b.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do("POST", target, form.Encode())
}

// challenge fetches what the card has to sign.
func (b *browser) challenge() string {
	b.Helper()
	a := b.post("/card/bind/challenge")
	var v struct{ Challenge string }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Challenge == "" {
		b.Fatalf("challenge: %d %s", a.StatusCode, a.body)
	}
	return v.Challenge
}

func (b *browser) sendCard(cms []byte) answer {
	b.Helper()
	return b.post("/card/bind/sign", "cms", base64.StdEncoding.EncodeToString(cms))
}

func (b *browser) card(c softCard) answer { b.Helper(); return b.sendCard(c.sign(b.challenge())) }

// wantBind asserts a page of the wizard.
func (w *world) wantBind(a answer, step int, reason idp.Reason) templates.Bind {
	w.Helper()
	v, ok := a.view.(templates.Bind)
	if a.StatusCode != 200 || !ok || v.Step != step || v.Reason != reason {
		w.Fatalf("got %d to %q, want step %d with reason %q; drew %+v", a.StatusCode, a.to(), step, reason, a.view)
	}
	return v
}

// wantFlow asserts that the browser was sent to log in, and returns what for.
func (b *browser) wantFlow(a answer) *idp.Flow {
	b.Helper()
	handle, ok := strings.CutPrefix(a.to(), "/login?flow=")
	if a.StatusCode != http.StatusSeeOther || !ok {
		b.Fatalf("got %d to %q, want a login; drew %+v", a.StatusCode, a.to(), a.view)
	}
	f, err := b.db.Flow(b.Context(), session.HandleHash(handle))
	if err != nil {
		b.Fatal(err)
	}
	if got := session.HandleHash(b.cookies["idp-flow"]); string(got) != string(f.Browser) {
		b.Fatal("the flow is another browser's")
	}
	return f
}

func (w *world) wantTo(a answer, to string) {
	w.Helper()
	if a.StatusCode != http.StatusSeeOther || a.to() != to {
		w.Fatalf("got %d to %q, want 303 to %q; drew %+v", a.StatusCode, a.to(), to, a.view)
	}
}
