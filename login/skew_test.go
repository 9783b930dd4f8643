package login_test

import (
	"net/http"
	"testing"
	"time"

	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// Nodes whose clocks are a second and a half apart: what is done on one is not
// undone on the other, whichever is ahead.
func TestT221_NodesSecondsApart(t *testing.T) {
	for name, options := range map[string]func(*testing.T) store.Options{
		"sqlite":     func(t *testing.T) store.Options { return storetest.SQLite(t) },
		"postgresql": func(t *testing.T) store.Options { return storetest.PostgreSQL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			w := newTwins(t, o)
			other := w.twin(o)
			w.nodes[1] = other
			other.login.Now, other.sessions.Now = other.clock, other.clock
			secret, _ := w.bindOTP("ab1001")
			for at, there := range w.nodes {
				other.world.now = w.clock().Add(1500 * time.Millisecond)
				w.stepsOnTwoNodes(w.nodes[1-at], there, secret)
			}
		})
	}
}

// stepsOnTwoNodes logs in by steps of which each is taken on another node.
func (w *twins) stepsOnTwoNodes(here, there *node, secret string) {
	w.Helper()
	anew := documents
	anew.PromptLogin = true
	b := w.browser()
	flow := b.on(here).begin(anew)
	w.wantNext(b.on(there).password(flow, "ab1002", "ab1002"+rightSuffix), flow)
	b.on(here).wantDone(flow)

	b = w.browser()
	b.outside = true
	flow = b.on(here).begin(anew)
	if a := b.on(here).password(flow, "ab1001", "ab1001"+rightSuffix); a.StatusCode != http.StatusSeeOther {
		w.Fatalf("password: %d, %+v", a.StatusCode, a.view)
	}
	w.wantNext(b.on(there).post("/login/otp", "flow", flow, "code", w.code(secret, 0)), flow)
	w.later(30 * time.Second) // that code is used
	if who, _ := b.on(there).current(); who == "" {
		w.Fatal("the password was forgotten where the code was given")
	}
}
