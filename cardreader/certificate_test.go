package cardreader_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// leaf is a change of a good certificate.
type leaf = func(*cardtest.Leaf)

func extra(oid string, critical bool, value []byte) leaf {
	return func(l *cardtest.Leaf) {
		l.Extra = append(l.Extra, cardtest.Extension{OID: oid, Critical: critical, Value: value})
	}
}

func drop(oid string) leaf { return func(l *cardtest.Leaf) { l.Drop = append(l.Drop, oid) } }

func newCA(t *testing.T, o cardtest.CAOptions) *cardtest.CA {
	t.Helper()
	ca, err := cardtest.NewCA(o)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestT092_UnknownIssuer(t *testing.T) {
	v := verifier(t)
	stranger := newCA(t, cardtest.CAOptions{Key: cardtest.Key(5)})
	// One that claims the key identifier of a pinned issuer, too.
	impostor := newCA(t, cardtest.CAOptions{Key: cardtest.Key(5), Template: func(c *x509.Certificate) {
		c.SubjectKeyId = cardtest.G2().Certificate.SubjectKeyId
	}})
	intermediate := newCA(t, cardtest.CAOptions{Key: cardtest.Key(6), Parent: cardtest.G2(), Template: func(c *x509.Certificate) {
		c.RawSubject = cardtest.Name(cardtest.RDN(cardtest.OIDOrganisation, cardtest.UTF8("下層")))
	}})
	for name, c := range map[string]struct {
		ca    *cardtest.CA
		cause cardreader.Cause
	}{
		"unknown issuer":          {stranger, cardreader.CauseIssuer},
		"claimed key identifier":  {impostor, cardreader.CauseIssued},
		"intermediate not pinned": {intermediate, cardreader.CauseIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			der := c.ca.IssueDER(goodLeaf())
			refused(t, v, message(der), c.cause)
			// The issuer in the message changes nothing.
			refused(t, v, message(der, func(m *cardtest.Message) {
				m.Certificates = [][]byte{c.ca.Certificate.Raw, der}
			}), c.cause)
		})
	}
	t.Run("another generation's key identifier", func(t *testing.T) {
		refused(t, v, message(issue(extra(cardtest.OIDExtAuthority, false,
			cardtest.TLV(0x30, cardtest.TLV(0x80, cardtest.G3().Certificate.SubjectKeyId))))), cardreader.CauseIssued)
	})
	t.Run("no key identifier", func(t *testing.T) {
		refused(t, v, message(issue(drop(cardtest.OIDExtAuthority))), cardreader.CauseIssuer)
	})
	t.Run("spoiled signature", func(t *testing.T) {
		refused(t, v, message(issue(func(l *cardtest.Leaf) { l.BadSigning = true })), cardreader.CauseIssued)
	})
	t.Run("another issuer's name", func(t *testing.T) {
		refused(t, v, message(issue(func(l *cardtest.Leaf) {
			l.Issuer = cardtest.Name(cardtest.RDN(cardtest.OIDCountry, cardtest.Printable("TW")))
		})), cardreader.CauseIssuer)
	})
	t.Run("self-signed", func(t *testing.T) {
		self := &cardtest.CA{Certificate: cardtest.G2().Certificate, Key: cardtest.Key(0)}
		refused(t, v, message(self.IssueDER(goodLeaf())), cardreader.CauseIssued)
	})
	t.Run("the issuer itself signs", func(t *testing.T) {
		refused(t, v, message(cardtest.G2().Certificate.Raw, func(m *cardtest.Message) { m.Key = cardtest.G2().Key }))
	})
	t.Run("a pinned issuer that no profile names", func(t *testing.T) {
		p := profile()
		p.Issuers = []string{cardtest.G3().KeyID()}
		refused(t, verifierOf(t, []cardreader.Profile{p}, cardtest.G2(), cardtest.G3()), message(issue()), cardreader.CauseIssuer)
	})
}

