package pkcs11

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taipeion.internal/idp/cardreader/cardtest"
)

func TestReturnValues(t *testing.T) {
	for rv, want := range map[uint]Error{
		0xa0:               {Kind: KindWrongPIN, TriesLeft: Unknown},
		0xa1:               {Kind: KindPINFormat, TriesLeft: Unknown},
		0xa2:               {Kind: KindPINFormat, TriesLeft: Unknown},
		0xa4:               {Kind: KindBlocked, TriesLeft: 0},
		0x80000001:         {Kind: KindWrongPIN, TriesLeft: 1},
		0x80000002:         {Kind: KindWrongPIN, TriesLeft: 2},
		0xffffffff80000001: {Kind: KindWrongPIN, TriesLeft: 1}, // sign-extended
		0x80000003:         {Kind: KindFailed, TriesLeft: Unknown},
		0xe0:               {Kind: KindRemoved, TriesLeft: Unknown},
		0xe1:               {Kind: KindForeign, TriesLeft: Unknown},
		0x32:               {Kind: KindRemoved, TriesLeft: Unknown},
		0x50:               {Kind: KindCancelled, TriesLeft: Unknown},
		0x05:               {Kind: KindFailed, TriesLeft: Unknown},
	} {
		got := fromRV("C_Login", rv)
		if got.Kind != want.Kind || got.TriesLeft != want.TriesLeft {
			t.Errorf("%#x: got %s with %d left, want %s with %d", rv, got.Kind, got.TriesLeft, want.Kind, want.TriesLeft)
		}
		if got.Error() == "" || KindOf(fmt.Errorf("wrapped: %w", got)) != want.Kind {
			t.Errorf("%#x: text or kind", rv)
		}
	}
	if KindOf(nil) != "" || KindOf(errors.New("x")) != KindFailed {
		t.Error("kind of another error")
	}
}

func TestChooseCertificate(t *testing.T) {
	issue := func(l cardtest.Leaf) []byte {
		if l.Key == nil {
			l.Key = &cardtest.Key(0).PublicKey
		}
		l.Name, l.SubjectSerial, l.IDTail = "王大明", "0000000000000001", "6789"
		return cardtest.G2().IssueDER(l)
	}
	sign := issue(cardtest.Leaf{})
	encrypt := issue(cardtest.Leaf{KeyUsage: []byte{0x03, 0x02, 0x04, 0x30}}) // keyEncipherment, dataEncipherment
	ec := issue(cardtest.Leaf{Key: &cardtest.KeyEC(elliptic.P256()).PublicKey})
	authority := cardtest.G2().Certificate.Raw
	all := func(pairs ...any) (s []stored) {
		for i := 0; i < len(pairs); i += 2 {
			s = append(s, stored{id: []byte(pairs[i].(string)), der: pairs[i+1].([]byte)})
		}
		return s
	}
	for name, c := range map[string]struct {
		in   []stored
		want string
	}{
		"as on the card":      {all("KEYX", encrypt, "SIGN", sign, "CACert", authority), "SIGN"},
		"by its name":         {all("A", sign, "SIGN", sign), "SIGN"},
		"by key usage":        {all("\x03", encrypt, "\x02", sign, "\x01", sign), "\x01"},
		"SIGN that can't":     {all("SIGN", encrypt, "\x02", sign), "\x02"},
		"only an authority":   {all("SIGN", authority), ""},
		"no RSA":              {all("SIGN", ec), ""},
		"broken":              {all("SIGN", []byte{0x30, 0x80}), ""},
		"without an id":       {all("", sign), ""},
		"nothing at all":      {nil, ""},
		"encryption only":     {all("KEYX", encrypt), ""},
		"broken and good one": {all("\x01", []byte("x"), "\x02", sign), "\x02"},
	} {
		got, ok := chooseCertificate(c.in)
		if string(got.id) != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q", name, got.id)
		}
	}
}

func TestDigestInfo(t *testing.T) {
	data := []byte("data")
	key := cardtest.Key(0)
	sig, err := rsa.SignPKCS1v15(nil, key, 0, digestInfo(data)) // no hash: as the token pads it
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	if got := Find([]string{"/some/module.so"}); len(got) != 1 || got[0] != "/some/module.so" {
		t.Errorf("a path: %v", got)
	}
	dir := t.TempDir()
	module := filepath.Join(dir, "System32", "HiCOSPKCS11.dll")
	if err := os.MkdirAll(filepath.Dir(module), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(module, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, goos := range []string{"windows", "darwin", "linux"} {
		known := knownModules(goos, dir, func(string) string { return dir })
		var names []string
		for _, k := range known {
			names = append(names, k.Name)
			for _, p := range k.Paths {
				if !filepath.IsAbs(p) && !strings.HasPrefix(p, `C:\`) {
					t.Errorf("%s: %s is looked for in the current folder", goos, p)
				}
			}
		}
		if strings.Join(names, " ") != "hicos opensc softhsm2" {
			t.Errorf("%s: %v", goos, names)
		}
		if goos == "windows" && firstFile(known[0].Paths) != module {
			t.Errorf("HiCOS is not found in %v", known[0].Paths)
		}
	}
}
