package login_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/templates"
)

func withOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(idp.WithOrigin(r.Context(), idp.Origin{RequestID: "0123456789abcdef", City: true})))
	})
}

func readOptions(t *testing.T, options []byte) (challenge, user []byte) {
	t.Helper()
	var o struct {
		Challenge string
		User      struct{ ID string }
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	user, _ = base64.RawURLEncoding.DecodeString(o.User.ID)
	return challenge, user
}

// qr is the QR tab of the flow, which must show that state.
func (b *browser) qr(flow, state string, more ...string) *templates.QR {
	b.Helper()
	a := b.get("/login/qr?flow=" + flow + strings.Join(more, ""))
	v, ok := a.view.(templates.Login)
	if !ok || v.QR == nil || v.QR.State != state {
		b.Fatalf("got %d to %q, want the QR tab in state %q; drew %+v", a.StatusCode, a.to(), state, a.view)
	}
	return v.QR
}

func (b *browser) state(flow string) (s struct{ State, Number, Link string }) {
	b.Helper()
	a := b.get("/login/qr/state?flow=" + flow)
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		b.Fatalf("state: %d %s", a.StatusCode, a.body)
	}
	return s
}

func TestQR_LogsIn(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		b := w.browser()
		flow := b.begin(documents)
		code := b.qr(flow, templates.QRWaiting)
		if code.Code.Size() < 29 || !strings.HasPrefix(code.Link, here+"/phone/q/") || code.Left <= 0 || code.Left > 30*time.Second {
			w.Fatalf("the code: %+v", code)
		}
		s, err := w.scan(w.nodes[1], phone, code.Link)
		w.must(err)
		if s.ClientName != "公文系統" || s.Agency != "臺北市政府" || s.System != "Linux" {
			w.Errorf("the phone shows %+v", s)
		}
		shown := b.qr(flow, templates.QRScanned)
		if state := b.on(w.nodes[1]).state(flow); state.Number != shown.Number || len(state.Number) != 2 {
			w.Fatalf("node 1 shows %+v, node 0 %q", state, shown.Number)
		}
		w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, shown.Number))
		b.qr(flow, templates.QRApproved)
		w.wantNext(b.post("/login/qr", "flow", flow), flow)
		b.wantDone(flow)
		session := b.wantWho("ab1001")
		if ev := session.Evidence[0]; ev.Method != idp.MethodPhone || !ev.Near || ev.Device != phone.DeviceID {
			w.Errorf("evidence %+v", ev)
		}
		if b.cookies["idp-tab"] != "qr" || b.cookies["idp-known"] == "" {
			w.Errorf("cookies %v", b.cookies)
		}
		w.wantEvent("login.phone", "ok")
	})
}

func TestT132_CodesAndAttemptsEnd(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		b := w.browser()
		flow := b.begin(documents)
		first := b.qr(flow, templates.QRWaiting)
		w.later(61 * time.Second)
		if second := b.qr(flow, templates.QRWaiting); second.Link == first.Link {
			w.Error("the code stays")
		}
		if _, err := w.scan(w.nodes[1], phone, first.Link); !deniedFor(err, devicebind.ReasonCodeOver) {
			w.Errorf("an old code: %v", err)
		}
		s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
		w.must(err)
		number := b.qr(flow, templates.QRScanned).Number
		w.later(121 * time.Second)
		if err := w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, number); !deniedFor(err, devicebind.ReasonAttemptOver) {
			w.Errorf("approved after 121 s: %v", err)
		}
		over := b.qr(flow, templates.QRExpired)
		// A new code after the old one is over; and an approval works once.
		again := strings.TrimPrefix(over.AgainURL, "/login/qr?flow="+flow)
		s, err = w.scan(w.nodes[0], phone, b.qr(flow, templates.QRWaiting, again).Link)
		w.must(err)
		w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned, again).Number))
		var wg sync.WaitGroup
		wins := make([]bool, 8)
		for i := range wins {
			c := w.browser()
			c.cookies["idp-flow"] = b.cookies["idp-flow"]
			c = c.on(w.nodes[i%2])
			wg.Go(func() {
				c.post("/login/qr", "flow", flow)
				who, _ := c.current()
				wins[i] = who != ""
			})
		}
		wg.Wait()
		n := 0
		for _, won := range wins {
			if won {
				n++
			}
		}
		if n != 1 {
			w.Errorf("one approval opened %d sessions", n)
		}
	})
}

