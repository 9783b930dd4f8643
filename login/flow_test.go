package login_test

import (
	"net/http"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

func TestT006_OnlyRootedPathsAreFollowed(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for i, to := range []string{
		"https://evil.test", "//evil.test", `/\evil.test`, `\/evil.test`, "/\t/evil.test", "/\n/evil.test", "///evil.test",
		"javascript:alert(1)", "evil.test", "", "http:evil.test", "/%0d%0aLocation:%20x", "/%5cevil.test", "/%2f/evil.test", " /x", "/ x",
		"/\u202eevil", "/x\\y", "https:/evil.test", "?x", "#x", ".//evil.test", "/\u2028x", "\u00a0/x", "%2f%2fevil.test",
	} {
		if i > 0 {
			delete(b.cookies, "idp-session")
		}
		if got := returnTo(b, to); got != "/" {
			t.Errorf("%q leads to %q", to, got)
		}
	}
	for _, to := range []string{"/", "/card/bind", "/card/bind?step=1&x=%2F", "/a/b.c"} {
		delete(b.cookies, "idp-session")
		if got := returnTo(b, to); got != to {
			t.Errorf("%q leads to %q", to, got)
		}
	}
}

// returnTo logs in to one of our own pages and says where that ends.
func returnTo(b *browser, to string) string {
	b.Helper()
	handle := b.beginTo(to)
	b.wantNext(b.password(handle, "ab1001", "ab1001"+rightSuffix), handle)
	a := b.get("/login?flow=" + handle)
	if a.StatusCode != http.StatusSeeOther {
		b.Fatalf("%d", a.StatusCode)
	}
	return a.to()
}

// TestOnward: a login that is granted by now goes on at once; whatever else there
// is to ask or to read, the dispatcher asks.
func TestOnward(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	strong, survey, other := documents, documents, documents
	strong.MinLevel = idp.LevelCard
	survey.ClientID, survey.FirstParty = "survey", false
	other.Subject = "somebody else"
	for name, c := range map[string]struct {
		ask  idp.Ask
		path string
	}{
		"granted":                 {documents, "/oauth2/authorize"},
		"more is asked for":       {strong, "/login"},
		"consent is asked for":    {survey, "/login"},
		"another person is meant": {other, "/login"},
	} {
		b := w.browser()
		flow := b.begin(c.ask)
		if a := b.password(flow, "ab1001", "ab1001"+rightSuffix); a.StatusCode != http.StatusSeeOther || a.to() != c.path+"?flow="+flow {
			t.Errorf("%s: %d to %q, want %s", name, a.StatusCode, a.to(), c.path)
		}
		b.wantWho("ab1001")
		if name == "more is asked for" {
			c.path = "/oauth2/authorize" // which the card is
		}
		b = w.browser()
		flow = b.begin(c.ask)
		if a := b.card(flow, card); a.StatusCode != http.StatusSeeOther || a.to() != c.path+"?flow="+flow {
			t.Errorf("%s, by card: %d to %q, want %s", name, a.StatusCode, a.to(), c.path)
		}
	}
	b := w.browser()
	flow := b.beginTo("/card/bind")
	if a := b.password(flow, "ab1001", "ab1001"+rightSuffix); a.to() != "/login?flow="+flow {
		t.Errorf("our own page: to %q", a.to())
	}
}

func TestT010_FormsEndIn303(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	card := w.cardOf("ab1001", 0, true)
	flow := b.begin(documents)
	for name, a := range map[string]answer{
		"card":   b.card(flow, card),
		"cancel": b.post("/login/cancel", "flow", b.begin(idp.Ask{ClientID: "survey"})),
	} {
		if a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
}

func TestT011_CancelLeavesNoRaisedSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001")
	before := b.wantWho("ab1001")
	ask := documents
	ask.PromptLogin = true
	w.later(time.Second)
	flow := b.begin(ask)
	w.wantNext(b.post("/login/cancel", "flow", flow), flow)
	b.wantDone(flow)
	if after := b.wantWho("ab1001"); !after.Evidence[0].At.Equal(before.Evidence[0].At) {
		t.Error("the session is fresher than its proof")
	}
	// Nor does the flow go on to log in.
	w.wantNext(b.password(flow, "ab1001", "ab1001"+rightSuffix), flow)
	if after := b.wantWho("ab1001"); !after.Evidence[0].At.Equal(before.Evidence[0].At) {
		t.Error("a cancelled flow took a password")
	}
}

func TestT012_AlteredFlow(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	other := "A"
	if flow[0] == 'A' {
		other = "B"
	}
	for name, handle := range map[string]string{
		"altered": other + flow[1:], "cut": flow[:42], "longer": flow + "A", "empty": "", "other kind": b.cookies["idp-flow"],
	} {
		for _, path := range []string{"/login/password", "/login/card", "/login/select", "/login/consent", "/login/stepup", "/login/cancel"} {
			a := b.post(path, "flow", handle, "account", "ab1001", "password", "ab1001"+rightSuffix, "choice", "allow")
			if a.StatusCode != 400 {
				t.Errorf("%s with a handle %s: %d", path, name, a.StatusCode)
			}
		}
	}
	if n := w.looks.n(); n != 0 {
		t.Errorf("%d passwords were looked at", n)
	}
	// What the flow holds can't be said in a form again.
	w.wantNext(b.post("/login/password", "flow", flow, "account", "ab1001", "password", "ab1001"+rightSuffix,
		"client_id", "survey", "scope", "openid email", "redirect_uri", "https://evil.test", "acr_values", "x"), flow)
	b.wantDone(flow)
	if a := b.post("/login/password", "flow", flow, "flow", flow); a.StatusCode != 400 {
		t.Errorf("a handle twice: %d", a.StatusCode)
	}
}

func TestT012_StepsOutOfTurn(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1002", 0, true)
	b := w.browser()
	b.in("ab1001")
	ask := idp.Ask{ClientID: "survey", Scopes: []string{"openid"}}
	flow := b.begin(ask) // waits for consent
	looked := w.looks.n()
	w.wantNext(b.password(flow, "ab1002", "ab1002"+rightSuffix), flow)
	w.wantNext(b.sendCard(flow, card.sign("x")), flow)
	w.wantNext(b.post("/login/select", "flow", flow, "choice", "continue"), flow)
	w.wantNext(b.post("/login/stepup", "flow", flow, "choice", "decline"), flow)
	if w.looks.n() != looked {
		t.Error("a password was looked at that nobody asked for")
	}
	if a := b.post("/login/card/challenge?flow=" + flow); a.StatusCode != 400 {
		t.Errorf("challenge out of turn: %d", a.StatusCode)
	}
	b.wantWho("ab1001")
	fresh := w.browser()
	flow = fresh.begin(ask) // waits for a login
	w.wantNext(fresh.post("/login/consent", "flow", flow, "choice", "allow"), flow)
	if v, ok := fresh.get("/login?flow=" + flow).view.(templates.Login); !ok {
		t.Errorf("consent by nobody: %+v", v)
	}
}

func TestT013_ForeignBrowser(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		card := w.cardOf("ab1002", 0, true)
		a, b := w.browser(), w.browser()
		flow := a.begin(documents)
		for _, loggedIn := range []bool{false, true} {
			if loggedIn {
				b.in("ab1002")
			}
			got := []answer{
				b.get("/login?flow=" + flow), b.get("/login/password?flow=" + flow), b.get("/login/card?flow=" + flow),
				b.password(flow, "ab1002", "ab1002"+rightSuffix), b.sendCard(flow, card.sign("x")),
				b.post("/login/cancel", "flow", flow), b.post("/login/select", "flow", flow, "choice", "continue"),
				b.post("/login/consent", "flow", flow, "choice", "allow"), b.post("/login/stepup", "flow", flow, "choice", "decline"),
			}
			for i, g := range got {
				if g.StatusCode != 400 {
					t.Errorf("%d: %d", i, g.StatusCode)
				}
				w.wantReason(g, idp.ReasonFlowForeign)
			}
			if g := b.post("/login/card/challenge?flow=" + flow); g.StatusCode != 400 {
				t.Errorf("challenge: %d", g.StatusCode)
			}
		}
		if who, _ := a.current(); who != "" {
			t.Errorf("%s is logged in where the flow began", who)
		}
		none := w.browser()
		delete(none.cookies, "idp-flow")
		w.wantReason(none.get("/login?flow="+flow), idp.ReasonFlowForeign)
		w.wantNext(a.password(flow, "ab1001", "ab1001"+rightSuffix), flow) // the flow is still its own browser's
		a.wantWho("ab1001")
	})
}

