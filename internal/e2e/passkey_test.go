package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// hasFinger gives the computer an authenticator that knows its user.
func (b *tab) hasFinger() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		b.t.Fatal(err)
	}
	_, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// A passkey is added after a login by card; then the browser offers it in the
// account field by itself, and the button asks for it.
func TestPasskey_IsAddedAndLogsIn(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 1)
	b := newTab(t)
	b.hasFinger()
	b.loginByCard(w, w.Issuer+"/security", m)
	b.whole()
	b.picture("security")
	b.click("#passkey-add #passkey-start")
	b.until(w.Issuer + "/security?done=passkey")
	b.see("#passkeys ul.sessions li")
	b.picture("added")

	b.click(`form[action="/logout"] button`)
	b.until(w.Issuer + "/logged-out")
	b.open(w.system("mail") + "/")
	b.click(`nav.tabs a[href*="/login/password"]`)
	b.until(w.system("mail") + "/") // nobody types, nobody presses
	b.open(w.Issuer + "/")
	b.click(`form[action="/logout"] button`)
	b.until(w.Issuer + "/logged-out")
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	b.until(w.Issuer + "/login/card")
	b.whole()
	b.picture("login")
	b.click("#passkey-start")
	b.until(w.system("documents") + "/")
	if who, acr := b.text("#who"), b.text(`td[data-claim="acr"]`); !strings.Contains(who, m.Name) || acr != "urn:taipeion:acr:2" {
		t.Errorf("came as %q with %q", who, acr)
	}
	b.quiet()
}

// Who leaves the login page open longer than a challenge lives is still offered
// their passkey, with a new one.
func TestPasskey_TheOfferIsRenewed(t *testing.T) {
	w := theCity(t)
	b := newTab(t)
	b.hasFinger()
	_, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `{ const wait = window.setTimeout; window.waits = []; window.setTimeout = (f, ms) => {
			if (ms >= 60000) { window.waits.push(ms); ms = 200; }
			return wait(f, ms);
		}; }`,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.open(w.system("mail") + "/")
	b.click(`nav.tabs a[href*="/login/password"]`)
	b.until(w.Issuer + "/login/password")
	asked := func() int {
		return eval[int](b, `performance.getEntriesByType("resource").filter((e) => e.name.includes("/login/passkey/options")).length`)
	}
	for deadline := time.Now().Add(patience); asked() < 3; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("asked %d times", asked())
		}
	}
	if wait := eval[int](b, "window.waits[0]"); wait < 5*60*1000 || wait >= 10*60*1000 {
		t.Errorf("renewed after %d ms, a challenge lives ten minutes", wait)
	}
	b.quiet()
}
