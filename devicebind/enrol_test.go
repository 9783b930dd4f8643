package devicebind_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
)

func TestEnrol_Whole(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		a, b := w.nodes[0], w.nodes[1]
		p, l, claim := w.claim(who)
		changed, stop := a.notifier.Wait(devicebind.EnrolKey(l.ID))
		defer stop()
		got, err := a.enroller.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		<-changed
		digits, err := p.Digits(l)
		w.must(err)
		if got.Digits != digits || len(digits) != 6 || got.Name != "王○明" || got.Agency != "資訊局" {
			w.Fatalf("%+v, the phone says %s", got, digits)
		}
		view, err := b.enroller.Look(w.ctx, who, l.ID)
		w.must(err)
		if view.State != devicebind.EnrolClaimed || view.Digits != digits || view.Name != "我的手機" || view.Link != "" {
			w.Fatalf("%+v", view)
		}
		c, err := b.enroller.Collect(w.ctx, l.ID, got.StatusToken)
		w.must(err)
		if c.State != devicebind.EnrolClaimed || c.Certificate != nil || c.Name != "" {
			w.Fatalf("before the PC confirmed: %+v", c)
		}
		dev, err := b.enroller.Confirm(w.ctx, who, l.ID)
		w.must(err)
		c, err = a.enroller.Collect(w.ctx, l.ID, got.StatusToken)
		w.must(err)
		w.must(p.Complete(c))
		cert, err := x509.ParseCertificate(p.Certificate)
		w.must(err)
		if cert.NotAfter.After(w.clock().Add(300*24*time.Hour)) || cert.Subject.CommonName != dev.ID || cert.IsCA {
			w.Fatalf("certificate until %v for %v", cert.NotAfter, cert.Subject)
		}
		if mails := w.mails(); !slices.Equal(mails, []string{"phone.bind"}) {
			w.Fatalf("mails %v", mails)
		}
		list, err := a.devices.Of(w.ctx, who.Person.ID)
		w.must(err)
		if len(list) != 1 || list[0].Name != "我的手機" || list[0].Standing(w.clock()) != devicebind.StandingActive {
			w.Fatalf("%+v", list)
		}
	})
}

func TestEnrol_NeedsAFreshCardInTheCity(t *testing.T) {
	onBoth(t, func(w *world) {
		e := w.nodes[0].enroller
		who := w.person()
		outside := idp.WithOrigin(t.Context(), idp.Origin{})
		_, err := e.Begin(outside, who)
		w.denied(err, idp.ReasonOutside)
		w.later(10*time.Minute + time.Second)
		_, err = e.Begin(w.ctx, who)
		w.denied(err, devicebind.ReasonEnrolFresh)
		password := w.login(who.Person, idp.Evidence{Method: idp.MethodPassword}, idp.Evidence{Method: idp.MethodOTP})
		_, err = e.Begin(w.ctx, password)
		w.denied(err, devicebind.ReasonEnrolFresh)
		e.Rules.AllowOTP = true
		_, err = e.Begin(w.ctx, password) // who has a card binds with it, also by the lax rule
		w.denied(err, devicebind.ReasonEnrolFresh)
		w.must(w.nodes[0].db.UnbindCard(w.ctx, "card-"+who.Person.ID, w.clock()))
		_, err = e.Begin(w.ctx, password)
		w.must(err)
		_, err = e.Begin(w.ctx, w.login(who.Person, idp.Evidence{Method: idp.MethodPassword}))
		w.denied(err, devicebind.ReasonEnrolFresh)
	})
}

func TestT139_OneUse(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		n := w.nodes[0]
		_, l, first := w.claim(who)
		got, err := n.enroller.Claim(w.ctx, l.ID, *first)
		w.must(err)
		again, err := n.enroller.Claim(w.ctx, l.ID, *first) // the answer was lost
		w.must(err)
		if *again != *got {
			w.Fatalf("%+v, then %+v", got, again)
		}
		// Who photographed the key QR code knows the secret, and is too late.
		view := w.secondClaim(who, l)
		_, err = n.enroller.Claim(w.ctx, l.ID, *view)
		w.denied(err, devicebind.ReasonEnrolOver)
		_, err = n.enroller.Confirm(w.ctx, who, l.ID)
		w.must(err)
		_, err = n.enroller.Claim(w.ctx, l.ID, *view)
		w.denied(err, devicebind.ReasonEnrolOver)
		if list, _ := n.devices.Of(w.ctx, who.Person.ID); len(list) != 1 {
			w.Fatalf("%d devices", len(list))
		}
	})
}