func TestExpiredFlow(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	w.later(30 * time.Minute)
	for _, a := range []answer{b.get("/login?flow=" + flow), b.password(flow, "ab1001", "ab1001"+rightSuffix)} {
		if a.StatusCode != 400 {
			t.Errorf("%d", a.StatusCode)
		}
		w.wantReason(a, idp.ReasonFlowExpired)
	}
	if a := b.get("/login"); a.StatusCode != http.StatusSeeOther || a.to() != "/" {
		t.Errorf("without a flow: %d to %q", a.StatusCode, a.to())
	}
}

func TestFinishedFlowIsOver(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	handle := b.beginTo("/")
	w.wantNext(b.password(handle, "ab1001", "ab1001"+rightSuffix), handle)
	if a := b.get("/login?flow=" + handle); a.to() != "/" {
		t.Fatalf("%d to %q", a.StatusCode, a.to())
	}
	w.wantReason(b.get("/login?flow="+handle), idp.ReasonFlowExpired)
}

func TestDisabledClient(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	c, err := w.db.Client(t.Context(), "documents")
	if err != nil {
		t.Fatal(err)
	}
	c.Disabled = true
	if err := w.db.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.later(2 * time.Second)
	a := b.get("/login?flow=" + flow)
	if v, ok := a.view.(templates.Error); a.StatusCode != 400 || !ok || v.Title != templates.ErrorUnknownClient {
		t.Errorf("%d %+v", a.StatusCode, a.view)
	}
}

func TestT155_PersonDisabledWhileLoggedIn(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	b := w.browser()
	b.in("ab1001")
	if err := w.db.SetState(t.Context(), w.person["ab1001"].ID, idp.PersonDisabled, w.clock()); err != nil {
		t.Fatal(err)
	}
	flow := b.begin(documents)
	if v, ok := b.get("/login?flow=" + flow).view.(templates.Login); !ok || v.StepUp {
		t.Errorf("%+v", v)
	}
	w.wantReason(b.password(flow, "ab1001", "ab1001"+rightSuffix), idp.ReasonDisabled)
	w.wantReason(b.card(flow, card), idp.ReasonDisabled)
}
