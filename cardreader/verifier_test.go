package cardreader_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// now is the clock of the tests.
var now = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

var content = []byte("header.payload.signature")

// profile is that of natural-person cards, for the test issuers.
func profile() cardreader.Profile {
	p := cardreader.MOICAG2()
	p.Issuers = cardtest.KeyIDs()
	return p
}

// verifier pins both test issuers, with an empty revocation list of each.
func verifier(t testing.TB, change ...func(*cardreader.Profile)) *cardreader.Verifier {
	t.Helper()
	p := profile()
	for _, c := range change {
		c(&p)
	}
	return verifierOf(t, []cardreader.Profile{p}, cardtest.G2(), cardtest.G3())
}

func verifierOf(t testing.TB, profiles []cardreader.Profile, issuers ...*cardtest.CA) *cardreader.Verifier {
	t.Helper()
	var certs []*x509.Certificate
	var lists [][]byte
	for _, ca := range issuers {
		certs = append(certs, ca.Certificate)
		lists = append(lists, ca.CRL(cardtest.CRL{Number: 1, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}))
	}
	anchors, err := cardreader.NewAnchors(certs, profiles)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	files := &cardreader.CRLFiles{Anchors: anchors, Paths: writeFiles(t, lists...), Now: clock}
	if err := files.Load(); err != nil {
		t.Fatal(err)
	}
	return &cardreader.Verifier{Anchors: anchors, Revocation: files, Now: clock}
}

func writeFiles(t testing.TB, files ...[]byte) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, data := range files {
		path := filepath.Join(dir, string(rune('a'+i))+".crl")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func goodLeaf() cardtest.Leaf {
	return cardtest.Leaf{Name: "王小明", SubjectSerial: "0000000012345678", IDTail: "6789", Key: cardtest.Key(0).Public()}
}

// issue makes a certificate by G2, changed as the test wants.
func issue(change ...func(*cardtest.Leaf)) []byte {
	l := goodLeaf()
	for _, c := range change {
		c(&l)
	}
	return cardtest.G2().IssueDER(l)
}

// message is what a good card answers, changed as the test wants.
func message(certificate []byte, change ...func(*cardtest.Message)) []byte {
	m := cardtest.Message{Content: content, Key: cardtest.Key(0), Certificate: certificate}
	for _, c := range change {
		c(&m)
	}
	return m.DER()
}

// refused demands a refusal for one of the causes, and that nothing of the
// holder comes with it.
func refused(t *testing.T, v *cardreader.Verifier, cms []byte, causes ...cardreader.Cause) {
	t.Helper()
	h, err := v.Verify(cms, content)
	var refusal *cardreader.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %+v, %v; want a refusal", h, err)
	}
	if !reflect.DeepEqual(h, cardreader.Holder{}) {
		t.Errorf("a refusal with a holder: %+v", h)
	}
	for _, cause := range causes {
		if refusal.Cause == cause {
			return
		}
	}
	if len(causes) > 0 {
		t.Errorf("got %v, want cause %v", refusal, causes)
	}
}

