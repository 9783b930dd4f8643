package templates

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
)

func TestT159_SecurityPolicy(t *testing.T) {
	r := newRenderer(t)
	for name, v := range everyView("王小明", "https://a.example/") {
		policy := show(t, r, "/", v).Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: no %s in %s", name, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", name, policy)
		}
	}
}

func TestFormActionSources(t *testing.T) {
	for address, want := range map[string]string{
		"https://doc.example.tw":             " https://doc.example.tw",
		"https://DOC.example.tw:8443/cb?x=1": " https://doc.example.tw:8443",
		"http://localhost:9999/callback":     " http://localhost:9999",
		"http://[::1]:9999/callback":         " http:",
		"tw.gov.taipei.app:/cb":              " tw.gov.taipei.app:",
		"javascript:alert(1)":                "",
		"data:text/html,x":                   "",
		"/only/a/path":                       "",
		"":                                   "",
		"https://a.example; script-src *":    "",
		"https://a.example, https://b":       "",
		"https://user@a.example/":            " https://a.example",
		"https://a.example\nscript-src *":    "",
		"https://*.example/":                 "",
		"https://xn--fiq228c.example/字/path": " https://xn--fiq228c.example",
	} {
		if got := strings.TrimPrefix(ContentSecurityPolicy(address), securityPolicy); got != want {
			t.Errorf("%q gives %q, want %q", address, got, want)
		}
	}
	if got := ContentSecurityPolicy("https://a.example/x", "https://a.example/y"); strings.Count(got, "a.example") != 1 {
		t.Errorf("twice: %s", got)
	}
}

func TestT161_PagesAreNotStored(t *testing.T) {
	r := newRenderer(t)
	for name, v := range everyView("王小明", "https://a.example/") {
		h := show(t, r, "/?lang=en", v).Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Content-Language") != "en" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func TestOpener(t *testing.T) {
	r := newRenderer(t)
	for want, views := range map[string][]View{
		"same-origin-allow-popups": {Login{Tab: TabCard}, &Login{Tab: TabCard}, Bind{Step: 3}, Home{Base: Base{OpensAgent: true}}},
		"":                         {Login{Tab: TabPassword}, Home{}, Error{}},
	} {
		for _, v := range views {
			if got := show(t, r, "/", v).Header().Get("Cross-Origin-Opener-Policy"); got != want {
				t.Errorf("%s: %q, want %q", v.Page(), got, want)
			}
		}
	}
}

type unknownPage struct{ Base }

func (unknownPage) Page() string { return "nowhere" }

func TestBrokenPageIsPlain(t *testing.T) {
	w := httptest.NewRecorder()
	newRenderer(t).Render(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusOK, unknownPage{})
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "nowhere") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct{ query, cookie, locales, accept, want string }{
		{"", "", "", "", Chinese},
		{"", "", "", "ja,fr;q=0.5", Chinese},
		{"", "", "", "en-GB,en;q=0.9,zh;q=0.8", English},
		{"", "", "", "en;q=0.2,zh-TW;q=0.9", Chinese},
		{"", "", "", "en;q=x", Chinese},
		{"", "", "en zh", "zh-TW", English},
		{"", "", "fr en", "zh-TW", English},
		{"", "zh-Hant", "en", "en", Chinese},
		{"lang=en", "zh-Hant", "zh", "zh", English},
		{"lang=xx", "en", "zh", "zh", English},
		{"slang=en", "", "", "", Chinese},
	} {
		req := httptest.NewRequest(http.MethodGet, "/login?"+c.query, nil)
		if c.cookie != "" {
			req.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
		}
		req.Header.Set("Accept-Language", c.accept)
		if got := LanguageFor(req, c.locales); got != c.want {
			t.Errorf("%+v gives %s", c, got)
		}
	}
}

