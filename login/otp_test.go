package login_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// bindOTP binds one-time codes to the person; it returns the secret and the
// recovery codes.
func (w *twins) bindOTP(account string) (secret string, recovery []string) {
	w.Helper()
	b := w.browser()
	b.in(account)
	who := devicebind.Who{Person: w.person[account], Session: b.wantWho(account)}
	offer, err := w.nodes[0].otp.Begin(w.Context(), who)
	w.must(err)
	recovery, err = w.nodes[0].otp.Confirm(w.Context(), who, w.code(offer.Secret, 0))
	w.must(err)
	w.later(30 * time.Second) // the first code is used
	return offer.Secret, recovery
}

// code is the one-time code of that many steps from now.
func (w *twins) code(secret string, steps int) string {
	w.Helper()
	code, err := totp.GenerateCode(secret, w.clock().Add(time.Duration(steps)*30*time.Second))
	w.must(err)
	return code
}

// outside is a browser at home whose password was right.
func (w *twins) outside(account string) (*browser, string) {
	w.Helper()
	b := w.browser()
	b.outside = true
	flow := b.begin(documents)
	if a := b.password(flow, account, account+rightSuffix); a.StatusCode != http.StatusSeeOther || a.to() != "/login/otp?flow="+flow {
		w.Fatalf("password from outside: %d to %q, %+v", a.StatusCode, a.to(), a.view)
	}
	if who, _ := b.current(); who != "" {
		w.Fatal("a session before the code")
	}
	return b, flow
}

func (b *browser) wantCode(a answer, reason idp.Reason) {
	b.Helper()
	v, ok := a.view.(templates.Code)
	if !ok || v.Reason != reason {
		b.Fatalf("got %d to %q, want the code page with %q; drew %+v", a.StatusCode, a.to(), reason, a.view)
	}
	if who, _ := b.current(); who != "" {
		b.Fatal("logged in")
	}
}

func TestOTP_FollowsThePasswordFromOutside(t *testing.T) {
	onTwins(t, func(w *twins) {
		secret, recovery := w.bindOTP("ab1001")
		b := w.browser()
		flow := b.begin(documents)
		w.wantNext(b.password(flow, "ab1001", "ab1001"+rightSuffix), flow) // in the office: no code
		b.wantWho("ab1001")

		b, flow = w.outside("ab1001")
		a := b.on(w.nodes[1]).get("/login/otp?flow=" + flow)
		if !strings.Contains(a.body, `autocomplete="one-time-code"`) || !strings.Contains(a.body, "王小明") {
			t.Errorf("the page: %s", a.body)
		}
		b.wantCode(b.post("/login/otp", "flow", flow, "code", "000000"), devicebind.ReasonOTPWrong)
		w.wantNext(b.on(w.nodes[1]).post("/login/otp", "flow", flow, "code", w.code(secret, 0)), flow)
		s := b.wantWho("ab1001")
		if d := policy.Decide(documents, policy.Have{Session: s, Person: w.person["ab1001"]}, w.clock()); d.ACR != idp.LevelTwo {
			t.Errorf("level %v by %+v", d.ACR, s.Evidence)
		}
		if b.cookies["idp-known"] != "" {
			t.Error("what can be relayed made the browser known")
		}
		b.wantDone(flow)

		// A recovery code does once.
		b, flow = w.outside("ab1001")
		w.wantNext(b.post("/login/otp", "flow", flow, "code", recovery[3]), flow)
		b.wantWho("ab1001")
		b, flow = w.outside("ab1001")
		b.wantCode(b.on(w.nodes[1]).post("/login/otp", "flow", flow, "code", recovery[3]), devicebind.ReasonOTPWrong)
		w.wantEvent("login.otp", "ok")
		w.wantEvent("login.otp", "otp_wrong")
	})
}

