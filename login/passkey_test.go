package login_test

import (
	"encoding/json"
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

func (b *browser) passkey(flow string, a *devicetest.Authenticator, options []byte) answer {
	b.Helper()
	challenge, _ := readOptions(b.T, options)
	return b.post("/login/passkey", "flow", flow, "answer", string(a.Get(challenge)))
}

func allowed(w *twins, options []byte) (ids []string) {
	var o struct {
		AllowCredentials []struct{ ID, Type string }
	}
	w.must(json.Unmarshal(options, &o))
	for _, c := range o.AllowCredentials {
		if c.Type != "public-key" {
			w.Errorf("type %q", c.Type)
		}
		ids = append(ids, c.ID)
	}
	return ids
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
			options := b.options(flow, "account", name)
			if n := len(allowed(w, options)); (name == "") != (n == 0) {
				w.Errorf("%q: %d credentials", name, n)
			}
			w.wantNext(b.on(w.nodes[1]).passkey(flow, key, options), flow)
			b.wantWho("ab1001")
			b.wantDone(flow)
		}
		// Who has none, and who is nobody, look like who has one.
		b = w.browser()
		flow := b.begin(documents)
		for _, name := range []string{"ab1002", "nobody"} {
			first, second := allowed(w, b.options(flow, "account", name)), allowed(w, b.on(w.nodes[1]).options(flow, "account", name))
			if len(first) != 1 || len(second) != 1 || first[0] != second[0] {
				w.Errorf("%s: %v, %v", name, first, second)
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