// secondClaim is the claim of another phone that saw the same key QR code.
func (w *world) secondClaim(who devicebind.Who, l app.Link) *devicebind.Claim {
	w.Helper()
	key, err := app.NewKey(nil)
	w.must(err)
	c, err := app.NewClaim(l, &app.Phone{Origin: l.Origin, Name: "another", Key: key}, "", pin)
	w.must(err)
	return c
}

func TestT139_RaceOfClaimsAndConfirms(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		_, l, _ := w.claim(who)
		claims := make([]*devicebind.Claim, 32)
		for i := range claims {
			claims[i] = w.secondClaim(who, l)
		}
		ok, failed := together(32, func(i int) error {
			_, err := w.nodes[i%2].enroller.Claim(w.ctx, l.ID, *claims[i])
			return err
		})
		if ok != 1 {
			w.Fatalf("%d phones claimed one enrolment", ok)
		}
		for _, err := range failed {
			w.denied(err, devicebind.ReasonEnrolOver)
		}
		ok, _ = together(32, func(i int) error {
			_, err := w.nodes[i%2].enroller.Confirm(w.ctx, who, l.ID)
			return err
		})
		list, err := w.nodes[0].devices.Of(w.ctx, who.Person.ID)
		w.must(err)
		if ok != 32 || len(list) != 1 || w.events("phone.bind", "ok") != 1 || len(w.mails()) != 1 {
			w.Fatalf("%d confirmed, %d devices", ok, len(list))
		}
	})
}

func TestT139_Tries(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		_, l, claim := w.claim(who)
		bad := *claim
		bad.Proof = base64.RawURLEncoding.EncodeToString(make([]byte, 32))
		for range devicebind.MaxEnrolTries {
			_, err := w.nodes[0].enroller.Claim(w.ctx, l.ID, bad)
			w.denied(err, devicebind.ReasonEnrolProof)
		}
		_, err := w.nodes[1].enroller.Claim(w.ctx, l.ID, *claim)
		w.denied(err, devicebind.ReasonEnrolOver)
		view, err := w.nodes[1].enroller.Look(w.ctx, who, l.ID)
		w.must(err)
		if view.State != devicebind.EnrolOver || view.Link != "" {
			w.Fatalf("%+v", view)
		}
	})
}

func TestT139_ThreeMinutes(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		e := w.nodes[0].enroller
		_, l, claim := w.claim(who)
		w.later(3 * time.Minute)
		_, err := e.Claim(w.ctx, l.ID, *claim)
		w.denied(err, devicebind.ReasonEnrolOver)
		// Claimed, and nobody compared the digits.
		who = w.login(who.Person, who.Session.Evidence...)
		_, l, claim = w.claim(who)
		_, err = e.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		w.later(3 * time.Minute)
		_, err = e.Confirm(w.ctx, who, l.ID)
		w.denied(err, devicebind.ReasonEnrolOver)
	})
}

func TestEnrol_ANewOneEndsTheOld(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		_, old, claim := w.claim(who)
		w.claim(who)
		_, err := w.nodes[1].enroller.Claim(w.ctx, old.ID, *claim)
		w.denied(err, devicebind.ReasonEnrolOver)
		together(8, func(i int) error { _, err := w.nodes[i%2].enroller.Begin(w.ctx, who); return err })
		started, err := w.nodes[0].enroller.Begin(w.ctx, who)
		w.must(err)
		w.must(w.nodes[1].enroller.Cancel(w.ctx, who, started.ID))
		view, err := w.nodes[0].enroller.Look(w.ctx, who, started.ID)
		w.must(err)
		if view.State != devicebind.EnrolOver {
			w.Fatalf("%+v", view)
		}
		w.denied(w.nodes[0].enroller.Cancel(w.ctx, who, started.ID), devicebind.ReasonEnrolOver)
	})
}

func TestT140_CapturedClaims(t *testing.T) {
	onBoth(t, func(w *world) {
		e := w.nodes[0].enroller
		_, mine, claim := w.claim(w.person())
		_, other, _ := w.claim(w.person())
		_, err := e.Claim(w.ctx, other.ID, *claim) // another account
		w.denied(err, devicebind.ReasonEnrolProof)
		changed := *claim
		changed.CSR = w.secondClaim(devicebind.Who{}, other).CSR // another key
		_, err = e.Claim(w.ctx, mine.ID, changed)
		w.denied(err, devicebind.ReasonEnrolProof)
		w.later(5 * time.Minute) // later
		_, err = e.Claim(w.ctx, mine.ID, *claim)
		w.denied(err, devicebind.ReasonEnrolOver)
		_, err = e.Claim(w.ctx, strings.Repeat("A", 22), *claim)
		w.denied(err, devicebind.ReasonEnrolOver)
		_, err = e.Claim(w.ctx, "../x", *claim)
		w.denied(err, devicebind.ReasonEnrolOver)
	})
}

