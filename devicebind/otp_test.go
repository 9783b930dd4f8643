package devicebind_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

// bindOTP binds one-time codes to the person; code gives them at a time.
func (w *world) bindOTP(who devicebind.Who) (recovery []string, code func(at time.Time) string) {
	w.Helper()
	o := w.nodes[0].otp
	offer, err := o.Begin(w.ctx, who)
	w.must(err)
	code = func(at time.Time) string {
		c, err := totp.GenerateCode(offer.Secret, at)
		w.must(err)
		return c
	}
	recovery, err = o.Confirm(w.ctx, who, code(w.clock()))
	w.must(err)
	return recovery, code
}

func TestOTP_Binding(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		a, b := w.nodes[0].otp, w.nodes[1].otp
		offer, err := a.Begin(w.ctx, who)
		w.must(err)
		again, err := b.Begin(w.ctx, who) // the page was reloaded
		w.must(err)
		if *again != *offer {
			w.Fatalf("%+v, then %+v", offer, again)
		}
		u, err := url.Parse(offer.URI)
		w.must(err)
		if u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("secret") != offer.Secret || u.Query().Get("issuer") != "臺北通" || len(offer.Secret) != 32 {
			w.Fatal(offer.URI)
		}
		w.denied(a.Verify(w.ctx, who.Person.ID, "000000"), devicebind.ReasonOTPWrong)
		if _, err := a.Confirm(w.ctx, who, "abcdef"); err == nil {
			w.Fatal("bound by a wrong code")
		}
		// Another session can't complete it.
		other := w.login(who.Person, idp.Evidence{Method: idp.MethodCard, Card: "card-" + who.Person.ID})
		code, err := totp.GenerateCode(offer.Secret, w.clock())
		w.must(err)
		_, err = b.Confirm(w.ctx, other, code)
		w.denied(err, devicebind.ReasonOTPWrong)
		recovery, err := b.Confirm(w.ctx, who, code)
		w.must(err)
		state, err := a.Of(w.ctx, who.Person.ID)
		w.must(err)
		if len(recovery) != devicebind.RecoveryCodes || !state.Bound || state.RecoveryLeft != devicebind.RecoveryCodes {
			w.Fatalf("%v %+v", recovery, state)
		}
		// The code that bound it is used.
		w.denied(a.Verify(w.ctx, who.Person.ID, code), devicebind.ReasonOTPWrong)
		w.must(b.Remove(w.ctx, who))
		if state, _ := a.Of(w.ctx, who.Person.ID); state.Bound {
			w.Fatal("still bound")
		}
		w.denied(a.Verify(w.ctx, who.Person.ID, recovery[0]), devicebind.ReasonOTPWrong)
	})
}

func TestT143_OneStepToEitherSideOnce(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		id := who.Person.ID
		_, code := w.bindOTP(who)
		a, b := w.nodes[0].otp, w.nodes[1].otp
		w.later(5 * time.Minute)
		now := w.clock()
		for _, off := range []time.Duration{-60 * time.Second, 60 * time.Second, -90 * time.Second} {
			w.denied(a.Verify(w.ctx, id, code(now.Add(off))), devicebind.ReasonOTPWrong)
		}
		w.must(a.Verify(w.ctx, id, code(now.Add(-30*time.Second))))
		for _, again := range []string{code(now.Add(-30 * time.Second)), " " + code(now.Add(-30 * time.Second))[:3] + " " + code(now.Add(-30 * time.Second))[3:]} {
			w.denied(b.Verify(w.ctx, id, again), devicebind.ReasonOTPWrong)
		}
		w.must(b.Verify(w.ctx, id, code(now)[:3]+" "+code(now)[3:]))
		w.denied(a.Verify(w.ctx, id, wide(code(now))), devicebind.ReasonOTPWrong)
		w.must(a.Verify(w.ctx, id, wide(code(now.Add(30*time.Second)))))
		w.denied(b.Verify(w.ctx, id, code(now.Add(30*time.Second))), devicebind.ReasonOTPWrong)
		// What comes before a used step is used too.
		w.denied(b.Verify(w.ctx, id, code(now)), devicebind.ReasonOTPWrong)
	})
}

