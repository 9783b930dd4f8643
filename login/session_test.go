package login_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

func TestT149_NewTokenAtLoginAndStepUp(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		card := w.cardOf("ab1001", 0, true)
		b := w.browser()
		planted, _ := session.NewHandle()
		b.cookies["idp-session"] = planted
		b.in("ab1001")
		first := b.cookies["idp-session"]
		ask := documents
		ask.MinLevel = idp.LevelCard
		flow := b.begin(ask)
		w.wantNext(b.card(flow, card), flow)
		second := b.cookies["idp-session"]
		ask.PromptLogin = true
		w.later(time.Second)
		flow = b.begin(ask)
		w.wantNext(b.card(flow, card), flow)
		third := b.cookies["idp-session"]
		for i, dead := range []string{planted, first, second} {
			if dead == third {
				t.Errorf("token %d goes on", i)
			}
			b.cookies["idp-session"] = dead
			if who, _ := b.current(); who != "" {
				t.Errorf("token %d is alive", i)
			}
		}
	})
}

func TestT150_Cookies(t *testing.T) {
	w := newWorld(t)
	w.sessions.Insecure = false
	b := w.browser()
	b.cookies["__Host-idp-flow"] = b.cookies["idp-flow"]
	flow := b.begin(documents)
	a := b.password(flow, "ab1001", "ab1001"+rightSuffix)
	w.wantNext(a, flow)
	if len(a.Cookies()) != 2 {
		t.Errorf("cookies: %v", a.Cookies())
	}
	for _, c := range a.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
			c.Path != "/" || c.Domain != "" || len(c.Raw) > 4096 || strings.Contains(c.Value, "ab1001") {
			t.Errorf("%s", c.Raw)
		}
	}
}

func TestT151_PlantedCookies(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001")
	attacker := w.browser()
	attacker.in("ab1002")
	ask := func(cookies ...string) string {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
		c, err := w.sessions.Current(r)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			return ""
		}
		return c.Person.Username
	}
	mine := "idp-session=" + b.cookies["idp-session"]
	if got := ask("idp-session=x", "idp-session="+strings.Repeat("A", 43), mine); got != "ab1001" {
		t.Errorf("planted cookies lock the person out: %q", got)
	}
	// Where cookies can be planted at all there is no __Host- prefix; with it, the
	// plain name means nothing.
	w.sessions.Insecure = false
	if got := ask("idp-session="+attacker.cookies["idp-session"], "__Host-"+mine); got != "ab1001" {
		t.Errorf("a plain cookie was taken: %q", got)
	}
	if got := ask("idp-session=" + attacker.cookies["idp-session"]); got != "" {
		t.Errorf("a plain cookie logs in: %q", got)
	}
	// Fixation: the flow cookie that somebody planted gives them nothing, since
	// the session is a value of its own.
	if b.cookies["idp-session"] == b.cookies["idp-flow"] {
		t.Error("one value for two things")
	}
}

func TestT152_IdleAndAbsoluteEnd(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001")
	w.later(59 * time.Minute)
	b.wantDone(b.begin(documents))
	w.later(61 * time.Minute)
	if who, _ := b.current(); who != "" {
		t.Error("idle for 61 minutes")
	}
	b = w.browser()
	b.in("ab1001")
	for range 12*2 - 1 {
		w.later(30 * time.Minute)
		b.wantWho("ab1001")
	}
	w.later(30 * time.Minute)
	if who, _ := b.current(); who != "" {
		t.Error("in use for 12 hours")
	}
	flow := b.begin(documents)
	if v, ok := b.get("/login?flow=" + flow).view.(templates.Login); !ok || v.StepUp {
		t.Errorf("%+v", v)
	}
}

func TestT157_CrossSiteForms(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	b := w.browser()
	ask := idp.Ask{ClientID: "survey", Scopes: []string{"openid"}}
	flow := b.begin(ask)
	cms := card.sign(b.challenge(flow))
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.test"}}, {"Origin": {"null"}},
	} {
		b.header = header
		for _, pattern := range w.mux.patterns {
			path, isPost := strings.CutPrefix(pattern, "POST ")
			if !isPost {
				continue
			}
			a := b.post(path, "flow", flow, "account", "ab1001", "password", "ab1001"+rightSuffix, "choice", "allow")
			if a.StatusCode != http.StatusForbidden {
				t.Errorf("%v: POST %s: %d", header, path, a.StatusCode)
			}
			if a := b.do("POST", path, "text/plain", "flow="+flow); a.StatusCode != http.StatusForbidden {
				t.Errorf("%v: text to %s: %d", header, path, a.StatusCode)
			}
		}
	}
	b.header = http.Header{}
	if who, _ := b.current(); who != "" {
		t.Error("logged in across sites")
	}
	w.wantNext(b.sendCard(flow, cms), flow) // the challenge was not touched
	if a := b.do("POST", "/login/consent", "text/plain", "flow="+flow+"&choice=allow"); a.StatusCode != 400 {
		t.Errorf("text as a form: %d", a.StatusCode)
	}
}

func TestT162_TwoPeopleInOneBrowser(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.in("ab1001")
		first, sid := b.cookies["idp-session"], b.wantWho("ab1001").ID
		survey := idp.Ask{ClientID: "survey", Scopes: []string{"openid"}}
		waiting := b.begin(survey) // waits for the first one's consent
		w.wantNext(b.choose("/login/consent", waiting, "allow"), waiting)

		again := documents
		again.PromptLogin = true
		w.later(time.Second)
		flow := b.begin(again)
		if v := b.get("/login?flow=" + flow).view.(templates.Login); v.StepUp {
			t.Error("a fresh login is no step-up")
		}
		w.wantNext(b.password(flow, "ab1002", "ab1002"+rightSuffix), flow)
		b.wantDone(flow)
		if s := b.wantWho("ab1002"); s.ID == sid || len(s.Evidence) != 1 {
			t.Errorf("%+v", s)
		}
		old := w.browser()
		old.cookies["idp-session"] = first
		if who, _ := old.current(); who != "" {
			t.Error("the first one's session goes on")
		}
		old.node = w.secondNode()
		if v, ok := old.get("/login?flow=" + old.begin(documents)).view.(templates.Login); !ok {
			t.Errorf("on the other node it does: %+v", v)
		}
		// The consent of one is not the other's.
		if v, ok := b.get("/login?flow=" + waiting).view.(templates.Consent); !ok || v.Name != w.person["ab1002"].Name {
			t.Errorf("%+v", v)
		}
	})
}

func TestT164_NoSessionWithoutAnAct(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	for _, pattern := range w.mux.patterns {
		path, isGet := strings.CutPrefix(pattern, "GET ")
		if !isGet {
			continue
		}
		for _, method := range []string{"GET", "HEAD"} {
			a := b.do(method, path+"?flow="+flow+"&account=ab1001&password=ab1001"+rightSuffix, "", "")
			if len(a.Cookies()) != 0 {
				t.Errorf("%s %s sets %v", method, path, a.Cookies())
			}
		}
	}
	for _, path := range []string{"/login/select", "/login/consent", "/login/cancel", "/login/stepup", "/login/card/challenge"} {
		if a := b.get(path + "?flow=" + flow); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, a.StatusCode)
		}
	}
	if w.looks.n() != 0 {
		t.Error("a password in an address was looked at")
	}
}
