package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const runAxe = `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({
	id: v.id, help: v.help, impact: v.impact, nodes: v.nodes.map(n => n.html.slice(0, 200) + " " + (n.any[0] || n.all[0] || n.none[0] || {}).message)
}))))`

// axe looks at the page as it is, in the light and in the dark, and at the
// width of a phone.
func (b *tab) axe(name string) {
	b.t.Helper()
	script, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	b.run(chromedp.WaitReady(chromedp.CSS("body")))
	eval[bool](b, string(script)+";true")
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		var violations []struct {
			ID     string   `json:"id"`
			Help   string   `json:"help"`
			Impact string   `json:"impact"`
			Nodes  []string `json:"nodes"`
		}
		if err := json.Unmarshal([]byte(eval[string](b, runAxe)), &violations); err != nil {
			b.t.Fatal(err)
		}
		for _, v := range violations {
			b.t.Errorf("%s (%s): %s, %s: %s\n  %s", name, scheme, v.Impact, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
		}
		b.picture(name + "-" + scheme)
	}
	b.run(chromedp.EmulateViewport(360, 780))
	if wide := eval[int](b, "document.scrollingElement.scrollWidth"); wide > 360 {
		b.t.Errorf("%s is %d pixels wide on a phone of 360", name, wide)
	}
	b.picture(name + "-phone")
	b.run(chromedp.EmulateViewport(1280, 900))
}

func TestAxe_FindsNothing(t *testing.T) {
	for _, lang := range []string{"zh-Hant", "en"} {
		t.Run(lang, func(t *testing.T) {
			t.Run("login", func(t *testing.T) { axeLogin(t, lang) })
			t.Run("session", func(t *testing.T) { axeSession(t, lang) })
			t.Run("card", func(t *testing.T) { axeCard(t, lang) })
		})
	}
}

// speaking opens a tab in that language.
func speaking(t *testing.T, w *world, lang string) *tab {
	b := newTab(t)
	b.open(w.Issuer + "/?lang=" + lang)
	for _, system := range []string{"documents", "training"} {
		b.open(w.system(system) + "/logged-out?lang=" + lang)
	}
	if got := eval[string](b, "document.documentElement.lang"); got != lang {
		t.Errorf("the page is in %q", got)
	}
	return b
}

func axeLogin(t *testing.T, lang string) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := speaking(t, w, lang)
	b.axe("system-logged-out")
	b.open(w.system("documents") + "/callback?state=none")
	b.axe("system-error")
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	if got := eval[string](b, "document.documentElement.lang"); got != lang {
		t.Errorf("the login page is in %q", got)
	}
	b.axe("login-password")
	for _, name := range []string{"card", "qr"} {
		b.click(chromedp.CSS(`nav.tabs a[href*="/login/` + name + `"]`))
		b.see(chromedp.CSS(`nav.tabs a[href*="/login/` + name + `"][aria-current]`))
		b.axe("login-" + name)
	}
	b.click(`nav.tabs a[href*="/login/password"]`)
	wrong := m
	wrong.Password = "Wrong-1234-word"
	for i := range 6 {
		b.loginByPassword(wrong)
		b.see("#problem")
		if i == 0 {
			b.axe("login-wrong")
		}
	}
	b.axe("login-locked")
	b.open(w.Issuer + "/oauth2/authorize?client_id=nobody")
	b.axe("error")
	b.open(w.Issuer + "/nothing-here")
	b.axe("not-found")
}

func axeSession(t *testing.T, lang string) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := speaking(t, w, lang)
	b.open(w.system("training") + "/")
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.see(`form[action="/login/consent"]`)
	b.axe("consent")
	b.click(`form[action="/login/consent"] button[value="allow"]`)
	b.until(w.system("training"))
	b.axe("system-home")
	b.open(w.Issuer + "/")
	b.axe("home")
	b.open(w.Issuer + "/oauth2/authorize?" + url.Values{
		"client_id": {"documents"}, "redirect_uri": {w.system("documents") + "/callback"}, "response_type": {"code"},
		"scope": {"openid"}, "prompt": {"select_account"}, "code_challenge_method": {"S256"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
	}.Encode())
	b.see(`form[action="/login/select"]`)
	b.axe("select")
	b.open(w.system("documents") + "/sign-off")
	b.until(w.Issuer + "/login")
	b.axe("step-up")
	b.open(w.Issuer + "/oauth2/logout")
	b.see(`form[action="/oauth2/logout"]`)
	b.axe("logout-confirm")
	b.click(`form[action="/oauth2/logout"] button.main`)
	b.see(".emblem.success")
	b.axe("logged-out")
	b.quiet()
}

func axeCard(t *testing.T, lang string) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := speaking(t, w, lang)
	b.open(w.Issuer + "/card/bind")
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.until(w.Issuer + "/card/bind")
	b.axe("bind-1")
	b.click(`input[name="ready"]`)
	b.click(`form[action="/card/bind/start"] button.main`)
	b.see(`form[action="/card/bind/check"]`)
	b.axe("bind-2")
	b.checkEnvironment()
	b.click("#card-next")
	b.see(`form[action="/card/bind/sign"]`)
	b.axe("bind-3")
	window := b.agentWindow()
	window.see("#cards")
	window.axe("agent")
	foreign := w.Staff[0] // anybody's but m's
	window.chooseCard(foreign.Name)
	window.enterPIN(foreign.PIN)
	b.see(`[role="alert"]`)
	b.axe("bind-refused")
}