func wide(digits string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, digits)
}

func TestT143_Race(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		_, code := w.bindOTP(who)
		w.later(time.Minute)
		text := code(w.clock())
		// The counters would lock long before 32; here only the step may decide.
		for _, n := range w.nodes {
			n.otp.Rules.MaxFailures, n.otp.Rules.Window, n.otp.Rules.Duration = 10, time.Nanosecond, time.Nanosecond
		}
		ok, _ := together(32, func(i int) error { return w.nodes[i%2].otp.Verify(w.ctx, who.Person.ID, text) })
		if ok > 1 {
			w.Fatalf("one code taken %d times", ok)
		}
	})
}

func TestT143_GuessesLock(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		recovery, code := w.bindOTP(who)
		w.later(time.Minute)
		_, failed := together(32, func(i int) error { return w.nodes[i%2].otp.Verify(w.ctx, who.Person.ID, "000000") })
		looked := 0
		for _, err := range failed {
			w.denied(err, devicebind.ReasonOTPWrong, idp.ReasonLocked)
			if strings.Contains(err.Error(), string(devicebind.ReasonOTPWrong)) {
				looked++
			}
		}
		if looked != 5 {
			w.Fatalf("%d of 32 guesses were looked at", looked)
		}
		w.denied(w.nodes[0].otp.Verify(w.ctx, who.Person.ID, code(w.clock())), idp.ReasonLocked)
		w.denied(w.nodes[0].otp.Verify(w.ctx, who.Person.ID, recovery[0]), idp.ReasonLocked)
		w.later(15*time.Minute + time.Second)
		w.must(w.nodes[0].otp.Verify(w.ctx, who.Person.ID, code(w.clock())))
	})
}

func TestOTP_RecoveryCodes(t *testing.T) {
	onBoth(t, func(w *world) {
		who, other := w.person(), w.person()
		id := who.Person.ID
		codes, _ := w.bindOTP(who)
		w.bindOTP(other)
		w.denied(w.nodes[0].otp.Verify(w.ctx, other.Person.ID, codes[0]), devicebind.ReasonOTPWrong)
		ok, _ := together(4, func(i int) error { return w.nodes[i%2].otp.Verify(w.ctx, id, codes[0]) })
		if ok != 1 {
			w.Fatalf("one recovery code taken %d times", ok)
		}
		w.must(w.nodes[1].otp.Verify(w.ctx, id, strings.ToUpper(strings.ReplaceAll(codes[1], "-", " "))))
		fresh, err := w.nodes[0].otp.Renew(w.ctx, who)
		w.must(err)
		w.denied(w.nodes[0].otp.Verify(w.ctx, id, codes[2]), devicebind.ReasonOTPWrong)
		w.must(w.nodes[0].otp.Verify(w.ctx, id, fresh[2]))
		if state, _ := w.nodes[1].otp.Of(w.ctx, id); state.RecoveryLeft != devicebind.RecoveryCodes-1 {
			w.Fatalf("%+v", state)
		}
	})
}

func TestT141_SwappedTOTP(t *testing.T) {
	onBoth(t, func(w *world) {
		mine, theirs := w.person(), w.person()
		_, code := w.bindOTP(mine)
		w.bindOTP(theirs)
		w.later(time.Minute)
		w.swap("totp", "person_id", mine.Person.ID, theirs.Person.ID)
		// The thief knows the secret that lies in the victim's row now.
		w.denied(w.nodes[0].otp.Verify(w.ctx, theirs.Person.ID, code(w.clock())), devicebind.ReasonOTPWrong)
		if w.events("otp.tampered", "alarm") != 1 {
			w.Fatal("no alarm")
		}
	})
}