func TestSwitchKeepsTheQuery(t *testing.T) {
	r := newRenderer(t)
	get := func(target string) *http.Request { return httptest.NewRequest(http.MethodGet, target, nil) }
	post := func(target string) *http.Request { return httptest.NewRequest(http.MethodPost, target, nil) }
	for _, c := range []struct {
		req  *http.Request
		v    View
		want string
	}{
		{get("/login/card?flow=f&lang=zh-Hant"), Login{Flow: "f"}, "/login/card?flow=f&lang=en"},
		{get("/oauth2/authorize?state=a%26b&client_id=c"), Error{}, "/oauth2/authorize?client_id=c&lang=en&state=a%26b"},
		{post("/login/password"), Login{Flow: "f&g", Tab: TabPassword}, "/login/password?flow=f%26g&lang=en"},
		{post("/login/card"), &Login{Flow: "f", Tab: TabCard}, "/login/card?flow=f&lang=en"},
		{post("/login/consent"), Consent{Flow: "f"}, "/login?flow=f&lang=en"},
		{post("/card/bind/sign"), Bind{Base: Base{Self: "/card/bind?step=3"}}, "/card/bind?lang=en&step=3"},
		{post("/oauth2/logout"), LogoutConfirm{Hidden: map[string]string{"id_token_hint": "secret", "state": "s"}}, "/oauth2/logout?lang=en&state=s"},
		{post("/somewhere"), Error{}, "/?lang=en"},
	} {
		p := r.page(c.req, http.StatusOK, c.v)
		if got := p.OtherURL(); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.req.Method, c.req.URL, got, c.want)
		}
	}
}

func TestSwitchIsRemembered(t *testing.T) {
	r := newRenderer(t)
	for host, secure := range map[string]bool{"id.gov.taipei": true, "localhost:8080": false, "127.0.0.1": false, "[::1]:80": false} {
		req := httptest.NewRequest(http.MethodGet, "/?lang=en", nil)
		req.Host = host
		w := httptest.NewRecorder()
		r.Render(w, req, http.StatusOK, Home{})
		cookies := w.Result().Cookies()
		if len(cookies) != 1 || cookies[0].Value != English || cookies[0].Secure != secure || !cookies[0].HttpOnly {
			t.Errorf("%s: %v", host, cookies)
		}
	}
	if cookies := show(t, r, "/", Home{}).Result().Cookies(); len(cookies) != 0 {
		t.Errorf("a cookie without a choice: %v", cookies)
	}
}

func TestMoments(t *testing.T) {
	r := newRenderer(t)
	roc := newRenderer(t, func(o *Options) { o.ROCYears = true })
	if got := r.moment(Chinese, clock); !strings.Contains(string(got), ">2026/11/21 08:30<") || !strings.Contains(string(got), `"2026-11-21T08:30:00+08:00"`) {
		t.Error(got)
	}
	if got := roc.moment(Chinese, clock); !strings.Contains(string(got), ">民國 115 年 11 月 21 日 08:30<") {
		t.Error(got)
	}
	for d, want := range map[time.Duration][2]string{
		-time.Second:                      {"不到 1 分鐘", "less than a minute"},
		time.Second:                       {"1 秒", "1 second"},
		30*time.Second + time.Millisecond: {"31 秒", "31 seconds"},
		time.Minute:                       {"1 分鐘", "1 minute"},
		59*time.Second + time.Millisecond: {"1 分鐘", "1 minute"},
		12*time.Minute - time.Second:      {"12 分鐘", "12 minutes"},
		time.Hour:                         {"1 小時", "1 hour"},
		47 * time.Hour:                    {"47 小時", "47 hours"},
		48 * time.Hour:                    {"2 天", "2 days"},
		29 * 24 * time.Hour:               {"29 天", "29 days"},
	} {
		if zh, en := r.span(Chinese, d), r.span(English, d); zh != want[0] || en != want[1] {
			t.Errorf("%s: %q, %q", d, zh, en)
		}
	}
}

