package devicebind_test

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/store"
)

// report says of what the phone scanned that it was not its person.
func (w *world) report(n *node, p *app.Phone, s *devicebind.Scanned) (devicebind.Ended, error) {
	w.Helper()
	req, err := p.NewDecision(s, devicebind.VerdictReport, "", "", w.clock())
	w.must(err)
	return n.attempts.Report(w.ctx, *req)
}

// alarms are the reports on record, newest first.
func (w *world) alarms() (found []idp.Event) {
	w.Helper()
	list, err := w.nodes[0].db.Events(w.ctx, store.EventFilter{Limit: 1000})
	w.must(err)
	for _, e := range list {
		if e.Kind == "phone.report" && e.Result == "alarm" {
			found = append(found, e)
		}
	}
	return found
}

// wantAlarm asserts that so many reports are on record, the newest of this one.
func (w *world) wantAlarm(n int, personID string, s *devicebind.Scanned, said ...string) {
	w.Helper()
	alarms := w.alarms()
	if len(alarms) != n {
		w.Fatalf("%d alarms, want %d", len(alarms), n)
	}
	e := alarms[0]
	if e.PersonID != personID || e.ClientID != "docs" || e.Address != "10.1.2.3" || !strings.Contains(e.Detail, "attempt "+s.Attempt) {
		w.Fatalf("the alarm says %+v", e)
	}
	for _, want := range said {
		if !strings.Contains(e.Detail, want) {
			w.Fatalf("the alarm says %q, not %q", e.Detail, want)
		}
	}
}

func TestReport_AfterTheEnd(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[1]
		for i, end := range []func(s *devicebind.Scanned, number string){
			func(*devicebind.Scanned, string) { w.later(2 * time.Minute) }, // too old
			func(s *devicebind.Scanned, _ string) { w.must(w.decide(n, p, s, devicebind.VerdictDeny, "")) },
			func(s *devicebind.Scanned, number string) {
				w.denied(w.decide(n, p, s, devicebind.VerdictApprove, wrong(number)), devicebind.ReasonNumberWrong)
			},
		} {
			_, s, number := w.scanned(p)
			end(s, number)
			ended, err := w.report(n, p, s)
			w.must(err)
			if ended != devicebind.EndedLogin {
				w.Fatalf("ended %q", ended)
			}
			w.wantAlarm(i+1, who.Person.ID, s, "Chrome", "Windows", "city", "sessions ended: 0")
			w.later(4 * time.Minute)
		}
	})
}

func TestReport_EndsAnApprovalThatWasNotUsed(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[0]
		pg, s, number := w.scanned(p)
		w.must(w.decide(n, p, s, devicebind.VerdictApprove, number))
		changed, stop := w.nodes[1].notifier.Wait(pg.browser)
		defer stop()
		ended, err := w.report(w.nodes[1], p, s)
		w.must(err)
		<-changed
		if ended != devicebind.EndedLogin {
			w.Fatalf("ended %q", ended)
		}
		w.look(n, pg, devicebind.AttemptDenied)
		_, err = n.attempts.Use(w.ctx, pg.flow, pg.browser)
		w.denied(err, devicebind.ReasonAttemptOver)
		w.wantAlarm(1, who.Person.ID, s, "approved")
	})
}

// sessions are those of a person that live.
func (w *world) sessions(personID string) (ids []string) {
	w.Helper()
	list, err := w.nodes[1].db.PersonSessions(w.ctx, personID, w.clock())
	w.must(err)
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// used is a session that the phone's approval opened.
func (w *world) used(who devicebind.Who, p *app.Phone) (*devicebind.Scanned, devicebind.Who) {
	w.Helper()
	n := w.nodes[0]
	pg, s, number := w.scanned(p)
	w.must(w.decide(n, p, s, devicebind.VerdictApprove, number))
	used, err := n.attempts.Use(w.ctx, pg.flow, pg.browser)
	w.must(err)
	if used.Attempt != s.Attempt {
		w.Fatalf("used %q, approved %q", used.Attempt, s.Attempt)
	}
	return s, w.login(who.Person, idp.Evidence{Method: idp.MethodPhone, Device: used.DeviceID, Near: true, Act: used.Attempt})
}

func TestReport_EndsTheSessionThatTheApprovalOpened(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.phone(who)
		_, mine := w.used(who, p) // an honest one by the same phone
		s, theirs := w.used(who, p)
		ended, err := w.report(w.nodes[1], p, s)
		w.must(err)
		if ended != devicebind.EndedSession {
			w.Fatalf("ended %q", ended)
		}
		for _, id := range w.sessions(who.Person.ID) {
			if id == theirs.Session.ID {
				w.Fatal("the session goes on")
			}
		}
		if left := w.sessions(who.Person.ID); len(left) != 2 { // the card's and the honest one
			w.Fatalf("%d sessions are left, of %s and %s", len(left), who.Session.ID, mine.Session.ID)
		}
		w.wantAlarm(1, who.Person.ID, s, "used", "sessions ended: 1")
		// Again: it is on record, and there was nothing more to end.
		if ended, err = w.report(w.nodes[0], p, s); err != nil || ended == devicebind.EndedSession {
			w.Fatal(ended, err)
		}
	})
}