func TestT133_TheResultIsOneBrowsersAlone(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		b := w.browser()
		flow := b.begin(documents)
		s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
		w.must(err)
		w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
		thief, other := w.browser(), w.browser()
		delete(other.cookies, "idp-flow")
		own := thief.begin(documents)
		for name, x := range map[string]struct {
			b    *browser
			flow string
		}{
			"another browser with the address":       {thief, flow},
			"another browser with a flow of its own": {thief, own},
			"no cookie":                              {other, flow},
		} {
			for _, n := range w.nodes {
				x.b.on(n).post("/login/qr", "flow", x.flow)
				if who, _ := x.b.current(); who != "" {
					w.Errorf("%s: logged in", name)
				}
				if a := x.b.on(n).get("/login/qr/state?flow=" + x.flow); strings.Contains(a.body, "approved") {
					w.Errorf("%s: learns %s", name, a.body)
				}
			}
		}
		second := b.begin(documents)
		b.post("/login/qr", "flow", second)
		if who, _ := b.current(); who != "" {
			w.Error("another flow of the same browser was let in")
		}
		w.wantNext(b.post("/login/qr", "flow", flow), flow)
		b.wantWho("ab1001")
	})
}

func TestT134_AWrongNumberEndsIt(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		for verdict, state := range map[devicebind.Verdict]string{
			devicebind.VerdictApprove: templates.QRBurnt, devicebind.VerdictDeny: templates.QRDenied, devicebind.VerdictReport: templates.QRDenied,
		} {
			b := w.browser()
			flow := b.begin(documents)
			s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
			w.must(err)
			number := b.qr(flow, templates.QRScanned).Number
			wrong := "10"
			if number == wrong {
				wrong = "11"
			}
			err = w.decide(w.nodes[1], phone, s, verdict, wrong)
			if (verdict == devicebind.VerdictApprove) != deniedFor(err, devicebind.ReasonNumberWrong) {
				w.Errorf("%s: %v", verdict, err)
			}
			if err := w.decide(w.nodes[0], phone, s, devicebind.VerdictApprove, number); err == nil {
				w.Errorf("%s: the right number afterwards", verdict)
			}
			b.qr(flow, state)
			b.post("/login/qr", "flow", flow)
			if who, _ := b.current(); who != "" {
				w.Errorf("%s: logged in", verdict)
			}
		}
	})
}

func deniedFor(err error, reason idp.Reason) bool {
	var d idp.Denied
	return errors.As(err, &d) && d.Reason == reason
}

func TestT137_PhonesThatMayNot(t *testing.T) {
	onTwins(t, func(w *twins) {
		approved := func(account string, card int) (*browser, string, string) {
			phone := w.phoneOf(account, w.cardOf(account, card, true))
			b := w.browser()
			flow := b.begin(documents)
			s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
			w.must(err)
			w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
			return b, flow, phone.DeviceID
		}
		// Between the approval and the login everything is asked again.
		b, flow, _ := approved("ab1001", 0)
		w.must(w.db.SetState(w.Context(), w.person["ab1001"].ID, idp.PersonDisabled, w.clock()))
		b.post("/login/qr", "flow", flow)
		if who, _ := b.current(); who != "" {
			w.Error("a disabled person was let in")
		}
		b, flow, device := approved("ab1002", 1)
		w.must(w.nodes[1].devices.RevokeFor(w.Context(), device, "operator:x", "lost"))
		w.wantReason(b.post("/login/qr", "flow", flow), devicebind.ReasonAttemptOver)
		b, flow, _ = approved("ab1003", 2)
		w.must(w.db.UnbindCard(w.Context(), "card-ab1003", w.clock()))
		w.wantReason(b.post("/login/qr", "flow", flow), devicebind.ReasonAttemptOver)
		// A step-up takes no other person's phone.
		phone := w.phoneOf("ab1004", w.cardOf("ab1004", 3, true))
		b = w.browser()
		b.cookies["idp-session"] = ""
		w.must(w.db.SetState(w.Context(), w.person["ab1001"].ID, idp.PersonEnabled, w.clock()))
		b.in("ab1001")
		ask := documents
		ask.MinLevel = idp.LevelTwo
		flow = b.begin(ask)
		s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
		w.must(err)
		w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
		w.wantReason(b.post("/login/qr", "flow", flow), idp.ReasonOtherPerson)
		b.wantWho("ab1001")
	})
}

