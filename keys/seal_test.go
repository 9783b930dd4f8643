package keys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestSealBindsToItsContext(t *testing.T) {
	s := testSealer(t)
	sealed := s.Seal([]byte("A123456789"), "person 1")
	if bytes.Contains(sealed, []byte("A123456789")) {
		t.Fatal("the plain text shows")
	}
	if bytes.Equal(sealed, s.Seal([]byte("A123456789"), "person 1")) {
		t.Fatal("sealing twice gives the same bytes")
	}
	got, err := s.Open(sealed, "person 1")
	if err != nil || string(got) != "A123456789" {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := s.Open(sealed, "person 2"); !errors.Is(err, ErrSealed) {
		t.Fatalf("opened in another row: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, "person 1"); !errors.Is(err, ErrSealed) {
			t.Fatalf("byte %d changed and opened: %v", i, err)
		}
	}
	for n := range sealed {
		if _, err := s.Open(sealed[:n], "person 1"); !errors.Is(err, ErrSealed) {
			t.Fatalf("cut to %d bytes and opened: %v", n, err)
		}
	}
}

func TestHashAndDeriveAreSeparate(t *testing.T) {
	s := testSealer(t)
	if !bytes.Equal(s.Hash("a", []byte("x")), s.Hash("a", []byte("x"))) {
		t.Fatal("the hash is not stable")
	}
	if bytes.Equal(s.Hash("a", []byte("x")), s.Hash("b", []byte("x"))) {
		t.Fatal("contexts share a key")
	}
	if len(s.Derive("x")) != 32 || bytes.Equal(s.Derive("x"), s.Derive("y")) {
		t.Fatal("labels share a key")
	}
	other, err := NewSealer(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(s.Derive("x"), other.Derive("x")) {
		t.Fatal("master keys share derived keys")
	}
}

func TestOpenMasterOnceForAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := OpenMaster(path, false); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("missing file: %v", err)
	}
	var wg sync.WaitGroup
	derived := make([][]byte, 8)
	for i := range derived {
		wg.Go(func() {
			s, err := OpenMaster(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			derived[i] = s.Derive("x")
		})
	}
	wg.Wait()
	for _, d := range derived[1:] {
		if !bytes.Equal(d, derived[0]) {
			t.Fatal("two master keys were made")
		}
	}
	left, _ := os.ReadDir(filepath.Dir(path))
	if len(left) != 1 {
		t.Fatalf("files left behind: %v", left)
	}
}

func TestT194_RefusesMasterKeyThatOthersMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := OpenMaster(path, true); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("made with mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenMaster(path, true); !errors.Is(err, ErrMode) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestOpenMasterRefusesOtherContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	for _, text := range []string{"", "00", "not hexadecimal", string(bytes.Repeat([]byte("00"), 33))} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenMaster(path, true)
		if err == nil {
			t.Errorf("%q accepted", text)
		}
		if text != "" && err != nil && bytes.Contains([]byte(err.Error()), []byte(text+"x")) {
			t.Errorf("the error shows the content: %v", err)
		}
	}
}