// An attempt is forgotten some minutes after its end, and when its browser shows
// another code; its session lives for hours.
func TestReport_OfAForgottenAttempt(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[0]
		s, _ := w.used(who, p)
		w.later(time.Hour)
		_, err := n.db.Prune(w.ctx, w.clock())
		w.must(err)
		if _, err := n.db.Attempt(w.ctx, rawID(w, s.Attempt)); err == nil {
			w.Fatal("the attempt is still there")
		}
		stranger := w.phone(w.person())
		// Another's phone signs as its own: it ends nothing of this person's.
		lie := *stranger
		ended, err := w.report(n, &lie, s)
		w.must(err)
		if ended != devicebind.EndedNothing || len(w.sessions(who.Person.ID)) != 2 {
			w.Fatalf("a stranger ended %q", ended)
		}
		// Nor does a phone without the right key, or a message without the nonce.
		thief := *p
		thief.Key = stranger.Key
		_, err = w.report(n, &thief, s)
		w.denied(err, devicebind.ReasonPhoneProof)
		req, err := p.NewDecision(s, devicebind.VerdictReport, "", "", w.clock())
		w.must(err)
		req.Nonce = ""
		_, err = n.attempts.Report(w.ctx, *req)
		w.denied(err, devicebind.ReasonAttemptOver)

		w.later(time.Millisecond)
		ended, err = w.report(n, p, s)
		w.must(err)
		if ended != devicebind.EndedSession || len(w.sessions(who.Person.ID)) != 1 {
			w.Fatalf("ended %q", ended)
		}
		w.wantAlarm(1, who.Person.ID, s, "sessions ended: 1")
	})
}

// Who lost their phone's right to log in may still say that it was not them.
func TestReport_ByASuspendedPhone(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.phone(who)
		_, s, _ := w.scanned(p)
		w.must(w.nodes[1].devices.SuspendFor(w.ctx, p.DeviceID, true, "helpdesk", "lost"))
		_, err := w.report(w.nodes[0], p, s)
		w.must(err)
		w.wantAlarm(1, who.Person.ID, s)
		// A signature of long ago is refused.
		req, err := p.NewDecision(s, devicebind.VerdictReport, "", "", w.clock().Add(-2*time.Minute))
		w.must(err)
		_, err = w.nodes[0].attempts.Report(w.ctx, *req)
		w.denied(err, devicebind.ReasonPhoneClock)
	})
}

// Whoever comes first: after a report nothing is approved, and nothing used.
func TestReport_RaceWithApprovalAndUse(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.phone(who)
		for range 8 {
			pg, s, number := w.scanned(p)
			approve, err := p.NewDecision(s, devicebind.VerdictApprove, number, pin, w.clock())
			w.must(err)
			report, err := p.NewDecision(s, devicebind.VerdictReport, "", "", w.clock())
			w.must(err)
			together(2, func(i int) error {
				if i == 0 {
					return w.nodes[0].attempts.Decide(w.ctx, *approve)
				}
				_, err := w.nodes[1].attempts.Report(w.ctx, *report)
				return err
			})
			w.look(w.nodes[0], pg, devicebind.AttemptDenied)
			_, err = w.nodes[0].attempts.Use(w.ctx, pg.flow, pg.browser)
			w.denied(err, devicebind.ReasonAttemptOver)
			w.later(4 * time.Minute)
		}
	})
}

// Who has a phone that may not log in any more can raise no alarms by it, nor make
// every browser of its owner a new one.
func TestReport_CannotBeUsedToHarass(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[0]
		w.must(w.nodes[1].devices.SuspendFor(w.ctx, p.DeviceID, true, "helpdesk", "lost"))
		known := []byte("a browser of the owner's")
		w.must(n.db.RememberBrowser(w.ctx, who.Person.ID, known, w.clock()))
		for range 5 {
			id := make([]byte, 32)
			rand.Read(id)
			random := base64.RawURLEncoding.EncodeToString(id)
			made := &devicebind.Scanned{Attempt: base64.RawURLEncoding.EncodeToString(id[:16]), Nonce: random, ClientID: "docs"}
			req, err := p.NewDecision(made, devicebind.VerdictReport, "", "", w.clock())
			w.must(err)
			ended, err := n.attempts.Report(w.ctx, *req)
			w.must(err)
			if ended != devicebind.EndedNothing {
				w.Fatalf("ended %q", ended)
			}
		}
		if alarms := w.alarms(); len(alarms) != 0 {
			w.Errorf("alarms: %+v", alarms)
		}
		if _, err := n.db.KnownBrowser(w.ctx, who.Person.ID, known); err != nil {
			w.Errorf("the owner's browser: %v", err)
		}
	})
}

