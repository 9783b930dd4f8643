package testenv

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

//go:embed csource/faulty.c
var faultySource []byte

// Faulty is a PKCS#11 module in front of SoftHSM2 that can be told to fail.
type Faulty struct {
	Module string // its file
	hsm    *pkcs11.SoftHSM
	log    string
}

// FaultyModule compiles the module.
func FaultyModule(t testing.TB, hsm *pkcs11.SoftHSM) *Faulty {
	t.Helper()
	cc := Need(t, "cc", "apt-get install gcc")
	dir := t.TempDir()
	f := &Faulty{Module: filepath.Join(dir, "faulty.so"), hsm: hsm, log: filepath.Join(dir, "calls")}
	source := filepath.Join(dir, "faulty.c")
	if err := os.WriteFile(source, faultySource, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", f.Module, source, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return f
}

// Env is the environment in which the module fails as the words say: see
// csource/faulty.c. keypad is the PIN that a person would type on the reader.
func (f *Faulty) Env(faults, keypad string) []string {
	return []string{
		f.hsm.Env(), "FAULT_TARGET=" + f.hsm.Path(), "FAULT=" + faults, "FAULT_LOG=" + f.log, "FAULT_KEYPAD=" + keypad,
	}
}

// Calls counts the calls of a kind, "login" or "sign", so far.
func (f *Faulty) Calls(t testing.TB, kind string) int {
	t.Helper()
	text, err := os.ReadFile(f.log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count("\n"+string(text), "\n"+kind+"\n")
}
