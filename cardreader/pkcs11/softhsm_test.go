package pkcs11_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"os"
	"testing"

	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/cardreader/pkcs11"
	"taipeion.internal/idp/internal/testenv"
)

func softCard(t testing.TB, i int, name, pin string) pkcs11.SoftCard {
	t.Helper()
	key := cardtest.Key(i)
	cert, err := cardtest.G3().Issue(cardtest.Leaf{Name: name, SubjectSerial: "0000000000000001", IDTail: "6789", Key: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	return pkcs11.SoftCard{Label: name, SOPIN: "12345678", PIN: pin, Key: key, Certificate: cert.Raw}
}

// open loads SoftHSM2 with the cards into the test's process.
func open(t *testing.T, cards ...pkcs11.SoftCard) *pkcs11.Module {
	t.Helper()
	hsm := testenv.SoftHSM(t)
	if err := hsm.Provision(cards); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", hsm.Config())
	m, err := pkcs11.Open(hsm.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestSoftHSMSigns(t *testing.T) {
	m := open(t, softCard(t, 0, "王大明", "123456"), softCard(t, 1, "歐陽上官令狐", "654321"))
	slots, err := m.Slots()
	if err != nil {
		t.Fatal(err)
	}
	if len(slots) != 2 {
		t.Fatalf("got %d slots, want the two cards and not the empty one: %+v", len(slots), slots)
	}
	data := []byte("to be signed")
	for _, s := range slots {
		pin := "123456"
		if s.Token.Label != "王大明" {
			pin = "654321"
		}
		sig, err := m.Sign(pkcs11.SignRequest{Slot: s.ID, Serial: s.Token.Serial, Certificate: s.Token.Certificate, PIN: []byte(pin), Data: data})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		i := 0
		if pin != "123456" {
			i = 1
		}
		if err := rsa.VerifyPKCS1v15(&cardtest.Key(i).PublicKey, crypto.SHA256, sum[:], sig); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSoftHSMWrongPIN(t *testing.T) {
	m := open(t, softCard(t, 0, "王大明", "123456"))
	slots, err := m.Slots()
	if err != nil || len(slots) != 1 {
		t.Fatal(slots, err)
	}
	r := pkcs11.SignRequest{Slot: slots[0].ID, Serial: slots[0].Token.Serial, Certificate: slots[0].Token.Certificate, Data: []byte("x")}
	r.PIN = []byte("999999")
	_, err = m.Sign(r)
	if pkcs11.KindOf(err) != pkcs11.KindWrongPIN {
		t.Fatalf("got %v, want a wrong PIN", err)
	}
	slots, _ = m.Slots()
	if !slots[0].Token.CountLow {
		t.Error("the flag of a wrong PIN was not read again")
	}
	r.PIN = []byte("12")
	if _, err = m.Sign(r); pkcs11.KindOf(err) != pkcs11.KindPINFormat {
		t.Errorf("short PIN: got %v, want %s", err, pkcs11.KindPINFormat)
	}
	r.PIN = []byte("123456")
	r.Certificate = softCard(t, 1, "another", "0000").Certificate
	if _, err = m.Sign(r); pkcs11.KindOf(err) != pkcs11.KindRemoved {
		t.Errorf("another card: got %v, want %s", err, pkcs11.KindRemoved)
	}
	r.Certificate = slots[0].Token.Certificate
	if _, err = m.Sign(r); err != nil {
		t.Errorf("right PIN: %v", err)
	}
}

func TestProvisionKeepsOldCards(t *testing.T) {
	hsm := testenv.SoftHSM(t)
	cards := make([]pkcs11.SoftCard, 0, 8)
	for i := range 8 {
		cards = append(cards, softCard(t, i, "card", "123456"))
	}
	if err := hsm.Provision(cards); err != nil {
		t.Fatal(err)
	}
	if _, set := os.LookupEnv("SOFTHSM2_CONF"); set {
		t.Error("the environment was not put back")
	}
	if err := hsm.Provision([]pkcs11.SoftCard{softCard(t, 8, "ninth", "123456")}); err != nil {
		t.Fatal(err)
	}
	wrong := softCard(t, 9, "tenth", "123456")
	wrong.Key = cardtest.Key(0)
	if err := hsm.Provision([]pkcs11.SoftCard{wrong}); err == nil {
		t.Error("a key that is not the certificate's was accepted")
	}
	t.Setenv("SOFTHSM2_CONF", hsm.Config())
	m, err := pkcs11.Open(hsm.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if slots, err := m.Slots(); err != nil || len(slots) != 9 {
		t.Errorf("got %d slots, %v", len(slots), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, path := range []string{"/nonexistent.so", "/etc/passwd", ""} {
		_, err := pkcs11.Open(path)
		if pkcs11.KindOf(err) != pkcs11.KindNoComponent {
			t.Errorf("%q: got %v", path, err)
		}
		if !errors.Is(err, &pkcs11.Error{Kind: pkcs11.KindNoComponent}) {
			t.Errorf("%q: errors.Is does not see the kind", path)
		}
	}
}
