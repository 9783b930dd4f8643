package cardreader

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader/cardtest"
)

// memory keeps challenges as the store does; the other methods are not called.
type memory struct {
	Challenges
	mu   sync.Mutex
	open map[string]*Issued
}

func (m *memory) CreateChallenge(_ context.Context, i *Issued) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := *i
	m.open[string(i.Key)] = &kept
	return nil
}

func (m *memory) UseChallenge(_ context.Context, key, browser []byte, now time.Time) (*Issued, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.open[string(key)]
	if i == nil || !bytes.Equal(i.Browser, browser) || !now.Before(i.EndsAt) {
		return nil, idp.ErrUsed
	}
	delete(m.open, string(key))
	return i, nil
}

type noneRevoked struct{}

func (noneRevoked) Check(string, *x509.Certificate, time.Time, bool) error { return nil }

func newDesk(t *testing.T) (d *Desk, sign func(jws string) []byte) {
	t.Helper()
	g3 := MOICAG3()
	g3.Issuers = cardtest.KeyIDs()
	anchors, err := NewAnchors([]*x509.Certificate{cardtest.G3().Certificate}, []Profile{g3})
	if err != nil {
		t.Fatal(err)
	}
	key := cardtest.Key(0)
	cert, err := cardtest.G3().Issue(cardtest.Leaf{Name: "王小明", SubjectSerial: "0000000000001001", IDTail: "6789", Key: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return challengeNow.Add(700 * time.Millisecond) }
	d = &Desk{
		Store: &memory{open: map[string]*Issued{}}, Key: challengeSeed, Origin: "https://id.example.test", Now: now,
		Verifier: &Verifier{Anchors: anchors, Revocation: noneRevoked{}, Now: now},
	}
	return d, func(jws string) []byte { return cardtest.Sign([]byte(jws), key, cert) }
}

var deskBrowser = bytes.Repeat([]byte{7}, 32)

func issued() Issued {
	return Issued{
		Key: []byte("flow"), Browser: deskBrowser, Purpose: string(PurposeLogin), Client: "documents", ClientName: "公文系統", PersonID: "p",
	}
}

func TestDeskIssuesAndRedeems(t *testing.T) {
	d, sign := newDesk(t)
	jws, err := d.Issue(t.Context(), issued())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseChallenge(jws, d.Key.Public().(ed25519.PublicKey), d.Now())
	if err != nil || c.Origin != d.Origin || c.Client != "documents" || c.ClientName != "公文系統" || c.Flow != b64(deskBrowser) ||
		c.ExpiresAt.Sub(c.IssuedAt) != ChallengeLife {
		t.Fatalf("%+v, %v", c, err)
	}
	h, i, err := d.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, sign(jws))
	if err != nil || h.Name != "王小明" || h.SubjectSerial != "0000000000001001" || i.PersonID != "p" {
		t.Fatalf("%+v, %+v, %v", h, i, err)
	}
	if _, _, err = d.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, sign(jws)); !errors.Is(err, idp.ErrUsed) {
		t.Errorf("again: %v", err)
	}
}

func TestT102_DeskBindsPurposeAndBrowser(t *testing.T) {
	d, sign := newDesk(t)
	for name, redeem := range map[string]func(jws string) error{
		"purpose": func(jws string) error {
			_, _, err := d.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeBind, sign(jws))
			return err
		},
		"browser": func(jws string) error {
			_, _, err := d.Redeem(t.Context(), []byte("flow"), make([]byte, 32), PurposeLogin, sign(jws))
			return err
		},
		"key": func(jws string) error {
			_, _, err := d.Redeem(t.Context(), []byte("other"), deskBrowser, PurposeLogin, sign(jws))
			return err
		},
		"origin": func(jws string) error {
			other := *d
			other.Origin = "https://id.evil.test"
			_, _, err := other.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, sign(jws))
			return err
		},
		"challenge key": func(jws string) error {
			other := *d
			other.Key = ed25519.NewKeyFromSeed([]byte("another test-only seed, 32 bytes"))
			_, _, err := other.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, sign(jws))
			return err
		},
	} {
		jws, err := d.Issue(t.Context(), issued())
		if err != nil {
			t.Fatal(err)
		}
		if err := redeem(jws); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestT103_DeskUsesAChallengeUp(t *testing.T) {
	d, sign := newDesk(t)
	jws, err := d.Issue(t.Context(), issued())
	if err != nil {
		t.Fatal(err)
	}
	cms := sign(jws)
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, _, err := d.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, cms); err == nil {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times", taken.Load())
	}
	// A failure uses it up as well.
	if jws, err = d.Issue(t.Context(), issued()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, nil); err == nil {
		t.Error("an empty answer was taken")
	}
	if _, _, err := d.Redeem(t.Context(), []byte("flow"), deskBrowser, PurposeLogin, sign(jws)); !errors.Is(err, idp.ErrUsed) {
		t.Errorf("after a failure: %v", err)
	}
}

func TestT104_NoncesAreUnique(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	seen := make(map[[32]byte]bool, n)
	for range n {
		nonce, err := unb64(NewNonce())
		if err != nil || len(nonce) != 32 || seen[[32]byte(nonce)] {
			t.Fatalf("%x, %v", nonce, err)
		}
		seen[[32]byte(nonce)] = true
	}
	d, _ := newDesk(t)
	first, err := d.Issue(t.Context(), issued())
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := d.Issue(t.Context(), issued()); second == first {
		t.Error("two challenges are one")
	}
}

func TestT222_DeskNeedsRandomness(t *testing.T) {
	d, _ := newDesk(t)
	d.Random = strings.NewReader("too short")
	if jws, err := d.Issue(t.Context(), issued()); err == nil || jws != "" {
		t.Errorf("issued %q, %v", jws, err)
	}
	if n := len(d.Store.(*memory).open); n != 0 {
		t.Errorf("%d challenges kept", n)
	}
}

func TestDeskRefusesWhatCannotBeShown(t *testing.T) {
	d, _ := newDesk(t)
	i := issued()
	i.ClientName = "bad\u202ename"
	if _, err := d.Issue(t.Context(), i); err == nil {
		t.Error("issued")
	}
}
