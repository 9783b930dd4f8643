package portal_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/templates"
)

func TestFirstPage(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		f := b.wantFlow(b.get("/"))
		if f.ReturnTo != "/" || f.Ask.ClientID != "" || f.EndsAt.Sub(f.CreatedAt) != 30*time.Minute {
			t.Errorf("%+v", f)
		}
		b.in("ab1001", idp.MethodPassword)
		v, ok := b.get("/").view.(templates.Home)
		if !ok || v.Name != "王小明" || v.Level != idp.LevelPassword || v.CardBound || len(v.Sessions) != 1 || !v.Sessions[0].Current {
			t.Fatalf("%+v", v)
		}
		if len(v.Systems) != 1 || v.Systems[0].Name != "公文系統" || v.Systems[0].URI != "https://documents.test" {
			t.Errorf("%+v", v.Systems)
		}
		b.cookies["idp-lang"] = "en"
		if v := b.get("/").view.(templates.Home); v.Systems[0].Name != "Documents" {
			t.Errorf("%+v", v.Systems)
		}
		if a := b.get("/nothing"); a.StatusCode != http.StatusNotFound {
			t.Errorf("unknown page: %d", a.StatusCode)
		}
	})
}

func TestFirstPageSetsTheFlowCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	delete(b.cookies, "idp-flow")
	b.wantFlow(b.get("/"))
	kept := b.cookies["idp-flow"]
	b.wantFlow(b.get("/"))
	if b.cookies["idp-flow"] != kept {
		t.Error("a login under way was cut off")
	}
}

func TestT006_NoPageFollowsAnAddress(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, name := range []string{"next", "return", "return_to", "back", "continue", "redirect_uri", "url", "done"} {
		for _, to := range []string{"https://evil.test", "//evil.test", `/\evil.test`, "javascript:alert(1)"} {
			query := "?" + name + "=" + to
			if f := b.wantFlow(b.get("/" + query)); f.ReturnTo != "/" {
				t.Errorf("%s: %q", query, f.ReturnTo)
			}
			a := b.get("/logged-out" + query)
			if a.StatusCode != 200 || strings.Contains(a.body, `href="`+to) {
				t.Errorf("%s: %d", query, a.StatusCode)
			}
		}
	}
}

func TestT153_Logout(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		c := b.current()
		g := &oidc.Grant{
			ID: make([]byte, 16), Kind: oidc.GrantCode, ClientID: "documents", PersonID: c.Person.ID, SessionID: c.Session.ID,
			Scopes: "openid", CodeHash: []byte("code"), CodeEndsAt: w.clock().Add(time.Minute), EndsAt: w.clock().Add(time.Hour), CreatedAt: w.clock(),
		}
		if err := w.db.CreateGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		token := b.cookies["idp-session"]
		w.wantTo(b.get("/logged-out"), "/") // not yet
		w.wantTo(b.post("/logout"), "/logged-out")
		a := b.get("/logged-out")
		v, ok := a.view.(templates.LoggedOut)
		if !ok || !slices.Equal(v.Ended, []string{"公文系統"}) {
			t.Errorf("%+v", a.view)
		}
		if got := a.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
		b.cookies["idp-session"] = token
		if b.current() != nil {
			t.Error("the session goes on")
		}
		b.wantFlow(b.get("/"))
		w.wantTo(b.post("/logout"), "/logged-out") // nothing to end any more
	})
}

func TestLoggedOutClaimsNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, cookie := range []string{"", "***", "PHNjcmlwdD4", strings.Repeat("A", 5000)} {
		b.cookies["idp-ended"] = cookie
		v, ok := b.get("/logged-out").view.(templates.LoggedOut)
		if !ok || len(v.Ended) != 0 {
			t.Errorf("%.20q: %+v", cookie, v)
		}
	}
}

