package devicebind_test

import (
	"strings"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
)

// passwordOnly is the person who has lost the card and logs in by password.
func (w *world) passwordOnly(who devicebind.Who) devicebind.Who {
	w.Helper()
	return w.login(who.Person, idp.Evidence{Method: idp.MethodPassword})
}

func (w *world) wantStrongest(who devicebind.Who, want idp.Level) {
	w.Helper()
	got, err := w.nodes[1].enroller.Factors.Strongest(w.ctx, who.Person.ID)
	w.must(err)
	if got != want {
		w.Fatalf("the strongest is level %d, want %d", got, want)
	}
}

// Who has the password, and can make a phone unusable, has not lowered the bar
// by that: the phone still counts until it is taken away.
func TestT147_AnUnusablePhoneStillCounts(t *testing.T) {
	for name, spoil := range map[string]func(w *world, who devicebind.Who, p *app.Phone){
		"wrong PINs": func(w *world, _ devicebind.Who, p *app.Phone) {
			_, s, number := w.scanned(p)
			for range devicebind.MaxPINFailures {
				req, err := p.NewDecision(s, devicebind.VerdictApprove, number, "918273", w.clock())
				w.must(err)
				_ = w.nodes[0].attempts.Decide(w.ctx, *req)
			}
		},
		"suspended": func(w *world, _ devicebind.Who, p *app.Phone) {
			w.must(w.nodes[0].devices.SuspendFor(w.ctx, p.DeviceID, true, "helpdesk", "lost"))
		},
		"its card unbound": func(*world, devicebind.Who, *app.Phone) {},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(w *world) {
				who := w.person()
				p := w.phone(who)
				spoil(w, who, p)
				w.must(w.nodes[0].db.UnbindCard(w.ctx, "card-"+who.Person.ID, w.clock()))
				w.wantStrongest(who, idp.LevelTwo)
				thief := w.passwordOnly(who)
				n := w.nodes[1]
				_, err := n.otp.Begin(w.ctx, thief)
				w.denied(err, devicebind.ReasonFactorFresh)
				_, err = n.passkeys.BeginAdd(w.ctx, thief)
				w.denied(err, devicebind.ReasonFactorFresh)
				w.denied(n.devices.Revoke(w.ctx, thief, p.DeviceID), devicebind.ReasonFactorFresh)
				// The helpdesk is the honest person's way.
				w.must(n.devices.RevokeFor(w.ctx, p.DeviceID, "helpdesk", "came to the counter"))
				w.wantStrongest(who, idp.LevelPassword)
				if _, err := n.otp.Begin(w.ctx, w.passwordOnly(who)); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestT147_CodesAndPasskeysCount(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		n := w.nodes[0]
		_, key := w.passkey(who)
		w.must(n.db.UnbindCard(w.ctx, "card-"+who.Person.ID, w.clock()))
		w.wantStrongest(who, idp.LevelTwo)
		_, err := n.otp.Begin(w.ctx, w.passwordOnly(who))
		w.denied(err, devicebind.ReasonFactorFresh)
		w.must(n.passkeys.RemoveFor(w.ctx, key.ID, "helpdesk", "lost"))
		w.wantStrongest(who, idp.LevelPassword)
		bare := w.passwordOnly(who)
		w.bindOTP(bare)
		w.wantStrongest(who, idp.LevelTwo)
		_, err = n.passkeys.BeginAdd(w.ctx, bare)
		w.denied(err, devicebind.ReasonFactorFresh)
		w.must(n.otp.RemoveFor(w.ctx, who.Person, "helpdesk", "new telephone"))
		w.wantStrongest(who, idp.LevelPassword)
	})
}

// Whoever only holds an unlocked phone does not take it off its person.
func TestT147_UnbindingAsksPresence(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, n := w.phone(who), w.nodes[0]
		unbind := func(given string) error {
			self, err := p.NewSelf(devicebind.SelfUnbind, given, w.clock())
			w.must(err)
			return n.devices.Unbind(w.ctx, *self)
		}
		w.denied(unbind(""), devicebind.ReasonPhoneProof)
		w.denied(unbind("918273"), devicebind.ReasonPINWrong)
		w.must(unbind(pin))
		w.must(unbind(pin)) // the answer was lost on its way
		if w.events("phone.revoke", "ok") != 1 || w.events("phone.revoke", "pin_wrong") != 1 {
			w.Fatal("it is not on record")
		}
		// The PIN is the same that approves, counted together.
		p = w.phone(who)
		for range devicebind.MaxPINFailures - 1 {
			w.denied(unbind("918273"), devicebind.ReasonPINWrong)
		}
		w.denied(unbind("918273"), devicebind.ReasonPINBlocked)
		w.denied(unbind(pin), devicebind.ReasonPINBlocked)
		// With an authenticator of its own it is that, over what was signed.
		p, auth := w.webauthnPhone(who)
		self, err := p.NewSelf(devicebind.SelfUnbind, pin, w.clock())
		w.must(err)
		w.denied(n.devices.Unbind(w.ctx, *self), devicebind.ReasonPhoneProof)
		self.PIN, self.WebAuthn = "", auth.Get(sum([]byte("something else")))
		w.denied(n.devices.Unbind(w.ctx, *self), devicebind.ReasonPhoneProof)
		self.WebAuthn = auth.Get(sum(devicebind.SelfBytes(origin, *self)))
		w.must(n.devices.Unbind(w.ctx, *self))
	})
}

func TestDevices_ByTheHelpdesk(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p, d := w.phone(who), w.nodes[0].devices
		w.mails()
		w.must(d.RenameFor(w.ctx, p.DeviceID, "公務機", "operator:wang", "asked by telephone"))
		w.must(d.SuspendFor(w.ctx, p.DeviceID, true, "operator:wang", "lost"))
		if err := d.SuspendFor(w.ctx, p.DeviceID, true, "operator:wang", "lost"); err == nil {
			w.Fatal("suspended twice")
		}
		w.must(d.SuspendFor(w.ctx, p.DeviceID, false, "operator:wang", "found"))
		if err := d.SuspendFor(w.ctx, p.DeviceID, false, "operator:wang", "found"); err == nil {
			w.Fatal("resumed twice")
		}
		w.must(d.RevokeFor(w.ctx, p.DeviceID, "operator:wang", "sold"))
		for name, err := range map[string]error{
			"rename": d.RenameFor(w.ctx, p.DeviceID, "x", "operator:wang", "why"), "suspend": d.SuspendFor(w.ctx, p.DeviceID, true, "operator:wang", "why"),
			"revoke": d.RevokeFor(w.ctx, p.DeviceID, "operator:wang", "why"),
		} {
			if err == nil {
				w.Fatalf("%s of a revoked phone", name)
			}
		}
		if got := strings.Join(w.mails(), " "); got != "phone.rename phone.suspend phone.resume phone.revoke" {
			w.Fatalf("mails: %s", got)
		}
		for _, kind := range []string{"phone.rename", "phone.suspend", "phone.resume", "phone.revoke"} {
			if w.events(kind, "ok") != 1 {
				w.Fatalf("%s is not on record", kind)
			}
		}
	})
}