// Who got in by a phone's approval may have added ways to come back.
func TestReport_TakesBackWhatWasAdded(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[0]
		_, mine := w.passkey(who) // the owner's, in another session
		w.later(time.Minute)
		s, thief := w.used(who, p)
		thief.Session.Evidence = append(thief.Session.Evidence, idp.Evidence{Method: idp.MethodCard, At: w.clock(), Card: "card-" + who.Person.ID})
		theirs := w.phone(thief)
		_, key := w.passkey(thief)
		// And what was added by what was added.
		again := w.login(who.Person, idp.Evidence{Method: idp.MethodPasskey, Passkey: base64.RawURLEncoding.EncodeToString(key.ID)},
			idp.Evidence{Method: idp.MethodCard, Card: "card-" + who.Person.ID})
		third := w.phone(again)
		w.later(time.Minute)
		ended, err := w.report(w.nodes[1], p, s)
		w.must(err)
		if ended != devicebind.EndedSession {
			w.Fatalf("ended %q", ended)
		}
		for id, want := range map[string]devicebind.Standing{
			p.DeviceID: devicebind.StandingActive, theirs.DeviceID: devicebind.StandingSuspended, third.DeviceID: devicebind.StandingSuspended,
		} {
			dev, _, err := n.db.Device(w.ctx, id)
			w.must(err)
			if got := dev.Standing(w.clock()); got != want {
				w.Errorf("phone %s is %s, want %s", id, got, want)
			}
		}
		keys, err := n.db.PasskeysOf(w.ctx, who.Person.ID)
		w.must(err)
		if len(keys) != 1 || string(keys[0].ID) != string(mine.ID) {
			w.Errorf("passkeys left: %+v", keys)
		}
		if left := w.sessions(who.Person.ID); len(left) != 1 || left[0] != who.Session.ID {
			w.Errorf("sessions left: %q", left)
		}
		w.wantAlarm(1, who.Person.ID, s, "phone.bind "+theirs.DeviceID, "passkey.add", "phone.bind "+third.DeviceID)
		kinds := map[string]int{}
		list, err := n.db.Events(w.ctx, store.EventFilter{PersonID: who.Person.ID, Limit: 100})
		w.must(err)
		for _, e := range list {
			kinds[e.Kind]++
		}
		if kinds["phone.suspend"] != 2 || kinds["passkey.remove"] != 1 {
			w.Errorf("on record: %v", kinds)
		}
	})
}

// One-time codes have no name in a session: what was logged in by them since they
// were added was by them.
func TestReport_EndsWhatAddedOneTimeCodesOpened(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[0]
		mine := w.login(who.Person, idp.Evidence{Method: idp.MethodPassword}, idp.Evidence{Method: idp.MethodOTP})
		w.later(time.Minute)
		s, thief := w.used(who, p)
		thief.Session.Evidence = append(thief.Session.Evidence, idp.Evidence{Method: idp.MethodCard, At: w.clock(), Card: "card-" + who.Person.ID})
		w.bindOTP(thief)
		w.later(time.Minute)
		again := w.login(who.Person, idp.Evidence{Method: idp.MethodPassword}, idp.Evidence{Method: idp.MethodOTP})
		again.Session.Evidence = append(again.Session.Evidence, idp.Evidence{Method: idp.MethodCard, At: w.clock(), Card: "card-" + who.Person.ID})
		third := w.phone(again)
		_, err := w.report(w.nodes[1], p, s)
		w.must(err)
		left := w.sessions(who.Person.ID)
		slices.Sort(left)
		if want := []string{who.Session.ID, mine.Session.ID}; !slices.Equal(left, want) {
			w.Errorf("sessions left: %q, want %q", left, want)
		}
		if state, err := n.otp.Of(w.ctx, who.Person.ID); err != nil || state.Bound {
			w.Errorf("one-time codes: %+v %v", state, err)
		}
		dev, _, err := n.db.Device(w.ctx, third.DeviceID)
		w.must(err)
		if got := dev.Standing(w.clock()); got != devicebind.StandingSuspended {
			w.Errorf("the phone that was added by a one-time code is %s", got)
		}
	})
}
