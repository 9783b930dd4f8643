package devicebind_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/devicetest"
)

func rawID(w *world, text string) []byte {
	w.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	w.must(err)
	return raw
}

// Cancelled on the phone at the six digits: the PC hears of it at once, on
// whatever node it waits.
func TestEnrol_CalledOffByThePhone(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		a, b := w.nodes[0], w.nodes[1]
		_, l, claim := w.claim(who)
		got, err := a.enroller.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		for _, stranger := range []string{"", "x", got.StatusToken + "A", strings.Repeat("A", 43)} {
			if err := b.enroller.Abandon(w.ctx, l.ID, stranger); !errors.Is(err, idp.ErrNotFound) {
				w.Fatalf("token %q: %v", stranger, err)
			}
		}
		changed, stop := b.notifier.Wait(devicebind.EnrolKey(l.ID))
		defer stop()
		w.must(b.enroller.Abandon(w.ctx, l.ID, got.StatusToken))
		<-changed
		view, err := a.enroller.Look(w.ctx, who, l.ID)
		w.must(err)
		if view.State != devicebind.EnrolOver || !view.Called {
			w.Fatalf("the PC sees %+v", view)
		}
		_, err = a.enroller.Confirm(w.ctx, who, l.ID)
		w.denied(err, devicebind.ReasonEnrolOver)
		w.denied(b.enroller.Abandon(w.ctx, l.ID, got.StatusToken), devicebind.ReasonEnrolOver)
		if w.events("phone.enrol", "cancelled") != 1 {
			w.Fatal("it is not on record")
		}
		if _, err := a.enroller.Begin(w.ctx, who); err != nil { // and it can be begun again
			w.Fatal(err)
		}
	})
}

func TestEnrol_CalledOffByThePC(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		a, b := w.nodes[0], w.nodes[1]
		_, l, claim := w.claim(who)
		got, err := a.enroller.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		w.must(b.enroller.Cancel(w.ctx, who, l.ID))
		c, err := a.enroller.Collect(w.ctx, l.ID, got.StatusToken)
		w.must(err)
		if c.State != devicebind.EnrolOver || !c.Called {
			w.Fatalf("the phone hears %+v", c)
		}
	})
}

// The PC says yes and the phone no, at once: one of them counts, for both.
func TestEnrol_CalledOffWhileConfirmed(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		_, l, claim := w.claim(who)
		got, err := w.nodes[0].enroller.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		ok, _ := together(2, func(i int) error {
			if i == 0 {
				_, err := w.nodes[0].enroller.Confirm(w.ctx, who, l.ID)
				return err
			}
			return w.nodes[1].enroller.Abandon(w.ctx, l.ID, got.StatusToken)
		})
		list, err := w.nodes[0].devices.Of(w.ctx, who.Person.ID)
		w.must(err)
		c, err := w.nodes[0].enroller.Collect(w.ctx, l.ID, got.StatusToken)
		w.must(err)
		if ok != 1 || (c.State == devicebind.EnrolDone) != (len(list) == 1) {
			w.Fatalf("%d succeeded, state %s, %d phones", ok, c.State, len(list))
		}
	})
}

// Where the phone has an authenticator, a PIN is no choice: not at the binding,
// and not later.
func TestPresence_NoPINBesideAnAuthenticator(t *testing.T) {
	onBoth(t, func(w *world) {
		n, who := w.nodes[0], w.person()
		p, l, claim := w.claim(who)
		claim.HasOwn = true
		_, err := n.enroller.Claim(w.ctx, l.ID, *claim)
		w.denied(err, devicebind.ReasonEnrolProof)
		req, err := devicebind.ParseRequest(claim.CSR)
		w.must(err)
		auth := devicetest.New(origin, devicebind.EnrolKey(l.ID))
		registered := auth.Create(devicebind.EnrolChallenge(devicebind.EnrolKey(l.ID), req.Public))
		both := *claim // the PIN beside it is refused as well
		both.WebAuthn = registered
		_, err = n.enroller.Claim(w.ctx, l.ID, both)
		w.denied(err, devicebind.ReasonEnrolProof)
		claim.WebAuthn, claim.PIN = registered, ""
		got, err := n.enroller.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		_, err = n.enroller.Confirm(w.ctx, who, l.ID)
		w.must(err)
		c, err := n.enroller.Collect(w.ctx, l.ID, got.StatusToken)
		w.must(err)
		w.must(p.Complete(c))
		list, err := n.devices.Of(w.ctx, who.Person.ID)
		w.must(err)
		if len(list) != 1 || list[0].Presence != devicebind.PresenceWebAuthn {
			w.Fatalf("kept as %+v", list)
		}
		pg, s, number := w.scanned(p)
		w.denied(w.decide(n, p, s, devicebind.VerdictApprove, number), devicebind.ReasonPhoneProof) // by PIN
		w.look(n, pg, devicebind.AttemptScanned)
	})
}
