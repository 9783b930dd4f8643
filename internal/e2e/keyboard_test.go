package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused says what has the focus, and that it can be seen.
const focused = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return "";
	const s = getComputedStyle(e);
	const seen = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none";
	return (seen ? "" : "UNSEEN ") + (e.id || e.name || e.getAttribute("href") || e.textContent.trim() || e.tagName) + " " + (e.getAttribute("href") || e.name || "");
})()`

// tabTo presses the tabulator until what has the focus matches.
func (b *tab) tabTo(want string) {
	b.t.Helper()
	var way []string
	for range 40 {
		b.run(chromedp.KeyEvent(kb.Tab))
		at := eval[string](b, focused)
		way = append(way, at)
		if strings.HasPrefix(at, "UNSEEN") {
			b.t.Errorf("the focus can't be seen on %s", at)
		}
		if strings.Contains(at, want) {
			return
		}
	}
	b.t.Fatalf("the keyboard does not reach %s: %v", want, way)
}

func (b *tab) typeText(text string) { b.t.Helper(); b.run(chromedp.KeyEvent(text)) }

func TestT249_PasswordByKeyboard(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newTab(t)
	b.open(w.system("training") + "/")
	b.until(w.Issuer + "/login")
	if at := eval[string](b, focused); !strings.Contains(at, "account") {
		t.Errorf("the focus starts at %q", at)
	}
	b.typeText(m.Account)
	b.tabTo("password")
	b.typeText(m.Password + kb.Enter)
	b.see(`form[action="/login/consent"]`)
	b.tabTo("choice")
	b.typeText(kb.Enter)
	b.until(w.system("training"))
	b.tabTo("logout")
	b.typeText(kb.Enter)
	b.until(w.system("training") + "/logged-out")
	b.quiet()
}

func TestT249_CardByKeyboard(t *testing.T) {
	w := theCity(t)
	m := w.Staff[0]
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.tabTo("/login/card")
	b.typeText(kb.Enter)
	b.run(chromedp.WaitEnabled(chromedp.CSS("#card-start")))
	b.tabTo("card-start")
	window := b.popup(func() { b.typeText(kb.Enter) })
	window.see("#cards")
	window.chooseCard(m.Name) // the arrow keys of a radio group are the browser's
	window.tabTo("pin")
	window.typeText(m.PIN)
	window.run(chromedp.WaitEnabled(chromedp.CSS("#sign")))
	window.typeText(kb.Enter)
	b.until(w.system("documents") + "/")
	if who := b.text("#who"); !strings.Contains(who, m.Name) {
		t.Errorf("came as %q", who)
	}
}

// At 400 % zoom a screen of 1280 by 1024 is one of 320 by 256 (WCAG 1.4.10).
func TestT249_NothingIsCutOffAtFourHundredPercent(t *testing.T) {
	w := theCity(t)
	b := newTab(t)
	b.run(chromedp.EmulateViewport(320, 256))
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	login := b.where()
	for _, address := range []string{login, strings.Replace(login, "/login?", "/login/card?", 1), w.Issuer + "/nothing-here", w.Agent + "/window", w.system("documents") + "/logged-out"} {
		b.open(address)
		if wide := eval[int](b, "document.scrollingElement.scrollWidth"); wide > 320 {
			t.Errorf("%s is %d pixels wide", address, wide)
		}
	}
}

// Under Chrome's Local Network Access rules the agent's window opens without
// a prompt, although the provider is a public site.
func TestCard_UnderLocalNetworkAccess(t *testing.T) {
	w := theCity(t)
	m := w.Staff[1]
	port := w.Issuer[strings.LastIndex(w.Issuer, ":")+1:]
	ctx, stop, err := startChromium(t, map[string]any{
		"ip-address-space-overrides": "127.0.0.1:" + port + "=public,[::1]:" + port + "=public",
		"enable-features":            "LocalNetworkAccessChecks",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	b := tabIn(t, ctx)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	b.withCard(m.Name, m.PIN)
	b.until(w.system("documents") + "/")
	if who := b.text("#who"); !strings.Contains(who, m.Name) {
		t.Errorf("came as %q", who)
	}
}
