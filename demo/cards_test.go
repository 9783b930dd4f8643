package demo

import (
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader/pkcs11"
)

func TestCardsAreOfTheirHolders(t *testing.T) {
	p, err := NewPlan(t.TempDir(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	cards, err := p.SoftCards()
	if err != nil {
		t.Fatal(err)
	}
	if len(cards) != 12 {
		t.Errorf("%d cards, want 12", len(cards))
	}
	for _, c := range cards {
		cert, err := x509.ParseCertificate(c.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); !ok || !key.Equal(&c.Key.PublicKey) {
			t.Errorf("%s: the certificate is of another key", c.Label)
		}
	}
	if err := p.WriteFiles(time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestCardsAreMadeOnce(t *testing.T) {
	p, err := NewPlan(t.TempDir(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	hsm := p.SoftHSM()
	if hsm.Path() == "" {
		t.Skip("needs the SoftHSM2 module: apt-get install softhsm2")
	}
	for range 2 {
		if err := p.MakeCards(); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOFTHSM2_CONF", hsm.Config())
	m, err := pkcs11.Open(hsm.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	slots, err := m.Slots()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range slots {
		if s.Token != nil && s.Token.Certificate != nil {
			found++
		}
	}
	if found != 12 {
		t.Errorf("%d cards in the readers, want 12", found)
	}
}
