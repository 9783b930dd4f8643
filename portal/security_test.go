package portal_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/portal"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

const origin = "http://localhost:8080"

// factorWorld is the portal with phones, one-time codes and passkeys.
type factorWorld struct {
	*world
	enroller *devicebind.Enroller
	devices  *devicebind.Devices
	card     softCard // of ab1001, bound
}

func withFactors(t *testing.T, test func(w *factorWorld)) {
	t.Run("sqlite", func(t *testing.T) {
		test(newFactors(newWorldOn(t, storetest.SQLite(t))))
	})
	t.Run("postgresql", func(t *testing.T) { test(newFactors(newWorldOn(t, storetest.PostgreSQL(t)))) })
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func newFactors(on *world) *factorWorld {
	w := &factorWorld{world: on}
	sealer, err := keys.NewSealer(make([]byte, 32))
	w.must(err)
	keeper, err := devicebind.NewKeeper(sealer)
	w.must(err)
	ca, err := keys.OpenDeviceCA(w.Context(), w.db.Keys(), sealer, w.clock())
	w.must(err)
	hasher := directory.NewHasher(directory.HasherOptions{Memory: 8, Time: 1})
	factors := &devicebind.Factors{Store: w.db, Now: w.clock, Letters: func(n devicebind.Notice) []outbox.Message {
		return []outbox.Message{outbox.NewMail("somebody@example.gov.tw", n.Kind, n.Name, n.At)}
	}}
	notifier := &devicebind.Notifier{Now: w.clock}
	w.enroller = &devicebind.Enroller{
		Store: w.db, CA: ca, Keeper: keeper, Hasher: hasher, Cards: w.db.CardsOf, Factors: factors, Notifier: notifier, Origin: origin, Now: w.clock,
	}
	w.devices = &devicebind.Devices{Store: w.db, Factors: factors, Keeper: keeper, Hasher: hasher, Origin: origin, Now: w.clock}
	w.portal.Factors = portal.Factors{
		Enroller: w.enroller, Devices: w.devices, Waiting: notifier, Fresh: factors, Holders: w.db, Stop: make(chan struct{}),
		OTP:      &devicebind.OTP{Store: w.db, Guesses: w.db, Keeper: keeper, Factors: factors, Issuer: "臺北", Now: w.clock},
		Passkeys: &devicebind.Passkeys{Store: w.db, Keeper: keeper, Factors: factors, Origin: origin, Name: "臺北", Now: w.clock},
		Apps:     []portal.AppLink{{Name: templates.AppAndroid, URL: origin + "/phone"}, {Name: templates.AppIOS, URL: origin + "/phone"}},
	}
	w.mux = &recorder{}
	w.portal.Mount(w.mux)
	w.card = w.bound("ab1001", 0)
	return w
}

// bound is a card of the person, bound through the wizard.
func (w *factorWorld) bound(account string, key int) softCard {
	w.Helper()
	card := w.newCard(key, w.person[account].Name, "000000000000"+account[2:], "6789")
	b := w.browser()
	b.in(account, idp.MethodPassword)
	v, ok := b.card(card).view.(templates.Bind)
	if !ok || v.Pending == "" {
		w.Fatalf("the card was not read: %+v", v)
	}
	b.post("/card/bind/confirm", "pending", v.Pending, "consent", "yes")
	return card
}

// page is the page of factors that an answer drew.
func (w *factorWorld) page(a answer) templates.Security {
	w.Helper()
	v, ok := a.view.(templates.Security)
	if a.StatusCode != http.StatusOK || !ok {
		w.Fatalf("got %d to %q, want the page of factors; drew %+v", a.StatusCode, a.to(), a.view)
	}
	return v
}

func (w *factorWorld) wantDone(a answer, done string) {
	w.Helper()
	if a.StatusCode != http.StatusSeeOther || a.to() != "/security?done="+done {
		w.Fatalf("got %d to %q, want done=%s; drew %+v", a.StatusCode, a.to(), done, a.view)
	}
}

func (w *factorWorld) wantLogin(a answer) {
	w.Helper()
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/login?flow=") {
		w.Fatalf("got %d to %q, want a login; drew %+v", a.StatusCode, a.to(), a.view)
	}
}

// mails takes the mails that wait.
func (w *factorWorld) mails() (subjects []string) {
	w.Helper()
	list, err := w.db.TakeMessages(w.Context(), w.clock().String(), w.clock(), w.clock().Add(time.Hour), 100)
	w.must(err)
	for _, m := range list {
		subjects = append(subjects, m.Subject)
	}
	return subjects
}

