package login_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/devicetest"
	"taipeion.internal/idp/templates"
)

// options asks for what the authenticator is to answer.
func (b *browser) options(flow string, fields ...string) []byte {
	b.Helper()
	a := b.post("/login/passkey/options?flow="+flow, fields...)
	if a.StatusCode != 200 {
		b.Fatalf("options: %d %s", a.StatusCode, a.body)
	}
	return []byte(a.body)
}

// passkey sends what the authenticator answers, with further fields of the form.
func (b *browser) passkey(flow string, a *devicetest.Authenticator, options []byte, fields ...string) answer {
	b.Helper()
	challenge, _ := readOptions(b.T, options)
	return b.post("/login/passkey", append([]string{"flow", flow, "answer", string(a.Get(challenge))}, fields...)...)
}

func TestPasskey_LogsIn(t *testing.T) {
	onTwins(t, func(w *twins) {
		b := w.browser()
		b.in("ab1001")
		key := w.authenticator("ab1001", b.wantWho("ab1001"))
		for _, name := range []string{"", "ab1001", "TPEAD\\AB1001"} {
			b = w.browser()
			b.outside = true // a passkey is enough from anywhere
			flow := b.begin(documents)
			if v := b.get("/login?flow=" + flow).view.(templates.Login); v.Passkey == nil {
				w.Fatal("the page offers no passkey")
			}
			w.wantNext(b.on(w.nodes[1]).passkey(flow, key, b.options(flow), "account", name), flow)
			b.wantWho("ab1001")
			b.wantDone(flow)
		}
		// With a name, the answer has to be of that person's; whose name it is, or
		// that it is nobody's, is not told.
		var first answer
		for i, name := range []string{"ab1002", "nobody", "\x00", strings.Repeat("x", 5000)} {
			b = w.browser()
			flow := b.begin(documents)
			a := b.passkey(flow, key, b.options(flow), "account", name)
			w.wantReason(a, devicebind.ReasonPasskey)
			if who, _ := b.current(); who != "" {
				w.Errorf("%.20q: logged in", name)
			}
			if a.body = strings.ReplaceAll(a.body, flow, ""); i == 0 {
				first = a
			} else if a.body != first.body || a.StatusCode != first.StatusCode {
				w.Errorf("%.20q: answered otherwise", name)
			}
		}
		// What it opened ends when it is removed, whoever removes it.
		b = w.browser()
		flow := b.begin(documents)
		w.wantNext(b.on(w.nodes[1]).passkey(flow, key, b.options(flow)), flow)
		personID := b.wantWho("ab1001").PersonID
		keys, err := w.db.PasskeysOf(w.Context(), personID)
		w.must(err)
		for _, k := range keys {
			w.must(w.db.RemovePasskey(w.Context(), k.ID, "", w.clock(), devicebind.With{}))
		}
		if who, _ := b.current(); who != "" {
			w.Error("who logged in by a passkey that was removed is still there")
		}
	})
}

// unasked are people whom nobody may ask for.
type unasked struct{ *testing.T }

func (p unasked) Person(context.Context, string) (*idp.Person, error) {
	p.Error("a person was looked up")
	return nil, idp.ErrUnavailable
}

func (p unasked) Account(context.Context, string) (*idp.Account, error) {
	p.Error("an account was looked up")
	return nil, idp.ErrUnavailable
}

