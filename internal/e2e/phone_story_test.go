package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The main story: bound by card on one computer, the phone logs in on another.
func TestPhone_BindsAndLogsIn(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 0)
	p := newPhone(t, w)
	p.bind(w, m).quiet()

	pc := newTab(t)
	pc.toQR(w, "documents")
	pc.picture("pc-qr")
	p.scan(pc)
	p.at("approve")
	p.picture("approve")
	facts := p.text(`[data-screen="approve"]`)
	for _, want := range []string{"公文系統", m.Name, "Chrome", "市府", time.Now().In(time.FixedZone("", 8*3600)).Format("2006/01/02")} {
		if !strings.Contains(facts, want) {
			t.Errorf("the app does not show %q:\n%s", want, facts)
		}
	}
	number := pc.number()
	pc.picture("pc-number")
	p.enter(number)
	p.at("approved")
	p.picture("approved")
	pc.until(w.system("documents") + "/")
	if who, acr := pc.text("#who"), pc.text(`td[data-claim="acr"]`); !strings.Contains(who, m.Name) || acr != "urn:taipeion:acr:2" {
		t.Errorf("came as %q with %q", who, acr)
	}
	p.click(`[data-screen="approved"] [data-do="home"]`)
	p.click(`[data-do="history"]`)
	p.at("history")
	p.untilText(`[data-screen="history"] [data-fill="source"]`, "九十天")
	log := p.text("[data-log]")
	entries := eval[int](p.tab, `[...document.querySelectorAll("[data-log] li")].filter(li => !li.textContent.includes("另一支手機")).length`)
	if !strings.Contains(log, "公文系統") || !strings.Contains(log, "已確認") || entries != 1 {
		t.Errorf("the history has %d entries of this phone: %s", entries, log)
	}
	p.picture("history")
	p.quiet()
	pc.quiet()
}

func TestPhone_WithItsOwnAuthenticator(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 0)
	p := newPhone(t, w)
	p.hasFinger()
	p.bind(w, m)
	pc := newTab(t)
	pc.toQR(w, "mail")
	p.scan(pc)
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("mail") + "/")
	p.quiet()
}

func TestT134_WrongNumberEndsTheLogin(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("approve")
	number := pc.number()
	p.enter(other(number))
	p.at("problem-number_wrong")
	p.picture("wrong-number")
	pc.see(`#qr [role="alert"]`)
	pc.picture("pc-wrong-number")
	if at := pc.where(); !strings.HasPrefix(at, w.Issuer) {
		t.Errorf("let through to %s", at)
	}
	pc.click("#qr a.main")
	pc.see("#qr-code")
	p.scan2(pc)
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("documents") + "/")
	p.quiet()
}

// link is what the computer's code says.
func (b *tab) link() string {
	b.t.Helper()
	return eval[string](b, `fetch(document.getElementById("qr").dataset.look).then(r => r.json()).then(s => s.link)`)
}

// scan2 scans again from the screen of a problem.
func (p *handset) scan2(pc *tab) {
	p.t.Helper()
	p.looksAt(pc, "#qr-code")
	p.click(`section:not([hidden]) [data-do="scan"]`)
}

func TestPhone_DenyAndReportEndTheLogin(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	for action, end := range map[chromedp.CSS]string{`[data-do="deny"]`: "denied", `[data-do="report"]`: "reported"} {
		pc := newTab(t)
		pc.toQR(w, "documents")
		p.scan(pc)
		p.at("approve")
		pc.number()
		p.click(`[data-screen="approve"] ` + action)
		p.at(end)
		p.picture(end)
		pc.see(`#qr [role="alert"]`)
		pc.picture("pc-" + end)
		if at := pc.where(); !strings.HasPrefix(at, w.Issuer) {
			t.Errorf("%s: let through to %s", end, at)
		}
		p.click(chromedp.CSS(`[data-screen="` + end + `"] [data-do="home"]`))
		p.at("home")
	}
	p.quiet()
}

func TestPhone_SecondPhoneIsTooLate(t *testing.T) {
	w := theCity(t)
	first := newPhone(t, w)
	first.bind(w, owner(t, w, 0))
	second := first.another(t, w)
	second.bind(w, owner(t, w, 1))
	pc := newTab(t)
	pc.toQR(w, "documents")
	first.scan(pc)
	first.at("approve")
	number := pc.number()
	// The film still shows the same code.
	second.click("#start")
	second.at("problem-attempt_taken")
	second.picture("taken")
	first.enter(number)
	first.at("approved")
	pc.until(w.system("documents") + "/")
}

func TestPhone_RevokedOneIsRefused(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	pc := p.bind(w, owner(t, w, 0))
	pc.open(w.Issuer + "/security")
	pc.click("#devices details summary")
	pc.click(`form[action="/security/device/revoke"] button`)
	pc.see(".notice.success")
	pc.picture("pc-revoked")
	other := newTab(t)
	other.toQR(w, "documents")
	p.scan(other)
	p.at("problem-phone_unusable")
	p.picture("revoked")
	p.untilText(`[data-screen="home"] [data-accounts]`, "已解除")
	if state := other.text("#qr-number"); state != "" {
		t.Errorf("the computer shows a number: %q", state)
	}
	p.quiet()
}