// wizard goes up to the key QR code, which it returns.
func (b *browser) wizard(w *factorWorld) templates.PhoneBind {
	b.Helper()
	a := b.do("POST", "/device/bind/sign", "cms="+urlEscape(w.card.sign(b.deviceChallenge())))
	v, ok := a.view.(templates.PhoneBind)
	if !ok || len(v.Ticks) != 3 || !v.Ticks[0].OK || !v.Ticks[1].OK || !v.Ticks[2].OK {
		b.Fatalf("the ticks: %d %+v", a.StatusCode, a.view)
	}
	if apps := b.get("/device/bind?step=3").view.(templates.PhoneBind).Apps; len(apps) != 2 || apps[0].Code.Size() == 0 {
		b.Fatalf("the app: %+v", apps)
	}
	a = b.post("/device/bind/start", "installed", "yes")
	if a.StatusCode != http.StatusSeeOther {
		b.Fatalf("start: %d %+v", a.StatusCode, a.view)
	}
	v, ok = b.get(a.to()).view.(templates.PhoneBind)
	if !ok || v.State != templates.KeyWaiting || v.Key.Size() == 0 || v.Link == "" {
		b.Fatalf("the key: %+v", v)
	}
	return v
}

func TestPhone_FiveSteps(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		if v := b.get("/").view.(templates.Home); !v.NoPhone {
			w.Error("the first page does not offer the binding")
		}
		v := b.wizard(w)
		link, err := app.ParseLink(v.Link)
		w.must(err)
		phone, claim := w.claim(link)
		claimed, err := w.enroller.Claim(w.Context(), link.ID, *claim)
		w.must(err)
		compare := b.get("/device/bind?step=5&id=" + v.ID).view.(templates.PhoneBind)
		if compare.State != templates.KeyClaimed || compare.Digits != claimed.Digits || compare.Device != "我的手機" {
			w.Fatalf("the digits: %+v, the phone has %s", compare, claimed.Digits)
		}
		other := w.browser() // another session of the same person sees nothing and confirms nothing
		other.in("ab1001", idp.MethodCard)
		other.post("/device/bind/confirm", "id", v.ID)
		if a := other.get("/device/bind?step=5&id=" + v.ID); a.StatusCode != http.StatusSeeOther {
			w.Errorf("another session: %d %+v", a.StatusCode, a.view)
		}
		a := b.post("/device/bind/confirm", "id", v.ID)
		if done := b.get(a.to()).view.(templates.PhoneBind); done.State != templates.KeyDone {
			w.Fatalf("confirmed: %+v", done)
		}
		if a := b.get("/device/bind/leave"); !strings.HasPrefix(a.to(), "/login/qr?flow=") {
			w.Errorf("leads to %q", a.to())
		}
		got, err := w.enroller.Collect(w.Context(), link.ID, claimed.StatusToken)
		w.must(err)
		w.must(phone.Complete(got))
		if m := w.mails(); len(m) != 1 || m[0] != "phone.bind" {
			w.Errorf("mails %v", m)
		}
		if list := w.page(b.get("/security")).Devices; len(list) != 1 || list[0].Name != "我的手機" || list[0].Standing != "active" {
			w.Errorf("the list: %+v", list)
		}
	})
}

func (w *factorWorld) claim(link app.Link) (*app.Phone, *devicebind.Claim) {
	w.Helper()
	key, err := app.NewKey(nil)
	w.must(err)
	p := &app.Phone{Origin: link.Origin, DeviceID: link.ID, Name: "我的手機", Key: key}
	claim, err := app.NewClaim(link, p, "Android", "294716")
	w.must(err)
	return p, claim
}

func TestPhone_WhoMayBind(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		out := w.browser()
		out.in("ab1001", idp.MethodCard)
		out.outside = true
		if v, ok := out.get("/device/bind").view.(templates.Error); !ok || v.Reason != idp.ReasonOutside {
			w.Errorf("from outside: %+v", v)
		}
		w.wantLogin(w.browser().get("/device/bind"))
		none := w.browser()
		none.in("ab1002", idp.MethodPassword)
		if a := none.get("/device/bind"); a.to() != "/card/bind" {
			w.Errorf("without a card: to %q", a.to())
		}
		// Straight to the key, without the card in this session, or too late.
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		w.wantDevice(b.post("/device/bind/start", "installed", "yes"), devicebind.ReasonEnrolFresh)
		b.wizard(w)
		w.later(10*time.Minute + time.Second)
		w.wantDevice(b.post("/device/bind/start", "installed", "yes"), devicebind.ReasonEnrolFresh)
		// Another person's card.
		other := w.bound("ab1003", 2)
		a := b.do("POST", "/device/bind/sign", "cms="+urlEscape(other.sign(b.deviceChallenge())))
		w.wantDevice(a, idp.ReasonCardMismatch)
		// A key that was cancelled, or is too old, binds nothing.
		v := b.wizard(w)
		b.post("/device/bind/cancel", "id", v.ID)
		link, err := app.ParseLink(v.Link)
		w.must(err)
		_, claim := w.claim(link)
		if _, err := w.enroller.Claim(w.Context(), link.ID, *claim); err == nil {
			w.Error("a cancelled key was taken")
		}
		if v := b.get("/device/bind?step=5&id=" + v.ID).view.(templates.PhoneBind); v.State != templates.KeyOver {
			w.Errorf("after the cancel: %+v", v)
		}
	})
}

