package cardreader_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// TestT118_Cost sends what is large or odd within the limits: nothing panics,
// and none costs more than 100 ms.
func TestT118_Cost(t *testing.T) {
	v := verifier(t)
	small := cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.TLV(0xa0, cardtest.Integer(2)), cardtest.Integer(1), cardtest.TLV(0x30), cardtest.TLV(0x30)))
	huge := func(bits uint) *rsa.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
	}
	names := func(n int) []byte {
		var list [][]byte
		for i := range n {
			list = append(list, cardtest.TLV(0x82, []byte(fmt.Sprintf("%x", i))))
		}
		return cardtest.TLV(0x30, list...)
	}
	dsa := cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.OID("1.2.840.10040.4.1"), cardtest.TLV(0x30,
		positive(1024), positive(160), positive(1024))), cardtest.TLV(0x03, []byte{0}, positive(1024)))
	oids := bytes.Repeat(cardtest.TLV(0x30, cardtest.OID("1.2.3.4")), 2000)
	for name, cms := range map[string][]byte{
		"1,000 certificates": message(issue(), func(m *cardtest.Message) {
			m.Certificates = append(repeat(small, 1000), issue())
		}),
		"60 KiB of certificates": message(issue(), func(m *cardtest.Message) { m.Certificates = repeat(issue(), 50) }),
		"8 large certificates": message(issue(), func(m *cardtest.Message) {
			m.Certificates = repeat(issue(extra(cardtest.OIDExtAltName, false, names(1200))), 7)
		}),
		"10,000 names":        message(issue(extra(cardtest.OIDExtAltName, false, names(10_000)))),
		"2,000 names":         message(issue(extra(cardtest.OIDExtAltName, false, names(2000)))),
		"2,000 policies":      message(issue(extra(cardtest.OIDExtPolicies, false, cardtest.TLV(0x30, oids)))),
		"RSA-16384":           message(issue(func(l *cardtest.Leaf) { l.SPKI = cardtest.SPKIOf(huge(16384)) })),
		"RSA-65536":           message(issue(func(l *cardtest.Leaf) { l.SPKI = cardtest.SPKIOf(huge(65536)) })),
		"RSA-2048, odd":       message(issue(func(l *cardtest.Leaf) { l.SPKI = cardtest.SPKIOf(huge(2048)) })),
		"DSA":                 message(issue(func(l *cardtest.Leaf) { l.SPKI = dsa })),
		"odd constraints":     message(issue(extra(cardtest.OIDExtConstraints, false, cardtest.TLV(0x30, cardtest.TLV(0xa0, cardtest.TLV(0x30, cardtest.TLV(0x87, make([]byte, 7)))))))),
		"large signature":     message(issue(), func(m *cardtest.Message) { m.Signature = make([]byte, 60_000) }),
		"many attributes":     message(issue(), func(m *cardtest.Message) { m.Attributes = repeat(attrType, 2000) }),
		"many small values":   cardtest.TLV(0x30, bytes.Repeat([]byte{5, 0}, 30_000)),
		"a set in descent":    cardtest.TLV(0x31, descending(8000)),
		"nested to the limit": nestedSets(30),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			spent := time.Hour
			for range 5 { // the quickest: whatever else this machine does is not meant
				start := time.Now()
				_, err = v.Verify(cms, content)
				if spent = min(spent, time.Since(start)); spent <= 100*time.Millisecond {
					break
				}
			}
			if spent > 100*time.Millisecond {
				t.Errorf("took %v", spent)
			}
			// Many names harm nobody: they are not looked at.
			if err == nil && name != "2,000 names" {
				t.Error("was accepted")
			}
		})
	}
}

func positive(bits int) []byte {
	return cardtest.TLV(0x02, append([]byte{0x7f}, make([]byte, bits/8-1)...))
}

