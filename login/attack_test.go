package login_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/templates"
)

func TestT053_NoPasswordAtAll(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	for _, password := range []string{"", " ", "\u3000\t ", "\x00", "ab1001!A1\x00", strings.Repeat("a", 1025), "\xff"} {
		a := b.password(flow, "ab1001", password)
		if a.StatusCode != 200 {
			t.Errorf("%.10q: %d", password, a.StatusCode)
		}
		w.wantReason(a, idp.ReasonWrong)
	}
	for name, body := range map[string]string{
		"missing": "flow=" + flow + "&account=ab1001",
		"twice":   "flow=" + flow + "&account=ab1001&password=ab1001!A1&password=ab1001!A1",
		"array":   "flow=" + flow + "&account=ab1001&password[]=ab1001!A1",
	} {
		a := b.do("POST", "/login/password", "application/x-www-form-urlencoded", body)
		if _, ok := a.view.(templates.Login); !ok || a.StatusCode != 200 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	for _, body := range []string{`{"flow":"` + flow + `","account":"ab1001","password":null}`, `[]`} {
		if a := b.do("POST", "/login/password", "application/json", body); a.StatusCode != 400 {
			t.Errorf("JSON: %d", a.StatusCode)
		}
	}
	if a := b.do("POST", "/login/password", "application/x-www-form-urlencoded", strings.Repeat("a", 1<<20)); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a megabyte: %d", a.StatusCode)
	}
	if n := w.looks.n(); n != 0 {
		t.Errorf("the directory looked %d times", n)
	}
}

func TestT069_FiveWrongThenRight(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		flow := b.begin(documents)
		for i := range 4 {
			a := b.password(flow, "ab1001", "wrong")
			if v := a.view.(templates.Login); v.Reason != idp.ReasonWrong {
				t.Fatalf("try %d: %s", i+1, v.Reason)
			}
		}
		w.wantReason(b.password(flow, "ab1001", "wrong"), idp.ReasonLocked)
		a := b.password(flow, "ab1001", "ab1001"+rightSuffix)
		w.wantReason(a, idp.ReasonLocked)
		if v := a.view.(templates.Login); !v.LockedUntil.Equal(w.clock().Add(15 * time.Minute)) {
			t.Errorf("opens at %v", v.LockedUntil)
		}
		if n := w.looks.n(); n != 5 {
			t.Errorf("the directory looked %d times", n)
		}
		if who, _ := b.current(); who != "" {
			t.Error("logged in")
		}
	})
}

func TestT070_TheLockOpensByItself(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b := w.browser()
		flow := b.begin(documents)
		wrong := func(n int) {
			for range n {
				b.password(flow, "ab1001", "wrong")
			}
		}
		wrong(5)
		w.later(14*time.Minute + 59*time.Second)
		w.wantReason(b.password(flow, "ab1001", "ab1001"+rightSuffix), idp.ReasonLocked)
		w.later(2 * time.Second)
		w.wantNext(b.password(flow, "ab1001", "ab1001"+rightSuffix), flow)
		delete(b.cookies, "idp-session")
		flow = b.begin(documents)
		wrong(4) // success cleared the count
		w.later(16 * time.Minute)
		wrong(4) // those of before don't add up
		w.wantNext(b.password(flow, "ab1001", "ab1001"+rightSuffix), flow)
	})
}

func TestT072_NobodyLearnsWhichWasRight(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		// The lock is set; then a hundred tries in parallel, one of them right.
		b := w.browser()
		flow := b.begin(documents)
		for range 5 {
			b.password(flow, "ab1001", "wrong")
		}
		const tries = 100
		answers := make([]answer, tries)
		var wg sync.WaitGroup
		for i := range tries {
			c := w.browser()
			c.cookies["idp-flow"] = b.cookies["idp-flow"]
			password := fmt.Sprintf("wrong%03d", i)
			if i == 37 {
				password = "ab1001" + rightSuffix
			}
			wg.Go(func() { answers[i] = c.password(flow, "ab1001", password) })
		}
		wg.Wait()
		for i, a := range answers {
			if a.StatusCode != answers[0].StatusCode || a.body != answers[0].body || !sameHeader(a, answers[0]) {
				t.Errorf("answer %d differs: %d %v", i, a.StatusCode, a.Header)
			}
		}
		if n := w.looks.n(); n != 5 {
			t.Errorf("the directory looked %d times", n)
		}
	})
}