// TestStates looks for the words that staff know.
func TestStates(t *testing.T) {
	r := newRenderer(t)
	for want, v := range map[string]View{
		"前往":               Login{System: "公文系統"},
		"帳號密碼錯誤":           Login{Reason: idp.ReasonWrong},
		"最多兩小時":            Login{Reason: idp.ReasonWrong, Account: "ab1234"},
		"此帳號停用中":           Login{Reason: idp.ReasonDisabled},
		"此帳號鎖定中":           Login{Reason: idp.ReasonLocked},
		"1999 轉 8585":      Login{Reason: idp.ReasonLocked, LockedUntil: clock.Add(time.Minute)},
		"2026/11/21 08:42": Login{Reason: idp.ReasonLocked, LockedUntil: clock.Add(12 * time.Minute)},
		"還有 12 分鐘":         Login{Reason: idp.ReasonLocked, LockedUntil: clock.Add(12 * time.Minute)},
		"請在 5 分鐘後再試一次":     Login{Reason: idp.ReasonThrottled, RetryAfter: 5 * time.Minute},
		"尚未綁定? 點此綁定":       Login{},
		"手機就是KEY，掃一下就登入":   Login{Tab: TabQR, QR: &QR{State: QRWaiting}},
		"用戶身分與卡片不符":        Bind{Step: 3, Reason: idp.ReasonCardMismatch},
		"您尚未綁定自然人憑證":       Bind{Step: 1},
		"確認要綁定此張憑證？":       Bind{Step: 4, Card: &CardDetails{}},
		"早安，":              Home{Name: "王小明"},
		"尚未綁定自然人憑證":        Home{},
		"已於":               Home{CardBound: true, CardEnds: clock.Add(-time.Hour)},
	} {
		if body := show(t, r, "/", v).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s: no %q", v.Page(), want)
		}
	}
}

// TestSearchWithoutScripts filters by the query, whatever the width of letters.
func TestSearchWithoutScripts(t *testing.T) {
	r := newRenderer(t)
	home := Home{Systems: []Tile{{Name: "GIS 圖資平臺", URI: "https://gis.example/"}, {Name: "公文系統", URI: "https://doc.example/"}}}
	body := show(t, r, "/?q="+url.QueryEscape("ｇｉｓ 圖資"), home).Body.String()
	if !strings.Contains(body, "gis.example") || strings.Contains(body, "doc.example") {
		t.Error("the search does not filter")
	}
	if body := show(t, r, "/?q=nothing", home).Body.String(); strings.Contains(body, `id="nothing-found" hidden`) {
		t.Error("an empty result says nothing")
	}
}

func TestStatic(t *testing.T) {
	r := newRenderer(t)
	address := r.assets.paths["app.css"]
	for _, coding := range []string{"", "gzip, br"} {
		req := httptest.NewRequest(http.MethodGet, address, nil)
		req.Header.Set("Accept-Encoding", coding)
		w := httptest.NewRecorder()
		r.Static().ServeHTTP(w, req)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(h.Get("Cache-Control"), "immutable") {
			t.Errorf("%d %v", w.Code, h)
		}
		if (h.Get("Content-Encoding") == "gzip") != (coding != "") {
			t.Errorf("asked for %q, got %q", coding, h.Get("Content-Encoding"))
		}
	}
	for _, path := range []string{"/static/app.css", "/static/", "/static/../pages/login.html", "/static/app.000000000000.css", "/account/x.css"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL.Path = path
		w := httptest.NewRecorder()
		r.Static().ServeHTTP(w, req)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestEverySystemAddress: what may be a link is one, and nothing else.
func TestEverySystemAddress(t *testing.T) {
	r := newRenderer(t)
	for address, want := range map[string]string{
		"https://doc.example/a?b=c": `href="https://doc.example/a?b=c"`,
		"tw.gov.taipei.app:/cb":     `href="tw.gov.taipei.app:/cb"`,
		"javascript:alert(1)":       `href="#ZgotmplZ"`,
	} {
		if body := show(t, r, "/", LoggedOut{ReturnURL: address}).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s: no %s", address, want)
		}
	}
}

func BenchmarkLoginPage(b *testing.B) {
	r := newRenderer(b)
	req := httptest.NewRequest(http.MethodGet, "/login?flow=f", nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Render(httptest.NewRecorder(), req, http.StatusOK, Login{Flow: "f", Tab: TabPassword, System: "公文系統"})
	}
}