func repeat(b []byte, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

func descending(n int) []byte {
	var out []byte
	for i := n; i > 0; i-- {
		out = append(out, cardtest.TLV(0x04, []byte{byte(i >> 8), byte(i)})...)
	}
	return out
}

// nestedSets makes each level compare all that is below it.
func nestedSets(depth int) []byte {
	der := cardtest.TLV(0x04, make([]byte, 1000))
	for range depth {
		der = cardtest.TLV(0x31, der, der[:0], cardtest.TLV(0x24))
	}
	return der
}

// weakKey is an RSA-2048 key with primes side by side.
func weakKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	one, two := big.NewInt(1), big.NewInt(2)
	q := new(big.Int).Add(p, two)
	for !q.ProbablyPrime(10) {
		q.Add(q, two)
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, Primes: []*big.Int{p, q}}
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	return key
}

// A card with a weak key is refused although everything about it is in order.
func TestT120_WeakCard(t *testing.T) {
	key := weakKey(t)
	der := issue(func(l *cardtest.Leaf) { l.Key = key.Public() })
	refused(t, verifier(t), message(der, func(m *cardtest.Message) {
		m.Key, m.Algorithm = key, cardtest.TLV(0x30, cardtest.OID("1.2.840.113549.1.1.11"), cardtest.TLV(0x05))
		m.Signature = rawSign(key, cardtest.TLV(0x31, m.GoodAttributes()...))
	}), cardreader.CauseKeyWeak)
}

// rawSign is PKCS#1 v1.5 by hand (RFC 8017 section 8.2.1): the library refuses to
// sign with such keys.
func rawSign(key *rsa.PrivateKey, message []byte) []byte {
	info := cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.OID(cardtest.OIDSHA256), cardtest.TLV(0x05)), cardtest.TLV(0x04, digestOf(message)))
	padded := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, key.Size()-3-len(info))...)
	m := new(big.Int).SetBytes(append(append(padded, 0), info...))
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

// So are two cards whose keys share a prime, as soon as both were seen.
func TestT120_SharedCards(t *testing.T) {
	first, other := cardtest.Key(0), cardtest.Key(1)
	p, q := first.Primes[0], other.Primes[1]
	one := big.NewInt(1)
	second := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, Primes: []*big.Int{p, q}}
	second.D = new(big.Int).ModInverse(big.NewInt(65537), new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
	second.Precompute()
	v := verifier(t)
	v.Moduli = new(cardreader.Moduli)
	good := message(issue())
	accepted(t, v, good)
	accepted(t, v, good)
	der := issue(func(l *cardtest.Leaf) { l.Key, l.SubjectSerial = second.Public(), "0000000000000002" })
	refused(t, v, message(der, func(m *cardtest.Message) { m.Key = second }), cardreader.CauseKeyShared)
	refused(t, v, good, cardreader.CauseKeyShared)
}

// BenchmarkVerify beside BenchmarkFloor is what our rules cost: the floor is the
// two bare RSA verifications that nobody can do without.
func BenchmarkVerify(b *testing.B) {
	for name, ca := range map[string]*cardtest.CA{"G2": cardtest.G2(), "G3": cardtest.G3()} {
		cms := message(ca.IssueDER(goodLeaf()))
		for card, moduli := range map[string]*cardreader.Moduli{"first": nil, "again": new(cardreader.Moduli)} {
			b.Run(name+"/"+card, func(b *testing.B) {
				v := verifier(b)
				v.Moduli = moduli
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(cms, content); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkFloor(b *testing.B) {
	for name, ca := range map[string]*cardtest.CA{"G2": cardtest.G2(), "G3": cardtest.G3()} {
		cert, err := ca.Issue(goodLeaf())
		if err != nil {
			b.Fatal(err)
		}
		m := cardtest.Message{Content: content, Key: cardtest.Key(0), Certificate: cert.Raw}
		signed := cardtest.TLV(0x31, m.GoodAttributes()...)
		info := cardtest.Elements(m.SignerInfo())
		signature := body(info[len(info)-1])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if cert.CheckSignature(x509.SHA256WithRSA, signed, signature) != nil ||
					ca.Certificate.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
					b.Fatal("signature")
				}
			}
		})
	}
}
