package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/store"
)

// Somebody approved what was not theirs, and says so afterwards: whoever got in
// by it is out.
func TestPhone_ReportAfterTheApproval(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	for _, from := range []string{"approved", "history"} {
		thief := newTab(t)
		thief.toQR(w, "documents")
		p.scan(thief)
		p.at("approve")
		p.enter(thief.number())
		p.at("approved")
		thief.until(w.system("documents") + "/")
		thief.open(w.Issuer + "/")
		thief.see("#sessions")
		if from == "history" {
			p.click(`[data-screen="approved"] [data-do="home"]`)
			p.click(`[data-do="history"]`)
			p.at("history")
			p.untilText(`[data-screen="history"] [data-fill="source"]`, "九十天")
			p.picture("history")
			p.click(`[data-log] li:first-child [data-do="not-me"]`)
		} else {
			p.picture("approved")
			p.click(`[data-screen="approved"] [data-do="report"]`)
		}
		p.at("reported-session")
		p.picture("reported-session")
		thief.open(w.Issuer + "/")
		thief.until(w.Issuer + "/login")
		p.click(`[data-screen="reported-session"] [data-do="home"]`)
		p.at("home")
		p.click(`[data-do="history"]`)
		p.at("history")
		p.untilText("[data-log] li:first-child .badge", "已回報")
		p.click(`[data-screen="history"] [data-do="home"]`)
		p.at("home")
	}
	p.quiet()
}

// Called off at the six digits on one side: the other one knows at once, and it
// can be begun again.
func TestPhone_BindingCalledOff(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 1)
	p := newPhone(t, w)
	pc := newTab(t)
	pc.toKey(w, m)
	toDigits := func() {
		t.Helper()
		p.looksAt(pc, "svg.qr-code")
		p.open(w.Issuer + "/phone")
		p.click("#start")
		p.at("bind")
		if eval[bool](p.tab, `!!document.querySelector('[data-do="use-pin"]')`) {
			t.Error("the app offers a choice")
		}
		p.fill("#pin-1", phonePIN)
		p.fill("#pin-2", phonePIN)
		p.click("#bind-form [data-go]")
		p.at("digits")
		pc.see(".six")
	}
	toDigits()
	began := time.Now()
	p.click(`[data-do="give-up"]`)
	p.at("called-off")
	pc.untilText(`#qr [role="alert"]`, "已取消綁定")
	if took := time.Since(began); took > 10*time.Second { // whatever else the machine does; the digits would wait for minutes
		t.Errorf("the computer knows after %v", took)
	}
	p.picture("called-off")
	pc.picture("pc-called-off")
	pc.click(`form[action="/device/bind/start"] button.main`)
	pc.see("svg.qr-code")

	toDigits()
	pc.click(`form[action="/device/bind/cancel"] button`)
	p.at("problem-enrol_cancelled")
	p.picture("cancelled")
	pc.untilText(`#qr [role="alert"]`, "已取消綁定")
	pc.click(`form[action="/device/bind/start"] button.main`)
	pc.see("svg.qr-code")

	p.looksAt(pc, "svg.qr-code")
	p.open(w.Issuer + "/phone")
	p.click("#start")
	p.at("bind")
	p.finishBinding(pc, m)
	p.quiet()
	pc.quiet()
}

// A disabled person's phone: refused when it scans, and refused when the person
// was disabled between the scan and the approval, or before the browser went on.
func TestT137_DisabledPersonIsRefused(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 1) // enabled again at the end
	p := newPhone(t, w)
	p.bind(w, m)
	disable := func() { w.idp(t, "account", "disable", m.Account, "--reason", "left for a while") }
	enable := func() { w.idp(t, "account", "enable", m.Account, "--reason", "is back") }

	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("approve")
	number := pc.number()
	disable()
	p.enter(number)
	p.at("problem-phone_unusable")
	p.picture("disabled")
	if at := pc.where(); !strings.HasPrefix(at, w.Issuer) {
		t.Fatalf("let through to %s", at)
	}
	p.click(`[data-screen="problem-phone_unusable"] [data-do="home"]`)
	p.at("home")
	p.untilText(`[data-screen="home"] [data-accounts]`, "暫停使用")

	fresh := newTab(t)
	fresh.toQR(w, "mail")
	p.scan(fresh)
	p.at("problem-phone_unusable")
	if state := eval[string](fresh, `document.getElementById("qr").dataset.state`); state != "waiting" {
		t.Errorf("the computer is told %q", state)
	}
	fresh.picture("pc-disabled")
	p.click(`[data-screen="problem-phone_unusable"] [data-do="home"]`)

	enable()
	again := newTab(t)
	again.toQR(w, "mail")
	p.scan(again)
	p.at("approve")
	p.enter(again.number())
	p.at("approved")
	again.until(w.system("mail") + "/")
	p.quiet()
}

