package devicebind_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/devicebind/devicetest"
)

// Wrong PINs suspend the phone, however many are tried at once.
func TestPIN_FiveWrongSuspend(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		_, s, number := w.scanned(p)
		bad, err := p.NewDecision(s, devicebind.VerdictApprove, number, "999998", w.clock())
		w.must(err)
		_, failed := together(32, func(i int) error { return w.nodes[i%2].attempts.Decide(w.ctx, *bad) })
		looked := 0
		for _, err := range failed {
			w.denied(err, devicebind.ReasonPINWrong, devicebind.ReasonPINBlocked, devicebind.ReasonPhoneUnusable)
			if strings.Contains(err.Error(), string(devicebind.ReasonPINWrong)) {
				looked++
			}
		}
		if len(failed) != 32 || looked != 4 {
			w.Fatalf("%d refused, %d before the last", len(failed), looked)
		}
		w.denied(w.decide(w.nodes[0], p, s, devicebind.VerdictApprove, number), devicebind.ReasonPINBlocked, devicebind.ReasonPhoneUnusable)
		dev, _, err := w.nodes[1].db.Device(w.ctx, p.DeviceID)
		w.must(err)
		if dev.Standing(w.clock()) != devicebind.StandingSuspended {
			w.Fatal(dev.Standing(w.clock()))
		}
	})
}

func TestPIN_TheLastTryMayBeRight(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		pg, s, number := w.scanned(p)
		for range devicebind.MaxPINFailures - 1 {
			bad, err := p.NewDecision(s, devicebind.VerdictApprove, number, "999998", w.clock())
			w.must(err)
			w.denied(w.nodes[0].attempts.Decide(w.ctx, *bad), devicebind.ReasonPINWrong)
		}
		w.must(w.decide(w.nodes[1], p, s, devicebind.VerdictApprove, number))
		_, err := w.nodes[0].attempts.Use(w.ctx, pg.flow, pg.browser)
		w.must(err)
	})
}

func TestT141_SwappedRows(t *testing.T) {
	onBoth(t, func(w *world) {
		mine, theirs := w.phone(w.person()), w.phone(w.person())
		n := w.nodes[0]
		w.swap("devices", "id", mine.DeviceID, theirs.DeviceID)
		pg := w.page("docs")
		_, err := w.scan(n, mine, n.codes.Make(pg.flow, pc).Text)
		w.denied(err, devicebind.ReasonPhoneUnusable)
		if w.events("phone.tampered", "alarm") != 1 {
			w.Fatal("no alarm")
		}
		// The whole of another's row under one's own name.
		thief := *theirs
		thief.DeviceID = mine.DeviceID
		_, err = w.scan(n, &thief, n.codes.Make(pg.flow, pc).Text)
		w.denied(err, devicebind.ReasonPhoneUnusable)
	})
}

func TestPresence_WebAuthn(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p, auth := w.webauthnPhone(w.person())
		approve := func(a *devicetest.Authenticator, change func(*devicebind.DecideRequest, []byte) []byte) error {
			pg, s, number := w.scanned(p)
			_ = pg
			if s.Presence != devicebind.PresenceWebAuthn || s.Credential != base64.RawURLEncoding.EncodeToString(auth.ID) {
				w.Fatalf("%+v", s)
			}
			req, err := p.NewDecision(s, devicebind.VerdictApprove, number, "", w.clock())
			w.must(err)
			challenge := sum(devicebind.ApprovalBytes(origin, s.Nonce, *req))
			if change != nil {
				challenge = change(req, challenge)
			}
			if challenge != nil {
				req.WebAuthn = a.Get(challenge)
			}
			err = n.attempts.Decide(w.ctx, *req)
			w.later(4 * time.Minute)
			return err
		}
		w.must(approve(auth, nil))
		w.must(approve(auth, nil))
		foreign := devicetest.New(origin, auth.UserHandle)
		unverified, elsewhere, back := *auth, *auth, *auth
		unverified.Flags = 1
		elsewhere.Origin, elsewhere.RPID = "https://evil.example", "evil.example"
		back.Count = 0
		none := func(*devicebind.DecideRequest, []byte) []byte { return nil }
		w.denied(approve(foreign, nil), devicebind.ReasonPhoneProof)
		w.denied(approve(&unverified, nil), devicebind.ReasonPhoneProof)
		w.denied(approve(&elsewhere, nil), devicebind.ReasonPhoneProof)
		w.denied(approve(&back, nil), devicebind.ReasonPhoneProof)
		w.later(10 * time.Minute)
		w.denied(approve(auth, none), devicebind.ReasonPhoneProof)
		w.denied(approve(auth, func(d *devicebind.DecideRequest, c []byte) []byte { d.PIN = pin; return nil }), devicebind.ReasonPhoneProof)
		w.denied(approve(auth, func(_ *devicebind.DecideRequest, c []byte) []byte { return sum(c) }), devicebind.ReasonPhoneProof)
		w.must(approve(auth, nil))
	})
}

func TestPresence_RegistrationIsForThisKey(t *testing.T) {
	w := newWorld(t, sqliteOptions(t))
	_, l, claim := w.claim(w.person())
	auth := devicetest.New(origin, devicebind.EnrolKey(l.ID))
	claim.PIN = ""
	claim.WebAuthn = auth.Create(devicebind.EnrolChallenge(devicebind.EnrolKey(l.ID), []byte("another key")))
	_, err := w.nodes[0].enroller.Claim(w.ctx, l.ID, *claim)
	w.denied(err, devicebind.ReasonEnrolProof)
	claim.WebAuthn, claim.PIN = nil, ""
	_, err = w.nodes[0].enroller.Claim(w.ctx, l.ID, *claim)
	w.denied(err, devicebind.ReasonEnrolProof)
}

// webauthnPhone binds a phone with an authenticator of its own.
func (w *world) webauthnPhone(who devicebind.Who) (*app.Phone, *devicetest.Authenticator) {
	w.Helper()
	p, l, claim := w.claim(who)
	req, err := devicebind.ParseRequest(claim.CSR)
	w.must(err)
	auth := devicetest.New(origin, devicebind.EnrolKey(l.ID))
	claim.PIN, claim.WebAuthn = "", auth.Create(devicebind.EnrolChallenge(devicebind.EnrolKey(l.ID), req.Public))
	n := w.nodes[0]
	got, err := n.enroller.Claim(w.ctx, l.ID, *claim)
	w.must(err)
	_, err = n.enroller.Confirm(w.ctx, who, l.ID)
	w.must(err)
	c, err := n.enroller.Collect(w.ctx, l.ID, got.StatusToken)
	w.must(err)
	w.must(p.Complete(c))
	return p, auth
}