// A message for one server is nothing at another: the secret there is of
// another master key.
func TestT140_AnotherServer(t *testing.T) {
	here := newWorld(t, sqliteOptions(t))
	who := here.person()
	_, l, _ := here.claim(who)
	there := newWorld(t, sqliteOptions(t))
	_, foreign, claim := there.claim(there.person())
	_ = foreign
	_, err := here.nodes[0].enroller.Claim(here.ctx, l.ID, *claim)
	here.denied(err, devicebind.ReasonEnrolProof)
}

func TestT148_OnlyItsOwnSession(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		e := w.nodes[1].enroller
		_, l, claim := w.claim(who)
		_, err := e.Claim(w.ctx, l.ID, *claim)
		w.must(err)
		again := w.login(who.Person, idp.Evidence{Method: idp.MethodCard, Card: "card-" + who.Person.ID})
		for _, stranger := range []devicebind.Who{again, w.person()} {
			_, err := e.Look(w.ctx, stranger, l.ID)
			if err == nil {
				w.Fatal("shown to another session")
			}
			if _, err := e.Confirm(w.ctx, stranger, l.ID); err == nil {
				w.Fatal("confirmed by another session")
			}
			if err := e.Cancel(w.ctx, stranger, l.ID); err == nil {
				w.Fatal("cancelled by another session")
			}
		}
		_, err = e.Collect(w.ctx, l.ID, "x")
		if err == nil {
			w.Fatal("collected without the token")
		}
	})
}

func TestT148_DiesWithTheCardTheSessionAndThePerson(t *testing.T) {
	for name, stop := range map[string]func(w *world, who devicebind.Who) error{
		"card unbound": func(w *world, who devicebind.Who) error {
			return w.nodes[0].db.UnbindCard(w.ctx, "card-"+who.Person.ID, w.clock())
		},
		"card's certificate replaced": func(w *world, who devicebind.Who) error {
			cards, err := w.nodes[0].db.CardsOf(w.ctx, who.Person.ID)
			if err != nil {
				return err
			}
			renewed := cards[0]
			renewed.Fingerprint = strings.Repeat("ab", 32)
			return w.nodes[0].db.BindCard(w.ctx, &renewed)
		},
		"session ended": func(w *world, who devicebind.Who) error {
			_, err := w.nodes[0].db.EndSession(w.ctx, who.Session.ID, w.clock())
			return err
		},
		"person disabled": func(w *world, who devicebind.Who) error {
			return w.nodes[0].db.SetState(w.ctx, who.Person.ID, idp.PersonDisabled, w.clock())
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(w *world) {
				who := w.person()
				_, l, claim := w.claim(who)
				_, err := w.nodes[0].enroller.Claim(w.ctx, l.ID, *claim)
				w.must(err)
				w.must(stop(w, who))
				_, err = w.nodes[1].enroller.Confirm(w.ctx, who, l.ID)
				w.denied(err, devicebind.ReasonEnrolOver, devicebind.ReasonPhoneUnusable)
			})
		})
	}
}

// request makes a PKCS#10 request as the test wants it.
func request(t *testing.T, key any, name string) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestParseRequest_Refuses(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	good := request(t, p256, "我的手機")
	if r, err := devicebind.ParseRequest(good); err != nil || r.Name != "我的手機" {
		t.Fatal(err)
	}
	broken := slices.Clone(good)
	broken[len(broken)-1] ^= 1
	for name, der := range map[string][]byte{
		"P-384": request(t, p384, "x"), "RSA": request(t, rsaKey, "x"), "Ed25519": request(t, ed, "x"), "signature": broken,
		"no name": request(t, p256, ""), "long name": request(t, p256, strings.Repeat("x", 65)), "turned text": request(t, p256, "a\u202eb"),
		"control": request(t, p256, "a\nb"), "trailing": append(slices.Clone(good), 0), "empty": nil, "too long": make([]byte, 4096),
	} {
		if _, err := devicebind.ParseRequest(der); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestEnrol_PINs(t *testing.T) {
	w := newWorld(t, sqliteOptions(t))
	who := w.person()
	for _, bad := range []string{"", "12345", "123456", "654321", "111111", "12345a", "1234567890123", "２９４７１６"} {
		_, l, claim := w.claim(who)
		claim.PIN = bad
		_, err := w.nodes[0].enroller.Claim(w.ctx, l.ID, *claim)
		w.denied(err, devicebind.ReasonEnrolProof)
	}
}
