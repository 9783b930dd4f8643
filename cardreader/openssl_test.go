package cardreader_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/internal/testenv"
)

// TestOpenSSL lets another implementation make the message and read ours.
func TestOpenSSL(t *testing.T) {
	testenv.Need(t, "openssl", "apt-get install openssl")
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, err := cardtest.G2().Issue(goodLeaf())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cardtest.Key(0))
	if err != nil {
		t.Fatal(err)
	}
	certFile := file("card.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	keyFile := file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	contentFile := file("content", content)
	openssl := func(args ...string) []byte {
		t.Helper()
		out, err := exec.Command("openssl", append([]string{"cms"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("openssl cms %v: %v: %s", args, err, out)
		}
		return out
	}

	made := filepath.Join(dir, "made")
	openssl("-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256", "-in", contentFile,
		"-signer", certFile, "-inkey", keyFile, "-outform", "DER", "-out", made)
	cms, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t)
	clock := v.Now
	v.Now = time.Now // of its signingTime
	v.Revocation = anyCard{}
	accepted(t, v, cms)
	v.Now = clock
	refused(t, v, cms, cardreader.CauseSigningTime)

	ours := file("ours", cardtest.Sign(content, cardtest.Key(0), cert))
	out := openssl("-verify", "-inform", "DER", "-in", ours, "-purpose", "any",
		"-CAfile", file("ca.pem", cardtest.G2().PEM()), "-out", filepath.Join(dir, "verified"))
	verified, err := os.ReadFile(filepath.Join(dir, "verified"))
	if err != nil || string(verified) != string(content) {
		t.Errorf("openssl read %q, %v: %s", verified, err, out)
	}
}

// anyCard is a Revocation that knows of none.
type anyCard struct{}

func (anyCard) Check(string, *x509.Certificate, time.Time, bool) error { return nil }