func sameHeader(a, b answer) bool {
	if len(a.Header) != len(b.Header) {
		return false
	}
	for name, values := range a.Header {
		if !slices.Equal(values, b.Header[name]) {
			return false
		}
	}
	return true
}

// passwordRoutes are the routes that take a password. A route that is mounted
// and stands in neither list fails T074.
var (
	passwordRoutes = []string{"POST /login/password", "POST /login/change"}
	otherRoutes    = []string{
		"GET /login", "GET /login/card", "GET /login/password", "GET /login/qr", "POST /login/cancel", "POST /login/card",
		"POST /login/card/challenge", "POST /login/consent", "POST /login/select", "POST /login/stepup",
	}
)

func TestT074_OneCounterWhereverPasswordsAreTaken(t *testing.T) {
	w := newWorld(t)
	known := slices.Sorted(slices.Values(slices.Concat(passwordRoutes, otherRoutes)))
	if got := slices.Sorted(slices.Values(w.mux.patterns)); !slices.Equal(got, known) {
		t.Fatalf("routes changed: %q\nsay of each whether it takes a password: %q", got, known)
	}
	// Login, the step-up of a session, the repeated login and the way to the card
	// binding are one counter, in whatever spelling.
	b := w.browser()
	b.in("ab1001")
	again, bind := documents, idp.Ask{Method: idp.MethodPassword, PromptLogin: true}
	again.PromptLogin = true
	w.later(time.Second)
	looked := w.looks.n()
	fresh := w.browser()
	for i, try := range []struct {
		b    *browser
		ask  idp.Ask
		name string
	}{
		{fresh, documents, "ab1001"}, {b, again, `TPEAD\AB1001`}, {b, bind, "ab1001@tpead.gov.taipei"},
		{fresh, idp.Ask{}, "GEAA-1001"}, {b, again, "ＡＢ１００１"},
	} {
		if a := try.b.password(try.b.begin(try.ask), try.name, "wrong"); a.StatusCode != 200 {
			t.Fatalf("%d: %d", i, a.StatusCode)
		}
	}
	w.wantReason(fresh.password(fresh.begin(documents), "geaa-1001", "ab1001"+rightSuffix), idp.ReasonWrong)
	w.wantReason(b.password(b.begin(bind), "ab1001", "ab1001"+rightSuffix), idp.ReasonLocked)
	if n := w.looks.n() - looked; n != 5 {
		t.Errorf("the directory looked %d times", n)
	}
}

func TestT077_LockingEverybodyOut(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1002", 0, true)
	live := w.browser()
	live.in("ab1001")
	for _, p := range people {
		attacker := w.browser()
		attacker.address = netip.MustParseAddr("192.0.2.7")
		flow := attacker.begin(documents)
		for range 6 {
			attacker.password(flow, p.account, "wrong")
		}
	}
	live.wantDone(live.begin(documents)) // sessions go on
	b := w.browser()
	flow := b.begin(documents)
	a := b.password(flow, "ab1002", "ab1002"+rightSuffix)
	w.wantReason(a, idp.ReasonLocked)
	const withCard = "急需使用時，可以改用「自然人憑證登入」"
	if !strings.Contains(a.body, withCard) {
		t.Error("the way in by card is not told")
	}
	w.wantNext(b.card(flow, card), flow) // and keys
	b.wantWho("ab1002")
	if _, err := w.gate.Unlock(t.Context(), "ab1003", "helpdesk", "asked by telephone"); err != nil {
		t.Fatal(err)
	}
	c := w.browser()
	flow = c.begin(documents)
	w.wantNext(c.password(flow, "ab1003", "ab1003"+rightSuffix), flow)

	// A setting makes the lock stop cards too.
	w.login.Settings.LockCards = true
	b = w.browser()
	flow = b.begin(documents)
	for _, a := range []answer{b.password(flow, "ab1002", "ab1002"+rightSuffix), b.card(flow, card)} {
		w.wantReason(a, idp.ReasonLocked)
		if v := a.view.(templates.Login); v.LockedUntil.IsZero() {
			t.Error("no word when it opens")
		}
		if strings.Contains(a.body, withCard) {
			t.Error("a card that is locked too is told as a way in")
		}
	}
}

func TestT079_ManyNamesFromOneSource(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	for i := range 20 {
		b.password(flow, fmt.Sprintf("zz%04d", i), "wrong")
	}
	a := b.password(flow, "ab1001", "ab1001"+rightSuffix)
	w.wantReason(a, idp.ReasonThrottled)
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "300" {
		t.Errorf("%d, Retry-After %q", a.StatusCode, a.Header.Get("Retry-After"))
	}
}