// Nobody decides for two minutes: both sides say so, and nothing is approved any
// more; then it works anew.
func TestT132_ExpiresAfter121Seconds(t *testing.T) {
	if testing.Short() {
		t.Skip("waits two minutes")
	}
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("approve")
	pc.number()
	time.Sleep(121 * time.Second)
	pc.untilText(`#qr [role="alert"]`, "兩分鐘")
	pc.picture("pc-expired")
	p.at("problem-attempt_over")
	p.picture("expired")
	if at := pc.where(); !strings.HasPrefix(at, w.Issuer) {
		t.Fatalf("let through to %s", at)
	}
	pc.click("#qr a.main")
	pc.see("#qr-code")
	p.scan2(pc)
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("documents") + "/")
}

// The history goes back ninety days, page after page.
func TestPhone_HistoryHasOlderOnes(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 0)
	p := newPhone(t, w)
	p.bind(w, m)
	db, err := store.Open(t.Context(), store.Options{SQLite: filepath.Join(w.dir, "idp.db"), NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a, err := db.Account(t.Context(), m.Account)
	if err != nil {
		t.Fatal(err)
	}
	var list []idp.Event
	for i := range 120 {
		list = append(list, idp.Event{At: time.Now().Add(-time.Duration(i+1) * 12 * time.Hour), Kind: "phone.deny", Result: "ok", PersonID: a.PersonID, ClientID: "documents",
			Detail: "device another"})
	}
	if err := db.Record(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
	rows := func() int { return eval[int](p.tab, `document.querySelectorAll("[data-log] li").length`) }
	older := `[data-screen="history"] [data-do="older"]`
	p.click(`[data-do="history"]`)
	p.at("history")
	p.untilText(`[data-screen="history"] [data-fill="source"]`, "九十天")
	for _, want := range []int{50, 100, 120} { // and what the person decided in other stories
		for deadline := time.Now().Add(patience); rows() < want && time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		}
		if got := rows(); got < want || want < 120 && got > want+1 { // a note of this phone's own
			t.Fatalf("%d decisions are shown, want %d", got, want)
		}
		if want == 50 { // without a network nothing is lost but the next page
			eval[bool](p.tab, `!!(window.through = window.fetch, window.fetch = () => Promise.reject(new TypeError("no network")))`)
			p.click(chromedp.CSS(older))
			p.untilText(`[data-screen="history"] [data-message]`, "網路")
			if source := p.text(`[data-screen="history"] [data-fill="source"]`); rows() < want || !strings.Contains(source, "九十天") {
				t.Errorf("%d decisions are shown as %q", rows(), source)
			}
			p.picture("older-offline")
			eval[bool](p.tab, `!!(window.fetch = window.through)`)
		}
		if want < 120 {
			p.click(chromedp.CSS(older))
		}
	}
	if eval[bool](p.tab, `!document.querySelector('[data-screen="history"] [data-message]').hidden`) {
		t.Error("the failure stays after a try that worked")
	}
	if eval[bool](p.tab, `!document.querySelector('`+older+`').hidden`) {
		t.Error("there is nothing older, and it is offered")
	}
	p.quiet()
}

// A computer whose browser runs no scripts: the page comes again by itself, shows
// the number, and has a button at the end.
func TestPhone_ComputerWithoutScripts(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 0)
	p := newPhone(t, w)
	p.bind(w, m)
	pc := newTab(t)
	if _, err := chromedp.Call(pc.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	pc.toQR(w, "documents")
	p.scan(pc)
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.click(`#qr[data-state="approved"] #qr-form button`)
	pc.until(w.system("documents") + "/")
	if who := pc.text("#who"); !strings.Contains(who, m.Name) {
		t.Errorf("came as %q", who)
	}
	p.quiet()
}