func TestT098_Algorithms(t *testing.T) {
	v := verifier(t, func(p *cardreader.Profile) {
		p.Algorithms = []cardreader.Algorithm{cardreader.RSAPKCS1, cardreader.RSAPSS, cardreader.ECDSAP256, cardreader.ECDSAP384}
	})
	refused(t, v, message(issue(), func(m *cardtest.Message) { m.Hash = crypto.SHA1 }), cardreader.CauseAlgorithm)
	refused(t, v, message(issue(func(l *cardtest.Leaf) { l.Hash = crypto.SHA1 })), cardreader.CauseIssued)
	md5 := cardtest.TLV(0x30, cardtest.OID("1.2.840.113549.2.5"), cardtest.TLV(0x05))
	null := cardtest.TLV(0x05)
	for name, change := range map[string]msg{
		"MD5":                     func(m *cardtest.Message) { m.Digest, m.Digests = md5, [][]byte{md5} },
		"MD5 for the signer only": func(m *cardtest.Message) { m.Digest = md5 },
		"SHA-1 in the algorithm": func(m *cardtest.Message) {
			m.Algorithm = cardtest.TLV(0x30, cardtest.OID("1.2.840.113549.1.1.5"), null)
		},
		"no parameters": func(m *cardtest.Message) { m.Algorithm = cardtest.TLV(0x30, cardtest.OID("1.2.840.113549.1.1.11")) },
		"other parameters": func(m *cardtest.Message) {
			m.Algorithm = cardtest.TLV(0x30, cardtest.OID("1.2.840.113549.1.1.11"), cardtest.TLV(0x30))
		},
		"an ECDSA name":         func(m *cardtest.Message) { m.Algorithm = cardtest.TLV(0x30, cardtest.OID("1.2.840.10045.4.3.2")) },
		"PSS with a salt of 20": func(m *cardtest.Message) { m.PSS, m.Algorithm = true, cardtest.PSSAlgorithm(20) },
		"PSS with a salt of 0":  func(m *cardtest.Message) { m.PSS, m.Algorithm = true, cardtest.PSSAlgorithm(0) },
		"PSS without parameters": func(m *cardtest.Message) {
			m.PSS, m.Algorithm = true, cardtest.TLV(0x30, cardtest.OID(cardtest.OIDRSAPSS))
		},
		"PSS with the defaults": func(m *cardtest.Message) {
			m.PSS, m.Algorithm = true, cardtest.TLV(0x30, cardtest.OID(cardtest.OIDRSAPSS), cardtest.TLV(0x30))
		},
		"PSS called PKCS#1": func(m *cardtest.Message) {
			m.PSS, m.Algorithm = true, cardtest.TLV(0x30, cardtest.OID("1.2.840.113549.1.1.11"), null)
		},
		"PKCS#1 called PSS":        func(m *cardtest.Message) { m.Algorithm = cardtest.PSSAlgorithm(32) },
		"PSS with a trailer field": func(m *cardtest.Message) { m.PSS, m.Algorithm = true, pssTrailer() },
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(issue(), change), cardreader.CauseAlgorithm, cardreader.CauseSignature)
		})
	}
	t.Run("PSS where the profile has none", func(t *testing.T) {
		refused(t, verifier(t), message(issue(), func(m *cardtest.Message) { m.PSS = true }), cardreader.CauseAlgorithm)
	})
	t.Run("ECDSA where the profile has none", func(t *testing.T) {
		key := cardtest.KeyEC(elliptic.P256())
		der := issue(func(l *cardtest.Leaf) { l.Key = key.Public() })
		refused(t, verifier(t), message(der, func(m *cardtest.Message) { m.Key = key }), cardreader.CauseAlgorithm)
	})
}

func pssTrailer() []byte {
	parts := cardtest.Elements(cardtest.PSSAlgorithm(32))
	parameters := cardtest.Elements(parts[1])
	return cardtest.TLV(0x30, parts[0], cardtest.TLV(0x30, append(parameters, cardtest.TLV(0xa3, cardtest.Integer(1)))...))
}

func TestT098_Keys(t *testing.T) {
	v := verifier(t, func(p *cardreader.Profile) {
		p.Algorithms = []cardreader.Algorithm{cardreader.RSAPKCS1, cardreader.ECDSAP256}
	})
	good := cardtest.Key(0).PublicKey
	of := func(bits int, e int) *rsa.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return &rsa.PublicKey{N: n.Add(n, big.NewInt(12345)), E: e}
	}
	for name, pub := range map[string]*rsa.PublicKey{
		"exponent 1":     {N: good.N, E: 1},
		"exponent 2":     {N: good.N, E: 2},
		"exponent 3":     {N: good.N, E: 3},
		"exponent 65536": {N: good.N, E: 65536},
		"exponent 2^40":  {N: good.N, E: 1<<40 + 1},
		"512 bits":       of(512, 65537),
		"1024 bits":      of(1024, 65537),
		"2047 bits":      of(2047, 65537),
		"4097 bits":      of(4097, 65537),
		"negative":       {N: new(big.Int).Neg(good.N), E: 65537},
		"zero":           {N: new(big.Int), E: 65537},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(issue(func(l *cardtest.Leaf) { l.SPKI = cardtest.SPKIOf(pub) })),
				cardreader.CauseKey, cardreader.CauseCertificate)
		})
	}
	for name, curve := range map[string]elliptic.Curve{"P-224": elliptic.P224(), "P-521": elliptic.P521()} {
		t.Run(name, func(t *testing.T) {
			key := cardtest.KeyEC(curve)
			refused(t, v, message(issue(func(l *cardtest.Leaf) { l.Key = key.Public() }), func(m *cardtest.Message) { m.Key = key }), cardreader.CauseKey)
		})
	}
	t.Run("P-192", func(t *testing.T) {
		refused(t, v, message(issue(func(l *cardtest.Leaf) { l.SPKI = spkiP192() })), cardreader.CauseCertificate, cardreader.CauseKey)
	})
	t.Run("P-256 off the curve", func(t *testing.T) {
		key := cardtest.KeyEC(elliptic.P256())
		refused(t, v, message(issue(func(l *cardtest.Leaf) { l.SPKI = offCurve(&key.PublicKey) }), func(m *cardtest.Message) { m.Key = key }), cardreader.CauseCertificate, cardreader.CauseKey)
	})
}