func accepted(t *testing.T, v *cardreader.Verifier, cms []byte) cardreader.Holder {
	t.Helper()
	h, err := v.Verify(cms, content)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestT091_GoodSignatures(t *testing.T) {
	all := func(p *cardreader.Profile) {
		p.Algorithms = []cardreader.Algorithm{cardreader.RSAPKCS1, cardreader.RSAPSS, cardreader.ECDSAP256, cardreader.ECDSAP384}
	}
	keys := map[string]crypto.Signer{
		"RSA-2048": cardtest.Key(0), "RSA-3072": cardtest.KeyRSA(3072), "RSA-4096": cardtest.KeyRSA(4096),
		"P-256": cardtest.KeyEC(elliptic.P256()), "P-384": cardtest.KeyEC(elliptic.P384()),
	}
	for name, key := range keys {
		for generation, ca := range map[string]*cardtest.CA{"G2": cardtest.G2(), "G3": cardtest.G3()} {
			t.Run(name+" by "+generation, func(t *testing.T) {
				l := goodLeaf()
				l.Key = key.Public()
				der := ca.IssueDER(l)
				v := verifier(t, all)
				for _, pss := range []bool{false, true} {
					h := accepted(t, v, message(der, func(m *cardtest.Message) { m.Key, m.PSS = key, pss && name[0] == 'R' }))
					if h.IssuerKeyID != ca.KeyID() || h.SubjectSerial != l.SubjectSerial || h.Name != l.Name || h.IDTail != l.IDTail {
						t.Errorf("got %+v", h)
					}
				}
			})
		}
	}
}

func TestHolder(t *testing.T) {
	h := accepted(t, verifier(t), message(issue()))
	cert, err := x509.ParseCertificate(issue())
	if err != nil {
		t.Fatal(err)
	}
	if h.SubjectDN != "C=TW,CN=王小明,SERIALNUMBER=0000000012345678" {
		t.Errorf("subject %q", h.SubjectDN)
	}
	if len(h.CertificateSerial) != 32 || len(h.Fingerprint) != 64 {
		t.Errorf("serial %q, fingerprint %q", h.CertificateSerial, h.Fingerprint)
	}
	if !h.NotBefore.Equal(cert.NotBefore) || !h.NotAfter.Equal(cert.NotAfter) {
		t.Errorf("validity %v to %v", h.NotBefore, h.NotAfter)
	}
}

// What the component on the PC encodes is what the other encoder makes, byte
// by byte, and what the library that everybody uses can read and verify.
func TestPrepareCMS(t *testing.T) {
	cert, err := cardtest.G2().Issue(goodLeaf())
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]time.Time{"without time": {}, "with time": now, "after 2049": now.AddDate(30, 0, 0)} {
		t.Run(name, func(t *testing.T) {
			p, err := cardreader.PrepareCMS(content, cert, at)
			if err != nil {
				t.Fatal(err)
			}
			h := crypto.SHA256.New()
			h.Write(p.ToSign())
			signature, err := cardtest.Key(0).Sign(nil, h.Sum(nil), crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			cms := p.Assemble(signature)
			other := message(cert.Raw, func(m *cardtest.Message) { m.SigningTime = at })
			if !bytes.Equal(cms, other) {
				t.Error("the two encoders differ")
			}
			p7, err := pkcs7.Parse(cms)
			if err != nil {
				t.Fatal(err)
			}
			if !at.After(cert.NotAfter) {
				if err := p7.Verify(); err != nil {
					t.Error(err)
				}
				accepted(t, verifier(t), cms)
			}
		})
	}
	if _, err := cardreader.PrepareCMS(nil, cert, now); err == nil {
		t.Error("nothing to sign was accepted")
	}
}

func TestMatchHolder(t *testing.T) {
	h := cardreader.Holder{Name: "王小明", IDTail: "6789"}
	for _, c := range []struct {
		card, name, tail string
		want             idp.Reason
	}{
		{"王小明", "王小明", "6789", ""},
		{"王小明", "王　小明", "6789", ""},
		{"王\u3000明", "王明", "6789", ""},
		{"\uf90a明", "金明", "6789", ""},
		{"Ｊohn Smith", "JOHN  SMITH", "6789", ""},
		{"Johnsmith", "John Smith", "6789", idp.ReasonCardName},
		{"伊斯坦大‧貝雅夫", "伊斯坦大．貝雅夫", "6789", ""},
		{"王小明", "王大明", "6789", idp.ReasonCardName},
		{"王小明", "王小明", "6780", idp.ReasonCardID},
		{"王小明", "王小明", "", idp.ReasonCardID},
		{"王小明", "", "6789", idp.ReasonCardName},
		{"王小明", "王大明", "0000", idp.ReasonCardMismatch},
		{"", "", "6789", idp.ReasonCardName},
	} {
		h.Name = c.card
		err := cardreader.MatchHolder(h, c.name, c.tail)
		var denied idp.Denied
		errors.As(err, &denied)
		if denied.Reason != c.want {
			t.Errorf("%q with %q %q: got %v, want %q", c.card, c.name, c.tail, err, c.want)
		}
	}
}

func challengeKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte("s"), ed25519.SeedSize))
}