// A lock is about passwords that were guessed. It stops phones only where the
// city says so (lockout.all); else anybody could lock anybody out.
func TestPhone_PasswordLockLeavesThePhoneAlone(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "bound")
	p := newPhone(t, w)
	p.bind(w, m)
	s := newScript(t, w)
	page := s.get(w.system("documents") + "/")
	for range 6 {
		page = s.submit(page, "/login/password", "account", m.Account, "password", "Wrong-1234-word")
	}
	if !strings.Contains(page.body, "此帳號鎖定中") {
		t.Fatalf("not locked: %s", page)
	}
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("documents") + "/")
}

func TestT132_AnOldCodeIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("waits a minute")
	}
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.looksAt(pc, "#qr-code")
	time.Sleep(61 * time.Second) // two slots: it can't be good any more
	p.click("#start")
	p.at("problem-code_over")
	p.picture("expired")
	p.scan2(pc)
	p.at("approve")
	p.enter(pc.number())
	pc.until(w.system("documents") + "/")
}

// A link to a login decides nothing: whoever opens it is asked first.
func TestPhone_OpenedLinkAsksFirst(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	pc := newTab(t)
	pc.toQR(w, "attendance")
	p.open(pc.link())
	p.at("open")
	p.picture("open")
	if at := p.where(); at != w.Issuer+"/phone" {
		t.Errorf("the address is %s", at)
	}
	time.Sleep(time.Second)
	if state := eval[string](pc, `document.getElementById("qr").dataset.state`); state != "waiting" {
		t.Fatalf("opening the link made the login %s", state)
	}
	p.click(`[data-do="continue"]`)
	p.at("approve")
	p.enter(pc.number())
	pc.until(w.system("attendance") + "/")
	p.quiet()
}

// The key QR code's link, opened by the phone's own camera: its secret is out of
// the address at once.
func TestPhone_BindingLinkLeavesNoSecret(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 0)
	p := newPhone(t, w)
	pc := newTab(t)
	pc.toKey(w, m)
	link := eval[string](pc, `document.querySelector("a.reference[href*='/phone/bind/']").href`)
	p.open(link)
	p.at("bind")
	secret := link[strings.Index(link, "#")+1:]
	if at := eval[string](p.tab, "location.href"); at != w.Issuer+"/phone" || len(secret) != 43 {
		t.Errorf("the address is %s", at)
	}
	if html := eval[string](p.tab, "document.documentElement.outerHTML + JSON.stringify(history.state) + JSON.stringify({...sessionStorage, ...localStorage})"); strings.Contains(html, secret) {
		t.Error("the page holds the secret")
	}
	p.finishBinding(pc, m)
	if left := eval[string](p.tab, `[...document.querySelectorAll("input[type=password]")].map(i => i.value).join("")`); left != "" {
		t.Error("the page still holds the PIN")
	}

	// It works once.
	thief := p.another(t, w)
	thief.open(link)
	thief.at("bind")
	thief.fill("#pin-1", phonePIN)
	thief.fill("#pin-2", phonePIN)
	thief.click("#bind-form [data-go]")
	thief.at("problem-enrol_over")
	thief.picture("used")
}

func TestPhone_WithoutACamera(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	p.run(chromedp.Reload())
	p.at("home")
	eval[bool](p.tab, `(navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError")), true)`)
	p.click("#start")
	p.see("[data-no-camera]")
	p.picture("no-camera")

	// A picture of the code does as well.
	pc := newTab(t)
	pc.toQR(w, "documents")
	file := filepath.Join(t.TempDir(), "photo.png")
	if err := os.WriteFile(file, pc.shot("main"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(chromedp.SetUploadFiles(chromedp.CSS("#picture"), []string{file}))
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("documents") + "/")

	// And so does the code itself.
	p.click(`[data-screen="approved"] [data-do="home"]`)
	pc = newTab(t)
	pc.toQR(w, "mail")
	p.click(`[data-do="type"]`)
	p.at("type")
	p.fill("#code", eval[string](pc, `document.getElementById("qr-text").textContent`))
	p.click("#type-form button.main")
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("mail") + "/")
}

func TestPhone_WrongPINsStopIt(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("approve")
	number := pc.number()
	for _, digit := range number {
		p.click(chromedp.CSS(`[data-digit="` + string(digit) + `"]`))
	}
	for try := range 5 {
		p.fill("#pin", "918273")
		p.click("#approve-form [data-go]")
		if try < 4 {
			p.untilText(`[data-screen="approve"] [data-message]`, "PIN")
			p.run(chromedp.WaitEnabled(chromedp.CSS("#approve-form [data-go]")))
		}
	}
	p.at("problem-pin_blocked")
	p.picture("pin-blocked")
	if at := pc.where(); !strings.HasPrefix(at, w.Issuer) {
		t.Errorf("let through to %s", at)
	}
}

func TestPhone_HoldsSeveralAccounts(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	one, two := owner(t, w, 0), owner(t, w, 1)
	p.bind(w, one)
	p.bind(w, two)
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("choose")
	p.picture("choose")
	found := eval[bool](p.tab, `(() => {
		for (const row of document.querySelectorAll('[data-screen="choose"] button')) {
			if (row.textContent.includes(`+quote(two.Name)+`)) { row.click(); return true; }
		}
		return false;
	})()`)
	if !found {
		t.Fatalf("the app does not offer %s:\n%s", two.Name, p.source())
	}
	p.at("approve")
	p.enter(pc.number())
	pc.until(w.system("documents") + "/")
	if who := pc.text("#who"); !strings.Contains(who, two.Name) {
		t.Errorf("came as %q", who)
	}
}
