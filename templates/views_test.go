package templates

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
)

var clock = time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC)

func newRenderer(t testing.TB, change ...func(*Options)) *Renderer {
	t.Helper()
	opts := Options{
		Now:           func() time.Time { return clock },
		Contacts:      []Contact{{NameZH: "服務專線", NameEN: "Service line", Text: "1999 轉 8585"}},
		AgentDownload: "https://example.gov.taipei/component",
	}
	for _, c := range change {
		c(&opts)
	}
	r, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// show renders a view for a GET of target.
func show(t testing.TB, r *Renderer, target string, v View) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r.Render(w, httptest.NewRequest(http.MethodGet, target, nil), http.StatusOK, v)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d: %s", v.Page(), w.Code, w.Body)
	}
	return w
}

// everyView is every page in every state, with s in place of every text that
// comes from outside and u in place of every address.
func everyView(s, u string) map[string]View {
	base := Base{Account: &Who{Name: s, Username: s}, Reference: s, Locales: s, FormAction: []string{u}}
	views := map[string]View{
		"select":        Select{Base: base, Flow: s, System: s, Name: s, Username: s, Agency: s},
		"consent":       Consent{Base: base, Flow: s, System: s, SystemURI: u, Scopes: append([]string{s}, knownScopes...), Name: s},
		"error":         Error{Base: base, Status: 400, Title: s, Detail: s, Code: s, Hint: s, BackURL: u},
		"loggedout":     LoggedOut{Base: base, Ended: []string{s, s}, ReturnURL: u, ReturnName: s},
		"loggedout-0":   LoggedOut{},
		"logoutconfirm": LogoutConfirm{Base: base, System: s, Hidden: map[string]string{"state": s, s: s}},
		"formpost":      FormPost{Base: base, System: s, Action: u, Fields: [][2]string{{"state", s}, {s, s}}},
		"home-0":        Home{},
		"bind-already":  Bind{Base: base, AlreadyBound: true},
	}
	for _, tab := range []string{TabPassword, TabCard, TabQR} {
		views["login-"+tab] = Login{Base: base, Flow: s, Tab: tab, System: s, Account: s, AgentOrigin: u, ChallengeURL: u, BindURL: u}
		views["login-0-"+tab] = Login{Tab: tab}
		views["stepup-"+tab] = Login{Base: base, Flow: s, Tab: tab, System: s, StepUp: true, CanDecline: true, Need: idp.LevelTwo}
		views["only-"+tab] = Login{Base: base, Flow: s, Tab: tab, StepUp: true, OnlyCard: tab == TabCard, OnlyPassword: tab == TabPassword}
		for _, reason := range reasons {
			views["login-"+tab+"-"+string(reason)] = Login{Base: base, Flow: s, Tab: tab, Account: s, Reason: reason,
				LockedUntil: clock.Add(12 * time.Minute), RetryAfter: time.Minute}
		}
	}
	for _, reason := range reasons {
		views["error-"+string(reason)] = Error{Base: base, Reason: reason, BackURL: u}
		views["bind-"+string(reason)] = Bind{Base: base, Step: 3, Reason: reason}
	}
	for _, title := range errorTitles {
		views[title] = Error{Base: base, Title: title}
	}
	for step := 1; step <= 5; step++ {
		views["bind-"+string(rune('0'+step))] = Bind{Base: base, Step: step, Name: s, AgentOrigin: u, ChallengeURL: u, Pending: s,
			Card: &CardDetails{Name: s, Subject: s, Serial: s, IDTail: s, NotBefore: clock, NotAfter: clock}}
	}
	for level := idp.LevelNone; level <= idp.LevelCard; level++ {
		views["home-"+string(rune('0'+int(level)))] = Home{Base: base, Name: s, Agency: s, Unit: s, Title: s, Level: level, LoginAt: clock,
			CardBound: level > idp.LevelPassword, CardEnds: clock.Add(time.Duration(int(level)-2) * 24 * time.Hour), BindURL: u,
			Systems: []Tile{{Name: s, URI: u, Category: s}}, Sessions: []SessionRow{{ID: s, Agent: s, Address: s, SeenAt: clock}},
			Notice: NoticeSessionEnded}
	}
	maps.Copy(views, factorViews(base, s, u))
	addPasswordViews(views, base, s)
	addAdminViews(views, base, s)
	return views
}

// eachPage calls f with every page in both languages.
func eachPage(t *testing.T, s, u string, f func(t *testing.T, name, body string)) {
	t.Helper()
	r := newRenderer(t)
	for name, v := range everyView(s, u) {
		for _, lang := range languages {
			body := show(t, r, "/?lang="+lang, v).Body.String()
			if strings.Contains(body, "ZgotmplZ") && u != "javascript:alert(1)" {
				t.Errorf("%s: an address was filtered", name)
			}
			f(t, name+" in "+lang, body)
		}
	}
}
