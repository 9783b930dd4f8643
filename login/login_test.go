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
		if a := b.choose("/login/consent", flow, "perhaps"); a.StatusCode != 400 {
			t.Errorf("no choice: %d", a.StatusCode)
		}
		w.wantNext(b.choose("/login/consent", flow, "allow"), flow)
		b.wantDone(flow)
		b.wantDone(b.begin(ask)) // remembered

		ask.Scopes = []string{"openid", "email"}
		flow = b.begin(ask)
		w.wantNext(b.choose("/login/consent", flow, "deny"), flow)
		b.wantDone(flow) // the relying system hears access_denied
		flow = b.begin(ask)
		w.wantNext(b.choose("/login/consent", flow, "allow"), flow)
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
	w.wantNext(b.choose("/login/select", flow, "continue"), flow)
	b.wantDone(flow)

	flow = b.begin(ask)
	a := b.choose("/login/select", flow, "other")
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
