package login_test

import (
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/templates"
)

// "This was not me", at the very moment when the browser goes on: whichever comes
// first, nobody is logged in by it afterwards, and the browser is not known.
func TestQR_ReportedWhileItIsUsed(t *testing.T) {
	onTwins(t, func(w *twins) {
		phone := w.phoneOf("ab1001", w.cardOf("ab1001", 0, true))
		for range 6 {
			b := w.browser()
			flow := b.begin(documents)
			s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
			w.must(err)
			w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
			report, err := phone.NewDecision(s, devicebind.VerdictReport, "", "", w.clock())
			w.must(err)
			reported := make(chan error, 1)
			go func() {
				_, err := w.nodes[1].attempts.Report(w.Context(), *report)
				reported <- err
			}()
			b.post("/login/qr", "flow", flow)
			w.must(<-reported)
			if who, _ := b.current(); who != "" {
				w.Fatalf("%s is still logged in", who)
			}
			sessions, err := w.db.PersonSessions(w.Context(), w.person["ab1001"].ID, w.clock())
			w.must(err)
			for _, left := range sessions {
				if left.Evidence[0].Method == idp.MethodPhone {
					w.Fatalf("a session is left: %+v", left)
				}
			}
			w.later(4 * time.Minute)
		}
		// Away from the city's network, the browser counts no more.
		b := w.browser()
		flow := b.begin(documents)
		s, err := w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
		w.must(err)
		w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
		w.wantNext(b.post("/login/qr", "flow", flow), flow)
		if b.cookies["idp-known"] == "" {
			w.Fatal("the browser was not noted")
		}
		report, err := phone.NewDecision(s, devicebind.VerdictReport, "", "", w.clock())
		w.must(err)
		ended, err := w.nodes[0].attempts.Report(w.Context(), *report)
		if err != nil || ended != devicebind.EndedSession {
			w.Fatal(ended, err)
		}
		w.later(time.Minute)
		b.outside = true
		flow = b.begin(documents)
		s, err = w.scan(w.nodes[1], phone, b.qr(flow, templates.QRWaiting).Link)
		w.must(err)
		w.must(w.decide(w.nodes[1], phone, s, devicebind.VerdictApprove, b.qr(flow, templates.QRScanned).Number))
		b.post("/login/qr", "flow", flow)
		if who, _ := b.current(); who != "" {
			w.Errorf("%s is logged in from outside", who)
		}
	})
}