// What is given out for a name does not depend on it: the same bytes but for the
// challenge, the same status, and nothing is looked up, so that the time is the
// same, too.
func TestT087_PasskeyOptionsTellNothing(t *testing.T) {
	onTwins(t, func(w *twins) {
		b := w.browser()
		b.in("ab1001")
		w.authenticator("ab1001", b.wantWho("ab1001"))
		fresh := &recorder{}
		w.login.Factors.People = unasked{w.T}
		w.login.Mount(fresh)
		w.mux = fresh
		shape := func(a answer) string {
			t.Helper()
			challenge, _ := readOptions(t, []byte(a.body))
			text := base64.RawURLEncoding.EncodeToString(challenge)
			if len(challenge) < 32 || strings.Count(a.body, text) != 1 || strings.Contains(a.body, "allowCredentials") {
				t.Fatalf("options %s", a.body)
			}
			return strings.Replace(a.body, text, "", 1) + a.Header.Get("Content-Type") + a.Header.Get("Cache-Control")
		}
		b = w.browser()
		flow := b.begin(documents)
		before := w.db.Stats().Reads
		want := b.post("/login/passkey/options?flow=" + flow)
		once := w.db.Stats().Reads - before
		for _, name := range []string{"ab1001", "ab1002", "nobody", "TPEAD\\AB1001"} {
			before = w.db.Stats().Reads
			got := b.post("/login/passkey/options?flow="+flow, "account", name)
			if got.StatusCode != want.StatusCode || len(got.body) != len(want.body) || shape(got) != shape(want) {
				w.Errorf("%s: %d %s, without a name %d %s", name, got.StatusCode, got.body, want.StatusCode, want.body)
			}
			if n := w.db.Stats().Reads - before; n != once {
				w.Errorf("%s: %d reads of the store, without a name %d", name, n, once)
			}
		}
	})
}

func TestT144_PasskeysThatLie(t *testing.T) {
	onTwins(t, func(w *twins) {
		b := w.browser()
		b.in("ab1001")
		session := b.wantWho("ab1001")
		key := w.authenticator("ab1001", session)
		for name, lie := range map[string]func(a *devicetest.Authenticator){
			"wrong origin":    func(a *devicetest.Authenticator) { a.Origin = "http://localhost:8081" },
			"another site":    func(a *devicetest.Authenticator) { a.RPID = "evil.example" },
			"type swapped":    func(a *devicetest.Authenticator) { a.GetType = "webauthn.create" },
			"not verified":    func(a *devicetest.Authenticator) { a.Flags = 1 },
			"not present":     func(a *devicetest.Authenticator) { a.Flags = 4 },
			"unknown key":     func(a *devicetest.Authenticator) { a.ID = make([]byte, 32) },
			"another user":    func(a *devicetest.Authenticator) { a.UserHandle = make([]byte, 32) },
			"trailing bytes":  func(a *devicetest.Authenticator) { a.Trailing = []byte{0} },
			"counter at zero": func(a *devicetest.Authenticator) { a.NoCount = true },
		} {
			key.Count++ // one login more than the server has seen
			liar := *key
			lie(&liar)
			c := w.browser()
			flow := c.begin(documents)
			if name == "counter at zero" {
				w.wantNext(c.passkey(flow, key, c.options(flow)), flow) // so that a count is kept
				c = w.browser()
				flow = c.begin(documents)
			}
			w.wantReason(c.passkey(flow, &liar, c.options(flow)), devicebind.ReasonPasskey)
			if who, _ := c.current(); who != "" {
				w.Errorf("%s: logged in", name)
			}
		}
		// A challenge is one browser's, for some minutes, once.
		c, other := w.browser(), w.browser()
		flow, foreign := c.begin(documents), other.begin(documents)
		options := c.options(flow)
		w.wantReason(other.passkey(foreign, key, options), devicebind.ReasonPasskey)
		w.wantNext(c.passkey(flow, key, options), flow)
		delete(c.cookies, "idp-session")
		flow = c.begin(documents)
		w.wantReason(c.on(w.nodes[1]).passkey(flow, key, options), devicebind.ReasonPasskey)
		options = c.options(flow)
		w.later(11 * time.Minute)
		w.wantReason(c.passkey(flow, key, options), devicebind.ReasonPasskey)
		w.wantEvent("login.passkey", "passkey_invalid")
	})
}

func TestPasskey_StepUpIsOnesOwn(t *testing.T) {
	onTwins(t, func(w *twins) {
		b := w.browser()
		b.in("ab1002")
		other := w.authenticator("ab1002", b.wantWho("ab1002"))
		b = w.browser()
		b.in("ab1001")
		ask := documents
		ask.MinLevel = idp.LevelTwo
		flow := b.begin(ask)
		w.wantReason(b.passkey(flow, other, b.options(flow)), devicebind.ReasonPasskey)
		b.wantWho("ab1001")
	})
}
