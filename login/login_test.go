package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

func TestPasswordLogin(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		flow := b.begin(documents)
		page := b.get("/login?flow=" + flow)
		v, ok := page.view.(templates.Login)
		if page.StatusCode != 200 || !ok || v.Tab != templates.TabPassword || v.System != "公文系統" {
			t.Fatalf("%d %+v", page.StatusCode, page.view)
		}
		for _, want := range []string{`action="/login/password"`, `name="flow" value="` + flow + `"`, `autocomplete="username"`, `autocomplete="current-password"`} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page lacks %s", want)
			}
		}
		if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://documents.test;") &&
			!strings.HasSuffix(csp, "form-action 'self' https://documents.test") {
			t.Errorf("form-action of %q", csp)
		}
		b.in("ab1001")
		s := b.wantWho("ab1001")
		if len(s.Evidence) != 1 || s.Evidence[0].Method != idp.MethodPassword || s.Address != "10.1.2.3" {
			t.Errorf("%+v", s)
		}
		// The next system asks nothing.
		b.wantDone(b.begin(documents))
	})
}

func TestEverySpellingLogsIn(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"AB1001", "ab1001", `tpead\ab1001`, "ab1001@TPEAD.gov.taipei", "ＡＢ１００１", "geaa-1001"} {
		b := w.browser()
		flow := b.begin(documents)
		w.wantNext(b.password(flow, name, "ab1001"+rightSuffix), flow)
	}
}

func TestTabs(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	b := w.browser()
	tab := func(target string) string {
		v, ok := b.get(target).view.(templates.Login)
		if !ok {
			t.Fatalf("%s drew no login page", target)
		}
		return v.Tab
	}
	flow := b.begin(documents)
	for _, name := range []string{templates.TabPassword, templates.TabCard, templates.TabQR} {
		if got := tab("/login/" + name + "?flow=" + flow); got != name {
			t.Errorf("tab %s shows %s", name, got)
		}
	}
	if got := tab("/login?flow=" + flow); got != templates.TabPassword {
		t.Errorf("a look at a tab is remembered: %s", got)
	}
	w.wantNext(b.card(flow, card), flow)
	b.wantDone(flow)
	delete(b.cookies, "idp-session")
	if got := tab("/login?flow=" + b.begin(documents)); got != templates.TabCard {
		t.Errorf("the tab used last is not remembered: %s", got)
	}
	b = w.browser()
	b.agent = "Mozilla/5.0 (Linux; Android 16) Mobile Safari/537.36 Mobi"
	if got := tab("/login?flow=" + b.begin(documents)); got != templates.TabQR {
		t.Errorf("a phone begins with %s", got)
	}
	ask := documents
	ask.MinLevel = idp.LevelCard
	if got := tab("/login?flow=" + b.begin(ask)); got != templates.TabCard {
		t.Errorf("where only the card will do, %s is shown", got)
	}
}

func TestStepUpByCard(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	b := w.browser()
	b.in("ab1001")
	before, sid := b.cookies["idp-session"], b.wantWho("ab1001").ID
	ask := documents
	ask.MinLevel = idp.LevelCard
	flow := b.begin(ask)
	v, ok := b.get("/login?flow=" + flow).view.(templates.Login)
	if !ok || !v.StepUp || v.Need != idp.LevelCard || v.Tab != templates.TabCard || !v.OnlyCard || v.CanDecline {
		t.Fatalf("%+v", v)
	}
	w.wantNext(b.card(flow, card), flow)
	b.wantDone(flow)
	s := b.wantWho("ab1001")
	if s.ID != sid || b.cookies["idp-session"] == before || len(s.Evidence) != 2 {
		t.Errorf("sid kept: %v, token changed: %v, %+v", s.ID == sid, b.cookies["idp-session"] != before, s.Evidence)
	}
}

func TestVoluntaryStepUpCanBeDeclined(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001")
	ask := documents
	ask.Voluntary = []idp.Level{idp.LevelCard}
	flow := b.begin(ask)
	v, ok := b.get("/login?flow=" + flow).view.(templates.Login)
	if !ok || !v.StepUp || !v.CanDecline {
		t.Fatalf("%+v", v)
	}
	w.wantNext(b.post("/login/stepup", "flow", flow, "choice", "decline"), flow)
	b.wantDone(flow)

	ask.Voluntary, ask.MinLevel = nil, idp.LevelCard
	flow = b.begin(ask)
	w.wantNext(b.post("/login/stepup", "flow", flow, "choice", "decline"), flow)
	if _, ok := b.get("/login?flow=" + flow).view.(templates.Login); !ok {
		t.Error("a demanded level was declined")
	}
}

func TestConsent(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.in("ab1001")
		ask := idp.Ask{ClientID: "survey", Scopes: []string{"openid", "profile"}}
		flow := b.begin(ask)
		v, ok := b.get("/login?flow=" + flow).view.(templates.Consent)
		if !ok || v.System != "問卷" || !slices.Equal(v.Scopes, ask.Scopes) {
			t.Fatalf("%+v", v)
		}
		if a := b.post("/login/consent", "flow", flow, "choice", "perhaps"); a.StatusCode != 400 {
			t.Errorf("no choice: %d", a.StatusCode)
		}
		w.wantNext(b.post("/login/consent", "flow", flow, "choice", "allow"), flow)
		b.wantDone(flow)
		b.wantDone(b.begin(ask)) // remembered

		ask.Scopes = []string{"openid", "email"}
		flow = b.begin(ask)
		w.wantNext(b.post("/login/consent", "flow", flow, "choice", "deny"), flow)
		b.wantDone(flow) // the relying system hears access_denied
		flow = b.begin(ask)
		w.wantNext(b.post("/login/consent", "flow", flow, "choice", "allow"), flow)
		got, err := w.db.Consent(t.Context(), w.person["ab1001"].ID, "survey")
		if err != nil || !slices.Equal(got, []string{"email", "openid", "profile"}) {
			t.Errorf("remembered %v, %v", got, err)
		}
	})
}

func TestSelectAccount(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001")
	ask := documents
	ask.PromptSelect = true
	w.later(time.Second)
	flow := b.begin(ask)
	if v, ok := b.get("/login?flow=" + flow).view.(templates.Select); !ok || v.Username != "ab1001" {
		t.Fatalf("%+v", v)
	}
	w.wantNext(b.post("/login/select", "flow", flow, "choice", "continue"), flow)
	b.wantDone(flow)

	flow = b.begin(ask)
	a := b.post("/login/select", "flow", flow, "choice", "other")
	if a.StatusCode != http.StatusSeeOther || a.to() != "/login/password?flow="+flow {
		t.Fatalf("%d to %q", a.StatusCode, a.to())
	}
	b.wantWho("ab1001") // until somebody else has logged in
	if v := b.get(a.to()).view.(templates.Login); v.Account != "" {
		t.Errorf("the old account is filled in: %q", v.Account)
	}
	w.wantNext(b.password(flow, "ab1002", "ab1002"+rightSuffix), flow)
	b.wantWho("ab1002")
	b.wantDone(flow)
}

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
	for name, handle := range map[string]string{
		"altered": "A" + flow[1:], "cut": flow[:42], "longer": flow + "A", "empty": "", "other kind": b.cookies["idp-flow"],
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

func TestPersonDisabledWhileLoggedIn(t *testing.T) {
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
