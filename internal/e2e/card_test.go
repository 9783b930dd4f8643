package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// withCard clicks the page's button, and signs in the agent's own window with
// the card of that holder.
func (b *tab) withCard(holder, pin string) *tab {
	b.t.Helper()
	window := b.agentWindow()
	window.chooseCard(holder)
	window.enterPIN(pin)
	return window
}

func (b *tab) agentWindow() *tab {
	b.t.Helper()
	b.run(chromedp.WaitEnabled(chromedp.CSS("#card-start")))
	// The script is there too, on a slow machine a moment later than the button.
	for end := time.Now().Add(patience); eval[string](b, "document.readyState") != "complete" && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	return b.popup(func() { b.click("#card-start") })
}

func (b *tab) chooseCard(holder string) {
	b.t.Helper()
	b.see("#cards")
	found := eval[bool](b, `(() => {
		for (const row of document.querySelectorAll("#card-list label")) {
			if (row.querySelector("b").textContent === `+quote(holder)+`) { row.querySelector("input").click(); return true; }
		}
		return false;
	})()`)
	if !found {
		b.t.Fatalf("the window offers no card of %s:\n%s", holder, b.source())
	}
}

func (b *tab) enterPIN(pin string) {
	b.t.Helper()
	b.fill("#pin", pin)
	b.run(chromedp.WaitEnabled(chromedp.CSS("#sign")))
	b.click("#sign")
}

func quote(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

func TestPassword_OneLoginInABrowser(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.until(w.system("documents") + "/")
	for _, system := range []string{"attendance", "mail"} {
		b.open(w.system(system) + "/")
		b.until(w.system(system) + "/")
		if who := b.text("#who"); !strings.Contains(who, m.Name) {
			t.Errorf("came to %s as %q", system, who)
		}
	}
	b.leave(func() { b.click("#logout") })
	b.until(w.system("mail") + "/logged-out")
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.quiet()
}

func TestCard_LoginReachesTheSystem(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "bound")
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	window := b.agentWindow()
	window.chooseCard(m.Name)
	if origin := window.text("#origin"); origin != w.Issuer {
		t.Errorf("the window says that %q asks", origin)
	}
	if purpose := window.text("#purpose"); !strings.Contains(purpose, "公文系統") && !strings.Contains(purpose, "Documents") {
		t.Errorf("the window does not say for which system: %q", purpose)
	}
	window.enterPIN(m.PIN)
	b.until(w.system("documents") + "/")
	if who, acr := b.text("#who"), b.text(`td[data-claim="acr"]`); !strings.Contains(who, m.Name) || acr != "urn:taipeion:acr:3" {
		t.Errorf("came as %q with %q", who, acr)
	}
	b.picture("documents")
	b.quiet()
}

func TestCard_StepsUpForTheSignOff(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "bound")
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.until(w.system("documents") + "/")
	if acr := b.text(`td[data-claim="acr"]`); acr != "urn:taipeion:acr:1" {
		t.Errorf("acr %q after the password", acr)
	}
	b.click("#sign-off")
	b.until(w.Issuer + "/login")
	b.picture("step-up")
	b.withCard(m.Name, m.PIN)
	b.until(w.system("documents") + "/sign-off")
	b.see("#ready")
	b.click("#sign")
	b.see("#signed")
	b.open(w.system("mail") + "/")
	b.until(w.system("mail") + "/")
	if acr := b.text(`td[data-claim="acr"]`); acr != "urn:taipeion:acr:3" {
		t.Errorf("acr %q in mail after the step-up", acr)
	}
	b.quiet()
}

func TestCard_OfAnotherPersonDoesNotStepUp(t *testing.T) {
	w := theCity(t)
	m, other := w.somebody(t, "bound"), w.somebody(t, "bound")
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.until(w.system("documents") + "/")
	b.click("#sign-off")
	b.until(w.Issuer + "/login")
	b.withCard(other.Name, other.PIN)
	b.see(`[role="alert"]`)
	b.picture("another")
	if at := b.where(); !strings.HasPrefix(at, w.Issuer) {
		t.Errorf("let through to %s", at)
	}
}

func TestCard_WrongPINIsSaidInTheWindow(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "bound")
	b := newTab(t)
	b.open(w.system("attendance") + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	window := b.withCard(m.Name, "000000")
	window.see("#message")
	window.untilText("#message", "PIN")
	window.picture("wrong-pin")
	if strings.Contains(b.source(), "000000") {
		t.Error("the PIN reached the page")
	}
	window.enterPIN(m.PIN)
	b.until(w.system("attendance") + "/")
	b.quiet()
}

func TestCard_UnboundIsSentToTheBinding(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "unbound")
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	b.withCard(m.Name, m.PIN)
	b.see(`[role="alert"]`)
	b.picture("unbound")
	if strings.Contains(b.text("main"), m.Name) {
		t.Error("the page names the holder of a card that names nobody")
	}
	if !eval[bool](b, `!!document.querySelector('a[href*="/card/bind"]')`) {
		t.Errorf("no way to the binding:\n%s", b.source())
	}
}
