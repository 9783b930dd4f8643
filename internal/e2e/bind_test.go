package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// toReading goes from the first page to the third step of the wizard.
func toReading(w *world, b *tab, m member) {
	b.t.Helper()
	b.open(w.Issuer + "/card/bind")
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.until(w.Issuer + "/card/bind")
	b.picture("1")
	b.click(`input[name="ready"]`)
	b.click(`form[action="/card/bind/start"] button.main`)
	b.see(`form[action="/card/bind/check"]`)
	b.checkEnvironment()
	b.picture("2")
	b.click("#card-next")
	b.see(`form[action="/card/bind/sign"]`)
	b.picture("3")
}

// checkEnvironment lets the page look for component, reader and card. The
// window closes itself.
func (b *tab) checkEnvironment() {
	b.t.Helper()
	b.run(chromedp.WaitEnabled(chromedp.CSS("#card-start")))
	b.click("#card-start")
	b.see(`#card-check-card[data-state="ok"]`)
}

func TestBind_FiveStepsAndTheCardLogsIn(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "unbound")
	b := newTab(t)
	toReading(w, b, m)
	b.withCard(m.Name, m.PIN)
	b.see(`form[action="/card/bind/confirm"]`)
	facts := b.text("dl.facts")
	if !strings.Contains(facts, m.Name) || !strings.Contains(facts, "C=TW,CN="+m.Name) {
		t.Errorf("the card's details: %s", facts)
	}
	b.picture("4")
	b.click(`input[name="consent"]`)
	b.click(`form[action="/card/bind/confirm"] button.main`)
	b.see(`.notice.success`)
	b.picture("5")
	b.quiet()

	again := newTab(t)
	again.open(w.system("mail") + "/")
	again.until(w.Issuer + "/login")
	again.click(`nav.tabs a[href*="/login/card"]`)
	again.withCard(m.Name, m.PIN)
	again.until(w.system("mail") + "/")
	if who := again.text("#who"); !strings.Contains(who, m.Name) {
		t.Errorf("the bound card logs in %q", who)
	}
	again.quiet()
}

func TestBind_CardOfAnotherPersonIsRefused(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "foreign")
	b := newTab(t)
	toReading(w, b, m)
	holder := w.holderOfForeign(t, m)
	b.withCard(holder.Name, m.PIN)
	b.see(`[role="alert"]`)
	b.picture("refused")
	text := b.text("main")
	for _, want := range []string{"用戶身分與卡片不符", "姓名不符", "身分證不符"} {
		if strings.Contains(text, want) {
			return
		}
	}
	t.Errorf("the page says: %s", text)
}

// holderOfForeign is whose card it is that m holds: the next of the staff.
func (w *world) holderOfForeign(t *testing.T, m member) member {
	t.Helper()
	for i := range w.Staff {
		if w.Staff[i].Account == m.Account {
			return w.Staff[i+1]
		}
	}
	t.Fatal("no such member")
	return member{}
}
