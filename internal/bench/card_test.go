package bench

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// cardCost is the time for a card's answer, and for the bare signatures in it.
type cardCost struct{ verify, bare time.Duration }

// measureCard verifies the answer of a card of an RSA-2048 issuer as the
// server does, in turns with the two signature verifications that nobody can
// do without.
func measureCard(b testing.TB) cardCost {
	b.Helper()
	ca, key := cardtest.G2(), cardtest.Key(0)
	cert, err := ca.Issue(cardtest.Leaf{Name: "王小明", SubjectSerial: "9900000000000001", IDTail: "6789", Key: key.Public()})
	if err != nil {
		b.Fatal(err)
	}
	content := []byte("what the card was asked to sign, about as long as a challenge is, which is some six hundred bytes")
	cms := cardtest.Sign(content, key, cert)
	v := cardVerifier(b, ca)
	verify := func() {
		if _, err := v.Verify(cms, content); err != nil {
			b.Fatal(err)
		}
	}
	sum := sha256.Sum256(content)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	issuer := ca.Certificate.PublicKey.(*rsa.PublicKey)
	bare := func() {
		sum, chain := sha256.Sum256(content), sha256.Sum256(cert.RawTBSCertificate)
		if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) != nil ||
			rsa.VerifyPKCS1v15(issuer, crypto.SHA256, chain[:], cert.Signature) != nil {
			b.Fatal("a good signature is refused")
		}
	}
	verify()
	var verifies, bares []time.Duration
	for range 9 {
		verifies = append(verifies, cpuEach(b, 1000, verify))
		bares = append(bares, cpuEach(b, 1000, bare))
	}
	slices.Sort(verifies)
	slices.Sort(bares)
	return cardCost{verify: verifies[4], bare: bares[4]}
}

// cpuEach is the processor time of one call, out of n.
func cpuEach(b testing.TB, n int, f func()) time.Duration {
	start := ownCPU(b)
	for range n {
		f()
	}
	return (ownCPU(b) - start) / time.Duration(n)
}

func cardVerifier(b testing.TB, ca *cardtest.CA) *cardreader.Verifier {
	b.Helper()
	profile := cardreader.MOICAG2()
	profile.Issuers = cardtest.KeyIDs()
	anchors, err := cardreader.NewAnchors([]*x509.Certificate{ca.Certificate}, []cardreader.Profile{profile})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	list := filepath.Join(b.TempDir(), "list.crl")
	if err := os.WriteFile(list, ca.CRL(cardtest.CRL{Number: 1, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}), 0o600); err != nil {
		b.Fatal(err)
	}
	files := &cardreader.CRLFiles{Anchors: anchors, Paths: []string{list}, Now: time.Now}
	if err := files.Load(); err != nil {
		b.Fatal(err)
	}
	return &cardreader.Verifier{Anchors: anchors, Revocation: files, Moduli: new(cardreader.Moduli), Now: time.Now}
}

func TestCardCost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	c := measureCard(t)
	t.Logf("%v beside %v bare", c.verify, c.bare)
}
