package cardreader_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// constrained is the value of name constraints with one subtree of each kind.
func constrained(permitted, excluded []byte) []byte {
	var parts [][]byte
	if permitted != nil {
		parts = append(parts, cardtest.TLV(0xa0, cardtest.TLV(0x30, permitted)))
	}
	if excluded != nil {
		parts = append(parts, cardtest.TLV(0xa1, cardtest.TLV(0x30, excluded)))
	}
	return cardtest.TLV(0x30, parts...)
}

func TestT111_Path(t *testing.T) {
	dns := func(s string) []byte { return cardtest.TLV(0x82, []byte(s)) }
	mail := func(s string) []byte { return cardtest.TLV(0x81, []byte(s)) }
	name := func(rdns ...[]byte) []byte { return cardtest.TLV(0xa4, cardtest.Name(rdns...)) }
	taiwan := cardtest.RDN(cardtest.OIDCountry, cardtest.Printable("TW"))
	japan := cardtest.RDN(cardtest.OIDCountry, cardtest.Printable("JP"))
	alt := func(names ...[]byte) leaf { return extra(cardtest.OIDExtAltName, false, cardtest.TLV(0x30, names...)) }
	for title, c := range map[string]struct {
		constraints []byte
		leaf        leaf
		refused     bool
	}{
		"directory within":                   {constrained(name(taiwan), nil), func(*cardtest.Leaf) {}, false},
		"directory outside":                  {constrained(name(japan), nil), func(*cardtest.Leaf) {}, true},
		"directory excluded":                 {constrained(nil, name(taiwan)), func(*cardtest.Leaf) {}, true},
		"directory excluded in another type": {constrained(nil, name(cardtest.RDN(cardtest.OIDCountry, cardtest.UTF8("tw")))), func(*cardtest.Leaf) {}, true},
		"DNS within":                         {constrained(dns("example.test"), nil), alt(dns("pc.example.test")), false},
		"DNS outside":                        {constrained(dns("example.test"), nil), alt(dns("pc.example.com")), true},
		"DNS only looks within":              {constrained(dns("example.test"), nil), alt(dns("notexample.test")), true},
		"DNS excluded":                       {constrained(nil, dns("example.test")), alt(dns("pc.example.test")), true},
		"upper-case DNS excluded":            {constrained(nil, dns("example.test")), alt(dns("PC.EXAMPLE.TEST")), true},
		"upper-case constraint":              {constrained(nil, dns("EXAMPLE.TEST")), alt(dns("pc.example.test")), true},
		"trailing dot excluded":              {constrained(nil, dns("example.test")), alt(dns("pc.example.test.")), true},
		"mail excluded":                      {constrained(nil, mail("example.test")), alt(mail("a@Example.Test")), true},
		"mail of another host":               {constrained(nil, mail("example.test")), alt(mail("a@other.test")), false},
		"mail domain":                        {constrained(mail(".example.test"), nil), alt(mail("a@host.example.test")), false},
		"a kind of name not known":           {constrained(dns("example.test"), nil), alt(cardtest.TLV(0x87, []byte{127, 0, 0, 1})), true},
		"no alternative name":                {constrained(dns("example.test"), nil), func(*cardtest.Leaf) {}, false},
	} {
		t.Run(title, func(t *testing.T) {
			ca := newCA(t, cardtest.CAOptions{Key: cardtest.Key(7), Template: func(cert *x509.Certificate) {
				cert.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 30}, Critical: true, Value: c.constraints}}
			}})
			p := profile()
			p.Issuers = []string{ca.KeyID()}
			v := verifierOf(t, []cardreader.Profile{p}, ca)
			l := goodLeaf()
			c.leaf(&l)
			if c.refused {
				refused(t, v, message(ca.IssueDER(l)), cardreader.CauseConstraint)
			} else {
				accepted(t, v, message(ca.IssueDER(l)))
			}
		})
	}
}

// buildPath makes a root that allows so many issuers below it, and one of them.
func buildPath(t *testing.T, pathLen int, change func(*x509.Certificate)) (root, ca *cardtest.CA) {
	t.Helper()
	root = newCA(t, cardtest.CAOptions{Key: cardtest.Key(8), Template: func(c *x509.Certificate) {
		c.RawSubject = cardtest.Name(cardtest.RDN(cardtest.OIDOrganisation, cardtest.UTF8("行政院")))
		c.MaxPathLen, c.MaxPathLenZero = pathLen, pathLen == 0
	}})
	return root, newCA(t, cardtest.CAOptions{Key: cardtest.Key(7), Serial: 9, Parent: root, Template: change})
}