func (w *factorWorld) wantDevice(a answer, reason idp.Reason) {
	w.Helper()
	if v, ok := a.view.(templates.PhoneBind); !ok || v.Reason != reason {
		w.Fatalf("got %d to %q, want %s; drew %+v", a.StatusCode, a.to(), reason, a.view)
	}
}

func TestT147_FactorsNeedAFreshStrongestLogin(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		b := w.browser()
		b.in("ab1001", idp.MethodPassword) // fresh, but this person has a card
		for _, path := range []string{"/security/otp/begin", "/security/otp/confirm"} {
			w.wantLogin(b.post(path, "code", "000000"))
		}
		if a := b.post("/security/passkey/options"); a.StatusCode != http.StatusUnauthorized {
			w.Errorf("passkey options: %d %s", a.StatusCode, a.body)
		}
		w.wantLogin(b.get("/security/confirm"))
		b.in("ab1001", idp.MethodCard)
		offer := w.page(b.post("/security/otp/begin")).Offer
		if offer == nil || offer.Code.Size() == 0 {
			w.Fatal("no offer")
		}
		wrong := w.page(b.post("/security/otp/confirm", "code", "000000"))
		if wrong.Reason != devicebind.ReasonOTPWrong || wrong.Offer == nil || wrong.Offer.Secret != offer.Secret {
			w.Errorf("after a wrong code: %+v", wrong)
		}
		code, err := totp.GenerateCode(offer.Secret, w.clock())
		w.must(err)
		if done := w.page(b.post("/security/otp/confirm", "code", code)); len(done.NewCodes) != devicebind.RecoveryCodes || !done.OTPBound {
			w.Fatalf("bound: %+v", done)
		}
		if again := w.page(b.get("/security")); len(again.NewCodes) != 0 || again.Recovery != devicebind.RecoveryCodes {
			w.Errorf("the recovery codes are shown again: %+v", again)
		}
		w.later(5*time.Minute + time.Second)
		w.wantLogin(b.post("/security/otp/remove"))
		w.wantLogin(b.post("/security/otp/renew"))
		b.in("ab1001", idp.MethodCard)
		w.wantDone(b.post("/security/otp/remove"), "no-otp")
		if m := strings.Join(w.mails(), " "); m != "otp.bind otp.remove" {
			w.Errorf("mails %s", m)
		}
		// Who has nothing but a password begins in the office.
		c := w.browser()
		c.in("ab1002", idp.MethodPassword)
		c.outside = true
		if v := w.page(c.post("/security/otp/begin")); v.Reason != idp.ReasonOutside || v.Offer != nil {
			w.Errorf("the first factor, from outside: %+v", v)
		}
	})
}

func TestSecurity_DevicesAreOnesOwn(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		v := b.wizard(w)
		link, err := app.ParseLink(v.Link)
		w.must(err)
		_, claim := w.claim(link)
		_, err = w.enroller.Claim(w.Context(), link.ID, *claim)
		w.must(err)
		b.post("/device/bind/confirm", "id", v.ID)
		w.bound("ab1003", 2)
		thief := w.browser()
		thief.in("ab1003", idp.MethodCard)
		thief.post("/security/device/revoke", "id", v.ID)
		thief.post("/security/device/rename", "id", v.ID, "name", "x")
		w.wantDone(b.post("/security/device/rename", "id", v.ID, "name", " 公務手機 "), "renamed")
		if list := w.page(b.get("/security")).Devices; len(list) != 1 || list[0].Name != "公務手機" {
			w.Errorf("the list: %+v", list)
		}
		w.later(6 * time.Minute)
		w.wantLogin(b.post("/security/device/revoke", "id", v.ID))
		b.in("ab1001", idp.MethodCard)
		w.wantDone(b.post("/security/device/revoke", "id", v.ID), "revoked")
		if list := w.page(b.get("/security")).Devices; len(list) != 0 {
			w.Errorf("after the removal: %+v", list)
		}
	})
}

func urlEscape(cms []byte) string {
	return url.QueryEscape(base64.StdEncoding.EncodeToString(cms))
}

// deviceChallenge fetches what the card has to sign in step 2.
func (b *browser) deviceChallenge() string {
	b.Helper()
	a := b.post("/device/bind/challenge")
	var v struct{ Challenge string }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Challenge == "" {
		b.Fatalf("challenge: %d %s", a.StatusCode, a.body)
	}
	return v.Challenge
}
