package testenv

import (
	"testing"

	"taipeion.internal/idp/cardreader/pkcs11"
)

// SoftHSM returns an empty folder of software cards.
func SoftHSM(t testing.TB) *pkcs11.SoftHSM {
	t.Helper()
	Need(t, "softhsm2-util", "apt-get install softhsm2")
	s := &pkcs11.SoftHSM{Dir: t.TempDir()}
	if s.Path() == "" {
		t.Fatal("softhsm2-util is installed and its module is not where it is looked for")
	}
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	return s
}