func TestT142_FloodsAreLimited(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		for i := range 6 {
			b := w.browser()
			s, err := w.scan(w.nodes[i%2], phone, b.qr(b.begin(documents), templates.QRWaiting).Link)
			if i < 3 {
				w.must(err)
				continue
			}
			if !deniedFor(err, devicebind.ReasonScanLimit) {
				w.Fatalf("open request %d: %v, %+v", i+1, err, s)
			}
		}
	})
}

func TestQR_FarAwayIsNotEnough(t *testing.T) {
	onTwins(t, func(w *twins) {
		card := w.cardOf("ab1001", 0, true)
		phone := w.phoneOf("ab1001", card)
		login := func(b *browser) answer {
			flow := b.begin(documents)
			s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
			w.must(err)
			w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
			return b.post("/login/qr", "flow", flow)
		}
		b := w.browser()
		b.outside = true
		a := login(b)
		w.wantReason(a, "phone_far")
		if v := a.view.(templates.Login); v.Tab != templates.TabCard || v.Passkey == nil {
			w.Errorf("the way on: %+v", v)
		}
		if who, _ := b.current(); who != "" {
			w.Fatal("a session was opened")
		}
		w.wantEvent("login.phone", "phone_far")
		// A password makes no browser a known one; the card does, for its person.
		flow := b.begin(documents)
		w.wantNext(b.password(flow, "ab1001", "ab1001"+rightSuffix), flow)
		delete(b.cookies, "idp-session")
		w.wantReason(login(b), "phone_far")
		flow = b.begin(documents)
		w.wantNext(b.card(flow, card), flow)
		delete(b.cookies, "idp-session")
		if a := login(b); a.StatusCode != http.StatusSeeOther {
			w.Fatalf("in a browser that was used: %d, %+v", a.StatusCode, a.view)
		}
		b.wantWho("ab1001")
		// Not for another person, and not for ever.
		other := w.phoneOf("ab1002", w.cardOf("ab1002", 1, true))
		delete(b.cookies, "idp-session")
		phone, other = other, phone
		w.wantReason(login(b), "phone_far")
		phone = other
		w.later(181 * 24 * time.Hour)
		w.wantReason(login(b), "phone_far")
	})
}

func TestQR_EventsReachThePageOnAnyNode(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		b := w.browser()
		flow := b.begin(documents)
		server := w.nodes[1].realServer()
		req, err := http.NewRequestWithContext(t0(w), http.MethodGet, server.URL+"/login/qr/events?flow="+flow, nil)
		w.must(err)
		req.AddCookie(&http.Cookie{Name: "idp-flow", Value: b.cookies["idp-flow"]})
		res, err := http.DefaultClient.Do(req)
		w.must(err)
		defer res.Body.Close()
		if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
			w.Fatalf("content type %q", kind)
		}
		lines := bufio.NewScanner(res.Body)
		next := func(state string) (s struct{ State, Link, Number string }) {
			for lines.Scan() {
				if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					w.must(json.Unmarshal([]byte(data), &s))
					if s.State != state {
						w.Fatalf("state %q, want %q", s.State, state)
					}
					return s
				}
			}
			w.Fatalf("no %s: %v", state, lines.Err())
			return s
		}
		code := next(templates.QRWaiting).Link
		s, err := w.scan(w.nodes[0], phone, code)
		w.must(err)
		number := next(templates.QRScanned).Number
		w.must(w.decide(w.nodes[0], phone, s, devicebind.VerdictApprove, number))
		next(templates.QRApproved)
		if lines.Scan() && lines.Text() != "" {
			w.Errorf("goes on: %q", lines.Text())
		}
	})
}