func TestT147_FactorsNeedAFreshStrongestLogin(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.phone(who)
		auth, key := w.passkey(who)
		_ = auth
		w.bindOTP(who)
		w.mails()
		w.later(5*time.Minute + time.Second)
		// A fresh password is not the strongest that a holder of a card has.
		weak := w.login(who.Person, idp.Evidence{Method: idp.MethodPassword})
		for _, stale := range []devicebind.Who{who, weak} {
			n := w.nodes[1]
			for name, act := range map[string]func() error{
				"revoke phone":   func() error { return n.devices.Revoke(w.ctx, stale, p.DeviceID) },
				"begin otp":      func() error { _, err := n.otp.Begin(w.ctx, stale); return err },
				"confirm otp":    func() error { _, err := n.otp.Confirm(w.ctx, stale, "123456"); return err },
				"renew recovery": func() error { _, err := n.otp.Renew(w.ctx, stale); return err },
				"remove otp":     func() error { return n.otp.Remove(w.ctx, stale) },
				"begin passkey":  func() error { _, err := n.passkeys.BeginAdd(w.ctx, stale); return err },
				"add passkey":    func() error { _, err := n.passkeys.Add(w.ctx, stale, "x", nil); return err },
				"remove passkey": func() error { return n.passkeys.Remove(w.ctx, stale, key.ID) },
			} {
				w.Log(name)
				w.denied(act(), devicebind.ReasonFactorFresh)
			}
		}
		if m := w.mails(); len(m) != 0 {
			w.Fatalf("told of %v, which did not happen", m)
		}
		fresh := w.login(who.Person, idp.Evidence{Method: idp.MethodCard, Card: "card-" + who.Person.ID})
		w.must(w.nodes[0].devices.Revoke(w.ctx, fresh, p.DeviceID))
		w.must(w.nodes[0].otp.Remove(w.ctx, fresh))
		w.must(w.nodes[0].passkeys.Remove(w.ctx, fresh, key.ID))
		if m := w.mails(); len(m) != 3 {
			w.Fatalf("told of %v", m)
		}
	})
}

func TestFactors_Strongest(t *testing.T) {
	onBoth(t, func(w *world) {
		f := w.nodes[0].devices.Factors
		who := w.person()
		level := func() idp.Level {
			l, err := f.Strongest(w.ctx, who.Person.ID)
			w.must(err)
			return l
		}
		if level() != idp.LevelCard {
			w.Fatal(level())
		}
		w.bindOTP(who)
		w.must(w.nodes[0].db.UnbindCard(w.ctx, "card-"+who.Person.ID, w.clock()))
		if level() != idp.LevelTwo {
			w.Fatal(level())
		}
		w.must(w.nodes[0].db.RemoveTOTP(w.ctx, who.Person.ID, devicebind.With{}))
		if level() != idp.LevelPassword {
			w.Fatal(level())
		}
	})
}

func TestDevices_OnlyOnesOwn(t *testing.T) {
	onBoth(t, func(w *world) {
		mine, other := w.person(), w.person()
		p := w.phone(mine)
		d := w.nodes[0].devices
		if err := d.Rename(w.ctx, other, p.DeviceID, "x"); err == nil {
			w.Fatal("renamed another's")
		}
		if err := d.Revoke(w.ctx, other, p.DeviceID); err == nil {
			w.Fatal("revoked another's")
		}
		w.must(d.Rename(w.ctx, mine, p.DeviceID, "公務手機"))
		if err := d.Rename(w.ctx, mine, p.DeviceID, "a\nb"); err == nil {
			w.Fatal("a name of two lines")
		}
		self, err := p.NewSelf(devicebind.SelfStatus, "", w.clock())
		w.must(err)
		dev, person, err := d.Status(w.ctx, *self)
		w.must(err)
		if dev.Name != "公務手機" || person.ID != mine.Person.ID {
			w.Fatalf("%+v", dev)
		}
		// A word about one thing is none about another.
		w.denied(d.Unbind(w.ctx, *self), devicebind.ReasonPhoneProof)
		changed := *self
		changed.Action = devicebind.SelfUnbind
		w.denied(d.Unbind(w.ctx, changed), devicebind.ReasonPhoneProof)
		w.later(2 * time.Minute)
		_, _, err = d.Status(w.ctx, *self)
		w.denied(err, devicebind.ReasonPhoneClock)
	})
}