func TestT156_OwnSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b, second, third, stranger := w.browser(), w.browser(), w.browser(), w.browser()
		for _, x := range []*browser{b, second, third} {
			x.in("ab1001", idp.MethodPassword)
		}
		stranger.in("ab1002", idp.MethodPassword)
		if v := b.get("/").view.(templates.Home); len(v.Sessions) != 3 {
			t.Errorf("%+v", v.Sessions)
		}
		w.wantTo(b.post("/sessions/end", "id", stranger.current().Session.ID), "/?done=session")
		if stranger.current() == nil {
			t.Error("somebody else's session was ended")
		}
		w.wantTo(b.post("/sessions/end", "id", second.current().Session.ID), "/?done=session")
		if second.current() != nil || third.current() == nil || b.current() == nil {
			t.Error("not exactly the one session was ended")
		}
		if v := b.get("/?done=session").view.(templates.Home); v.Notice != templates.NoticeSessionEnded || len(v.Sessions) != 2 {
			t.Errorf("%+v", v)
		}
		second.in("ab1001", idp.MethodPassword)
		w.wantTo(b.post("/sessions/end", "id", "others"), "/?done=session")
		if second.current() != nil || third.current() != nil || b.current() == nil {
			t.Error("not exactly the others were ended")
		}
		w.wantTo(b.post("/sessions/end", "id", b.current().Session.ID), "/logged-out")
		if b.current() != nil {
			t.Error("the own session goes on")
		}
		b.wantFlow(b.post("/sessions/end", "id", "others"))
	})
}

func TestIdleSessionsAreNotListed(t *testing.T) {
	w := newWorld(t)
	idle, b := w.browser(), w.browser()
	idle.in("ab1001", idp.MethodPassword)
	w.later(61 * time.Minute)
	b.in("ab1001", idp.MethodPassword)
	if v := b.get("/").view.(templates.Home); len(v.Sessions) != 1 {
		t.Errorf("%+v", v.Sessions)
	}
}

// passwordRoutes are the portal's routes that take a password to look at. A route
// that is mounted and stands in neither list fails T074.
var passwordRoutes, otherRoutes = []string{"POST /password", "POST /account/bind", "POST /account/choose", "POST /account/claim"}, []string{
	"GET /card/bind", "GET /logged-out", "GET /{$}", "POST /card/bind/challenge", "POST /card/bind/check",
	"POST /card/bind/confirm", "POST /card/bind/sign", "POST /card/bind/start", "POST /logout", "POST /sessions/end",
	"GET /password", "GET /password/forgotten", "POST /password/forgotten",
	"GET /account/bind", "POST /account/none", "GET /account/choose",
}

func TestT074_RoutesThatTakePasswords(t *testing.T) {
	w := newWorld(t)
	known := slices.Sorted(slices.Values(slices.Concat(passwordRoutes, otherRoutes)))
	if got := slices.Sorted(slices.Values(w.mux.patterns)); !slices.Equal(got, known) {
		t.Fatalf("routes changed: %q\nsay of each whether it takes a password: %q", got, known)
	}
}

func TestT157_CrossSiteForms(t *testing.T) {
	w := newWorld(t)
	card := w.newCard(0, "王小明", "0000000000001001", "6789")
	b := w.browser()
	b.in("ab1001", idp.MethodPassword)
	sid := b.current().Session.ID
	cms := card.sign(b.challenge())
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.test"}}, {"Origin": {"null"}},
	} {
		b.header = header
		for _, pattern := range w.mux.patterns {
			path, isPost := strings.CutPrefix(pattern, "POST ")
			if !isPost {
				continue
			}
			if a := b.post(path, "id", sid, "ready", "yes", "consent", "yes"); a.StatusCode != http.StatusForbidden {
				t.Errorf("%v: POST %s: %d", header, path, a.StatusCode)
			}
		}
	}
	b.header = http.Header{}
	if b.current() == nil {
		t.Error("logged out across sites")
	}
	w.wantBind(b.sendCard(cms), 4, "") // the challenge was not touched
}

func TestT164_NoSessionWithoutAnAct(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, pattern := range w.mux.patterns {
		path := strings.ReplaceAll(strings.TrimPrefix(pattern, "GET "), "{$}", "")
		if strings.HasPrefix(path, "POST") {
			continue
		}
		for _, method := range []string{"GET", "HEAD"} {
			for _, c := range b.do(method, path, "").Cookies() {
				if c.Name == "idp-session" {
					t.Errorf("%s %s opens a session", method, path)
				}
			}
		}
	}
}