func TestT143_OneCodeOnce(t *testing.T) {
	onTwins(t, func(w *twins) {
		secret, _ := w.bindOTP("ab1001")
		type try struct {
			b    *browser
			flow string
		}
		var tries []try
		for i := range 4 {
			b, flow := w.outside("ab1001")
			tries = append(tries, try{b.on(w.nodes[i%2]), flow})
		}
		code := w.code(secret, 0)
		full := strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
		forms := []string{code, code[:3] + " " + code[3:], full, " " + code + " "}
		var wg sync.WaitGroup
		in := make([]bool, len(tries))
		for i, x := range tries {
			wg.Go(func() {
				x.b.post("/login/otp", "flow", x.flow, "code", forms[i])
				who, _ := x.b.current()
				in[i] = who != ""
			})
		}
		wg.Wait()
		n := 0
		for _, ok := range in {
			if ok {
				n++
			}
		}
		if n != 1 {
			w.Errorf("one code opened %d sessions", n)
		}
		w.later(20 * time.Minute) // whatever locked is open again
		for _, steps := range []int{2, -2} {
			b, flow := w.outside("ab1001")
			b.wantCode(b.post("/login/otp", "flow", flow, "code", w.code(secret, steps)), devicebind.ReasonOTPWrong)
		}
		b, flow := w.outside("ab1001")
		w.wantNext(b.post("/login/otp", "flow", flow, "code", w.code(secret, 1)), flow)
	})
}

func TestOTP_GuessingLocks(t *testing.T) {
	onTwins(t, func(w *twins) {
		secret, _ := w.bindOTP("ab1001")
		for i := range 5 {
			b, flow := w.outside("ab1001") // the password in between forgives nothing
			b.wantCode(b.on(w.nodes[i%2]).post("/login/otp", "flow", flow, "code", "000000"), devicebind.ReasonOTPWrong)
		}
		b, flow := w.outside("ab1001")
		locked := b.post("/login/otp", "flow", flow, "code", w.code(secret, 0))
		b.wantCode(locked, idp.ReasonLocked)
		if until := locked.view.(templates.Code).LockedUntil; !until.Equal(w.clock().Add(15 * time.Minute)) {
			t.Errorf("the page says that it opens at %v", until)
		}
		w.later(15*time.Minute + time.Second)
		b, flow = w.outside("ab1001")
		w.wantNext(b.post("/login/otp", "flow", flow, "code", w.code(secret, 0)), flow)
	})
}

func TestOTP_TheProofIsOfOneFlow(t *testing.T) {
	onTwins(t, func(w *twins) {
		secret, _ := w.bindOTP("ab1001")
		b, flow := w.outside("ab1001")
		other := b.begin(documents)
		w.wantNext(b.post("/login/otp", "flow", other, "code", w.code(secret, 0)), other)
		if who, _ := b.current(); who != "" {
			w.Fatal("the proof of another flow was taken")
		}
		forged := b.cookies["idp-proved"]
		b.cookies["idp-proved"] = forged[:len(forged)-2] + "AA"
		w.wantNext(b.post("/login/otp", "flow", flow, "code", w.code(secret, 0)), flow)
		b.cookies["idp-proved"] = forged
		w.later(6 * time.Minute)
		w.wantNext(b.post("/login/otp", "flow", flow, "code", w.code(secret, 0)), flow)
		if who, _ := b.current(); who != "" {
			w.Fatal("a forged or an old proof was taken")
		}
	})
}

func TestOTP_StepsUpAPassword(t *testing.T) {
	onTwins(t, func(w *twins) {
		secret, _ := w.bindOTP("ab1001")
		b := w.browser()
		b.in("ab1001")
		ask := documents
		ask.MinLevel = idp.LevelTwo
		flow := b.begin(ask)
		v, ok := b.get("/login?flow=" + flow).view.(templates.Login)
		if !ok || v.CodeURL != "/login/otp?flow="+flow {
			w.Fatalf("the step-up: %+v", v)
		}
		w.wantNext(b.post("/login/otp", "flow", flow, "code", w.code(secret, 0)), flow)
		b.wantDone(flow)
	})
}