func spkiP192() []byte {
	point := append([]byte{0, 4}, make([]byte, 48)...)
	return cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.OID("1.2.840.10045.2.1"), cardtest.OID("1.2.840.10045.3.1.1")), cardtest.TLV(0x03, point))
}

func offCurve(key *ecdsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	der[len(der)-1] ^= 1
	return der
}

func TestT101_Usage(t *testing.T) {
	v := verifier(t)
	eku := func(oids ...string) leaf {
		var list [][]byte
		for _, oid := range oids {
			list = append(list, cardtest.OID(oid))
		}
		return extra(cardtest.OIDExtExtended, false, cardtest.TLV(0x30, list...))
	}
	usage := func(bits ...byte) leaf { return func(l *cardtest.Leaf) { l.KeyUsage = cardtest.TLV(0x03, bits) } }
	policies := func(oids ...string) leaf {
		var list [][]byte
		for _, oid := range oids {
			list = append(list, cardtest.TLV(0x30, cardtest.OID(oid)))
		}
		return extra(cardtest.OIDExtPolicies, false, cardtest.TLV(0x30, list...))
	}
	ca := cardtest.TLV(0x30, cardtest.TLV(0x01, []byte{0xff}))
	for name, c := range map[string]struct {
		change leaf
		cause  cardreader.Cause
	}{
		"only serverAuth":            {eku(cardtest.OIDServerAuth), cardreader.CauseUsage},
		"only codeSigning":           {eku("1.3.6.1.5.5.7.3.3"), cardreader.CauseUsage},
		"only any usage":             {eku("2.5.29.37.0"), cardreader.CauseUsage},
		"only unknown usages":        {eku("1.2.3.4"), cardreader.CauseUsage},
		"no usage in the extension":  {eku(), cardreader.CauseUsage},
		"only keyEncipherment":       {usage(5, 0x20), cardreader.CauseUsage},
		"only nonRepudiation":        {usage(6, 0x40), cardreader.CauseUsage},
		"no key usage":               {drop(cardtest.OIDExtKeyUsage), cardreader.CauseUsage},
		"may sign certificates":      {usage(2, 0x84), cardreader.CauseUsage},
		"may sign lists":             {usage(1, 0x82), cardreader.CauseUsage},
		"an issuer's certificate":    {extra(cardtest.OIDExtBasic, true, ca), cardreader.CauseUsage},
		"path length without issuer": {extra(cardtest.OIDExtBasic, true, cardtest.TLV(0x30, cardtest.Integer(3))), cardreader.CauseUsage},
		"no policies":                {drop(cardtest.OIDExtPolicies), cardreader.CausePolicy},
		"another policy":             {policies("2.16.886.101.0.3.1"), cardreader.CausePolicy},
		"any policy":                 {policies("2.5.29.32.0"), cardreader.CausePolicy},
		"a longer policy":            {policies(cardtest.OIDPolicy + ".1"), cardreader.CausePolicy},
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, message(issue(c.change)), c.cause, cardreader.CauseCertificate) })
	}
	t.Run("a key usage of the profile", func(t *testing.T) {
		v := verifier(t, func(p *cardreader.Profile) { p.KeyUsages = []string{"nonRepudiation"} })
		refused(t, v, message(issue()), cardreader.CauseUsage)
		refused(t, v, message(issue(usage(6, 0x40))), cardreader.CauseUsage)
		accepted(t, v, message(issue(usage(6, 0xc0))))
	})
	for name, change := range map[string]leaf{
		"clientAuth":          eku(cardtest.OIDClientAuth),
		"clientAuth and mail": eku("1.3.6.1.5.5.7.3.4", cardtest.OIDClientAuth),
		"also nonRepudiation": usage(6, 0xc0),
		"two policies":        policies("2.16.886.101.0.3.1", cardtest.OIDPolicy),
		"no issuer":           extra(cardtest.OIDExtBasic, true, cardtest.TLV(0x30)),
	} {
		t.Run(name, func(t *testing.T) { accepted(t, v, message(issue(change))) })
	}
}