func TestT111_Intermediate(t *testing.T) {
	p := profile()
	t.Run("good", func(t *testing.T) {
		root, ca := buildPath(t, 1, nil)
		p.Issuers = []string{ca.KeyID()}
		accepted(t, verifierOf(t, []cardreader.Profile{p}, root, ca), message(ca.IssueDER(goodLeaf())))
	})
	t.Run("expired", func(t *testing.T) {
		root, ca := buildPath(t, 1, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })
		v := verifierOf(t, []cardreader.Profile{p}, root, ca)
		refused(t, v, message(ca.IssueDER(goodLeaf())), cardreader.CauseIssuerValidity)
	})
	t.Run("not yet valid", func(t *testing.T) {
		root, ca := buildPath(t, 1, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) })
		v := verifierOf(t, []cardreader.Profile{p}, root, ca)
		refused(t, v, message(ca.IssueDER(goodLeaf())), cardreader.CauseIssuerValidity)
	})
}

func TestT111_UnfitIssuers(t *testing.T) {
	unfit := map[string]func() []*x509.Certificate{
		"path too long": func() []*x509.Certificate {
			root, ca := buildPath(t, 0, nil)
			return []*x509.Certificate{root.Certificate, ca.Certificate}
		},
		"not of that root": func() []*x509.Certificate {
			root, _ := buildPath(t, 1, nil)
			other := newCA(t, cardtest.CAOptions{Key: cardtest.Key(9), Template: func(c *x509.Certificate) {
				c.RawSubject, c.SubjectKeyId = root.Certificate.RawSubject, root.Certificate.SubjectKeyId
			}})
			_, ca := buildPath(t, 1, nil)
			return []*x509.Certificate{other.Certificate, ca.Certificate}
		},
		"no issuer": func() []*x509.Certificate {
			_, ca := buildPath(t, 1, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false })
			return []*x509.Certificate{ca.Certificate}
		},
		"may not sign certificates": func() []*x509.Certificate {
			_, ca := buildPath(t, 1, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
			return []*x509.Certificate{ca.Certificate}
		},
		"unknown critical extension": func() []*x509.Certificate {
			_, ca := buildPath(t, 1, func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
			})
			return []*x509.Certificate{ca.Certificate}
		},
		"twice": func() []*x509.Certificate {
			_, ca := buildPath(t, 1, nil)
			return []*x509.Certificate{ca.Certificate, ca.Certificate}
		},
	}
	for name, certs := range unfit {
		t.Run(name, func(t *testing.T) {
			if _, err := cardreader.NewAnchors(certs(), []cardreader.Profile{profile()}); err == nil {
				t.Error("was pinned")
			}
		})
	}
}

func TestT111_CriticalExtensions(t *testing.T) {
	v := verifier(t)
	refused(t, v, message(issue(extra("1.2.3.4", true, cardtest.TLV(0x05)))), cardreader.CauseExtension)
	refused(t, v, message(issue(extra(cardtest.OIDExtConstraints, true, cardtest.TLV(0x30, cardtest.TLV(0xa0,
		cardtest.TLV(0x30, cardtest.TLV(0x82, []byte("example.test")))))))), cardreader.CauseExtension, cardreader.CauseCertificate)
	accepted(t, v, message(issue(extra("1.2.3.4", false, []byte("anything")))))
}

func TestT113_Reissued(t *testing.T) {
	v := verifier(t)
	first := accepted(t, v, message(issue()))
	second := accepted(t, v, message(issue(func(l *cardtest.Leaf) {
		l.Key, l.NotAfter = cardtest.Key(1).Public(), now.AddDate(9, 0, 0)
	}), func(m *cardtest.Message) { m.Key = cardtest.Key(1) }))
	if first.IssuerKeyID != second.IssuerKeyID || first.SubjectSerial != second.SubjectSerial {
		t.Error("the new card names another holder")
	}
	if first.Fingerprint == second.Fingerprint || first.CertificateSerial == second.CertificateSerial {
		t.Error("the two certificates cannot be told apart")
	}
}
