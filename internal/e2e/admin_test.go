package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// cardIn logs in by card, from the first page.
func (b *tab) cardIn(w *world, m member) {
	b.t.Helper()
	b.open(w.Issuer + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	b.withCard(m.Name, m.PIN)
	b.see("main .hello")
}

// state of a rule on the page that changes a password.
func (b *tab) rule(name string) string {
	b.t.Helper()
	return eval[string](b, `document.getElementById("rule-`+name+`").dataset.state`)
}

// typePassword fills in a new password, and looks at the rules on the way.
func (b *tab) typePassword(password string) {
	b.t.Helper()
	b.fill("#new", "abc")
	if b.rule("lower") != "ok" || b.rule("upper") != "pending" || b.rule("short") != "pending" {
		b.t.Errorf("after abc: lower %s, upper %s, short %s", b.rule("lower"), b.rule("upper"), b.rule("short"))
	}
	b.fill("#again", "x")
	if b.rule("upper") != "fail" || b.rule("short") != "fail" || b.rule("differ") != "pending" {
		b.t.Errorf("left at abc: upper %s, short %s, differ %s", b.rule("upper"), b.rule("short"), b.rule("differ"))
	}
	b.axe("password-rules")
	b.fill("#new", password)
	b.fill("#again", password)
	for _, rule := range []string{"short", "lower", "upper", "digit", "symbol", "own", "differ"} {
		if b.rule(rule) != "ok" {
			b.t.Errorf("rule %s: %s", rule, b.rule(rule))
		}
	}
	if said := b.text("#rules-said"); said == "" {
		b.t.Error("nobody who can't see is told that the rules are kept")
	}
}

// TestAdmin_TwoAreNeeded: the helpdesk undoes a card and sets a start password; the
// person's next card waits for somebody else of the administrators.
func TestAdmin_TwoAreNeeded(t *testing.T) {
	w, stop, err := startDemo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	desk, second, m := w.somebody(t, "bound"), w.somebody(t, "bound"), w.somebody(t, "bound")
	for _, one := range []member{desk, second} {
		w.idp(t, "admin", "grant", one.Account, "--role", "helpdesk", "--reason", "applied for")
	}
	first := newTab(t)
	first.cardIn(w, desk)
	first.axe("home")
	first.click(`a[href="/admin/accounts"]`)
	first.axe("accounts")
	first.fill("#q", m.Account)
	first.leave(func() { first.click(`form[action="/admin/accounts"] button`) })
	first.axe("found")
	first.leave(func() { first.click(chromedp.CSS(`a[href="/admin/person?account=` + m.Account + `"]`)) })
	first.axe("person")
	first.undo("unbind-card", "lost the card")
	first.undo("reset", "came to the counter with an ID card")
	start := first.text(".reference.start")
	if len(start) != 19 {
		t.Fatalf("start password %q", start)
	}
	first.axe("start")
	first.open(w.Issuer + "/admin/bindings")
	first.axe("rates")
	first.quiet()

	m.Password = m.withNewPassword(t, w, start)
	b := newTab(t)
	toReading(w, b, m)
	b.withCard(m.Name, m.PIN)
	b.see(`form[action="/card/bind/confirm"]`)
	b.click(`input[name="consent"]`)
	b.leave(func() { b.click(`form[action="/card/bind/confirm"] button.main`) })
	if text := b.text("main"); !strings.Contains(text, "等候第二位管理者核准") {
		t.Fatalf("not told to wait: %s", text)
	}
	b.axe("waiting")
	for _, page := range []string{"/password", "/account/bind", "/account/choose"} {
		b.open(w.Issuer + page)
		b.axe(strings.ReplaceAll(page[1:], "/", "-"))
	}
	b.quiet()

	first.open(w.Issuer + "/admin/approvals")
	if text := first.text("main"); !strings.Contains(text, m.Name) || !strings.Contains(text, "要由另一位管理者核准") ||
		eval[bool](first, `!!document.querySelector('button[value="approve"]')`) {
		t.Errorf("who changed it may approve: %s", text)
	}
	other := newTab(t)
	other.cardIn(w, second)
	other.open(w.Issuer + "/admin/approvals")
	other.axe("approvals")
	other.fill(`input[name="reason"]`, "asked the person's superior")
	other.leave(func() { other.click(`button[value="approve"]`) })
	other.see(".notice.success")
	other.axe("approved")
	for name, page := range map[string]string{
		"rates": "/admin/bindings?", "person": "/admin/person?account=" + m.Account + "&", "found": "/admin/accounts?q=" + m.Account + "&", "approvals": "/admin/approvals?",
		"choose": "/account/choose?", "rebind": "/account/bind?", "password": "/password?", "waiting": "/card/bind?",
	} {
		other.open(w.Issuer + page + "lang=en")
		other.axe("en-" + name)
	}
	other.quiet()

	again := newTab(t)
	again.cardIn(w, m)
	if who := again.text("main .hello"); !strings.Contains(who, m.Name) {
		t.Errorf("the approved card logs in %q", who)
	}
}

// undo opens one of the forms of a person's page and sends it.
func (b *tab) undo(what, reason string) {
	b.t.Helper()
	form := `form[action="/admin/person/` + what + `"]`
	eval[bool](b, `(document.querySelector('`+form+`').closest("details").open = true)`)
	b.fill(chromedp.CSS(form+` input[name="reason"]`), reason)
	b.leave(func() { b.click(chromedp.CSS(form + " button")) })
	b.see(".notice.success")
}

// withNewPassword logs in with a start password, which has to be changed first.
func (m member) withNewPassword(t *testing.T, w *world, start string) string {
	t.Helper()
	const fresh = "Meadow7&Lantern"
	b := newTab(t)
	b.open(w.Issuer + "/")
	b.until(w.Issuer + "/login")
	m.Password = start
	b.loginByPassword(m)
	b.see("#password-form")
	b.axe("first-password")
	b.fill("#old", start)
	b.typePassword(fresh)
	b.leave(func() { b.click("#password-form button.main") })
	b.see(".notice.success")
	b.quiet()
	return fresh
}
