package devicebind_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/keys"
)

func fuzzCodes(f *testing.F) *devicebind.Codes {
	f.Helper()
	sealer, err := keys.NewSealer(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		f.Fatal(err)
	}
	keeper, err := devicebind.NewKeeper(sealer)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	return &devicebind.Codes{Keeper: keeper, Origin: origin, Now: func() time.Time { return now }}
}

// Whatever is read as a code is one that we made, in its one spelling.
func FuzzCode(f *testing.F) {
	codes := fuzzCodes(f)
	flow := bytes.Repeat([]byte{7}, 32)
	good := codes.Make(flow, pc)
	f.Add(good.Text)
	f.Add(good.Link)
	f.Add(good.Link + "\n")
	f.Add("")
	f.Add(strings.Repeat("A", 88))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := codes.Open(text)
		if err != nil {
			return
		}
		again := codes.Make(got.Flow, got.PC)
		if strings.TrimPrefix(strings.TrimSpace(text), origin+"/phone/q/") != again.Text {
			t.Fatalf("%q is read as another code", text)
		}
	})
}

// Whatever is taken as a request holds a P-256 key and a name of one line.
func FuzzRequest(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "我的手機"}}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(der[:len(der)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := devicebind.ParseRequest(der)
		if err != nil {
			return
		}
		parsed, err := x509.ParsePKIXPublicKey(got.Public)
		if err != nil {
			t.Fatal(err)
		}
		if k, ok := parsed.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
			t.Fatalf("%T", parsed)
		}
		if got.Name == "" || strings.ContainsAny(got.Name, "\r\n\x00\u202e") {
			t.Fatalf("%q", got.Name)
		}
	})
}