func TestT085_NoAnswerTellsWhoExists(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.cardOf("ab1002", 0, true)
		if err := w.db.SetState(t.Context(), w.person["ab1003"].ID, idp.PersonDisabled, w.clock()); err != nil {
			t.Fatal(err)
		}
		locker := w.browser()
		flow := locker.begin(documents)
		for range 5 {
			locker.password(flow, "geaa-1004", "wrong")
		}
		b := w.browser()
		flow = b.begin(documents)
		var first answer
		for i, name := range []string{
			"ab1001",                   // known
			"zz9999",                   // unknown
			"ab1003",                   // disabled
			"ab1004",                   // locked by another spelling
			"ab1002",                   // has a card
			"geaa-1001",                // known by a longer name
			"no-such-name-as-this-one", // unknown, longer
			`TPEAD\zz9998`, "zz9997@tpead.gov.taipei", "<b>", "", strings.Repeat("x", 5000),
		} {
			a := b.password(flow, name, "wrong")
			if i == 0 {
				first = a
			}
			if a.StatusCode != first.StatusCode || len(a.body) != len(first.body) || a.body != first.body || !sameHeader(a, first) {
				t.Errorf("%.30q is told apart: %d, %d bytes, %v", name, a.StatusCode, len(a.body), a.Header)
			}
			if len(a.Cookies()) != 0 {
				t.Errorf("%q sets a cookie", name)
			}
		}
		// Locked looks the same for a known and an unknown name.
		var locked [2]answer
		for i, name := range []string{"ab1001", "zz9999"} {
			for range 5 {
				locked[i] = b.password(flow, name, "wrong")
			}
		}
		w.wantReason(locked[0], idp.ReasonLocked)
		if locked[0].body != locked[1].body || !sameHeader(locked[0], locked[1]) {
			t.Error("a locked name is told apart from one that is nobody's")
		}
	})
}

func TestT088_CardsThatOpenNothing(t *testing.T) {
	w := newWorld(t)
	revoked := w.cardOf("ab1001", 0, true)
	unbound := w.cardOf("ab1002", 1, false)
	nobody := w.newCard(2, cardtest.Leaf{Name: "外人", SubjectSerial: "9999999999999999", IDTail: "9999"})
	w.revoked[revoked.cert.Subject.SerialNumber+revoked.cert.SerialNumber.String()] = true
	b := w.browser()
	flow := b.begin(documents)
	var first answer
	for i, c := range []softCard{revoked, unbound, nobody} {
		a := b.card(flow, c)
		w.wantReason(a, idp.ReasonCardUnusable)
		if i == 0 {
			first = a
		}
		if a.StatusCode != first.StatusCode || a.body != first.body || !sameHeader(a, first) {
			t.Errorf("card %d is told apart", i)
		}
		if !strings.Contains(a.body, `href="/card/bind"`) {
			t.Error("the page does not lead to the binding")
		}
	}
}

func TestT090_ForcedErrors(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	w.looks.fail = fmt.Errorf("dial tcp 10.9.9.9:5432: %w: pgx secret-driver v5", idp.ErrUnavailable)
	a := b.password(flow, "ab1001", "ab1001"+rightSuffix)
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("directory down: %d", a.StatusCode)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.looks.fail = errors.New("secret-driver")
	answers := []answer{a, b.get("/login?flow=" + flow), b.password(flow, "ab1001", "x"), b.post("/login/card/challenge?flow=" + flow)}
	for i, a := range answers {
		if a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%d: %d", i, a.StatusCode)
		}
		for _, word := range []string{"10.9.9.9", "secret-driver", "pgx", "sqlite", "SQL", "store", ".go:", "closed"} {
			if strings.Contains(a.body, word) {
				t.Errorf("%d shows %q", i, word)
			}
		}
	}
	if len(w.log.String()) == 0 {
		t.Error("the log says nothing")
	}
}

func TestNoSecretInTheLog(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	b.password(flow, "ab1001", "secret-wrong")
	b.in("ab1001")
	w.looks.fail = errors.New("broken")
	c := w.browser()
	flow = c.begin(documents)
	c.password(flow, "ab1001", "secret-again")
	for _, secret := range []string{"secret-wrong", "secret-again", "ab1001" + rightSuffix, flow, b.cookies["idp-session"], b.cookies["idp-flow"]} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
