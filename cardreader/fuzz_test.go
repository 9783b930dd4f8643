package cardreader

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.mozilla.org/pkcs7"

	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/policy"
)

func fuzzLeaf() cardtest.Leaf {
	return cardtest.Leaf{Name: "王小明", SubjectSerial: "0000000012345678", IDTail: "6789", Key: cardtest.Key(0).Public()}
}

func fuzzCard() []byte { return cardtest.G2().IssueDER(fuzzLeaf()) }

func fuzzMessages() [][]byte {
	base := cardtest.Message{Content: []byte("content"), Key: cardtest.Key(0), Certificate: fuzzCard()}
	timed, none, twice := base, base, base
	timed.SigningTime = challengeNow
	none.NoAttributes = true
	twice.SignerCount = 2
	return [][]byte{base.DER(), timed.DER(), none.DER(), twice.DER()}
}

// write is the inverse of the walk: what it accepts has one encoding.
func write(e element) []byte {
	if e.tag&0x20 == 0 {
		return tlv(e.tag, e.body)
	}
	var parts [][]byte
	for r := (&reader{rest: e.body}); r.more(); {
		parts = append(parts, write(r.any()))
	}
	return tlv(e.tag, parts...)
}

func FuzzDER(f *testing.F) {
	for _, seed := range append(fuzzMessages(), []byte{0x30, 0x80, 0, 0}, []byte{0x24, 0x80}, []byte{5, 0}) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkDER(b) != nil {
			return
		}
		e, rest, err := readElement(b)
		if err != nil || len(rest) != 0 || !bytes.Equal(write(e), b) {
			t.Fatalf("%x has another encoding", b)
		}
	})
}

func FuzzCMS(f *testing.F) {
	for _, seed := range fuzzMessages() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseCMS(b)
		if err != nil {
			return
		}
		forms := [][]byte{m.write(sha256Absent, sha256Absent), m.write(sha256NullPar, sha256NullPar),
			m.write(sha256Absent, sha256NullPar), m.write(sha256NullPar, sha256Absent)}
		if !slices.ContainsFunc(forms, func(form []byte) bool { return bytes.Equal(form, b) }) {
			t.Fatalf("%x has another encoding", b)
		}
		_ = m.checkAttributes(challengeNow)
		_, _ = m.signerCertificate()
		// The library may read less, and does not say so: it drops the error of what
		// it cannot decode, which leaves no signers. It must not see something else.
		p7, err := pkcs7.Parse(b)
		if err == nil && len(p7.Signers) > 0 && (!bytes.Equal(p7.Content, m.content) || len(p7.Signers) != 1) {
			t.Fatalf("the library reads %x", p7.Content)
		}
	})
}

func (m *signedData) write(outer, inner []byte) []byte {
	signer := tlv(tagSequence, versionOne, tlv(tagSequence, m.issuer, m.serial), inner,
		tlv(tagContext0, m.attributes), m.algorithm, tlv(tagOctetString, m.signature))
	return tlv(tagSequence, oidSignedData, tlv(tagContext0, tlv(tagSequence,
		versionOne, tlv(tagSet, outer),
		tlv(tagSequence, oidData, tlv(tagContext0, tlv(tagOctetString, m.content))),
		tlv(tagContext0, m.certificates...),
		tlv(tagSet, signer),
	)))
}

// FuzzVerify may send anything: nothing but the one good message, whose
// signature nobody can change, may pass.
func FuzzVerify(f *testing.F) {
	for _, seed := range fuzzMessages() {
		f.Add(seed)
	}
	profile := MOICAG2()
	profile.Issuers, profile.WithoutCRL = cardtest.KeyIDs(), true
	anchors, err := NewAnchors([]*x509.Certificate{cardtest.G2().Certificate}, []Profile{profile})
	if err != nil {
		f.Fatal(err)
	}
	clock := func() time.Time { return challengeNow }
	v := &Verifier{Anchors: anchors, Revocation: &CRLFiles{Anchors: anchors, Now: clock}, Now: clock}
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := v.Verify(b, []byte("content")); err == nil && h.SubjectSerial != fuzzLeaf().SubjectSerial {
			t.Fatalf("a holder that no card has: %+v", h)
		}
	})
}

func FuzzSubject(f *testing.F) {
	f.Add(cardtest.Name(
		cardtest.RDN(cardtest.OIDCountry, cardtest.Printable("TW")),
		cardtest.RDN(cardtest.OIDCommonName, cardtest.UTF8("王小明")),
		cardtest.RDN(cardtest.OIDSerialNumber, cardtest.Printable("0000000012345678"))))
	f.Add(cardtest.Name(cardtest.RDN(cardtest.OIDCommonName, cardtest.TLV(0x1e, []byte{0x73, 0x8b}))))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSubject(b)
		if err != nil {
			return
		}
		if !digits(s.serialNumber, 16) || s.commonName == "" || !utf8.ValidString(s.text) || strings.IndexFunc(s.text, oddRune) >= 0 {
			t.Fatalf("got %+v", s)
		}
		if policy.PersonName(policy.PersonName(s.commonName)) != policy.PersonName(s.commonName) {
			t.Fatalf("%q has no stable form", s.commonName)
		}
		again, err := parseSubject(tlv(tagSequence,
			tlv(tagSet, tlv(tagSequence, oidCommonName, tlv(tagUTF8String, []byte(s.commonName)))),
			tlv(tagSet, tlv(tagSequence, oidSerialNumber, tlv(tagPrintableString, []byte(s.serialNumber))))))
		if err != nil || again.commonName != s.commonName || again.serialNumber != s.serialNumber {
			t.Fatalf("written anew it reads %+v, %v", again, err)
		}
	})
}

func FuzzDirectoryAttributes(f *testing.F) {
	f.Add(cardtest.SDA(cardtest.Printable("6789")))
	f.Add(cardtest.SDA(cardtest.UTF8("6789"), cardtest.UTF8("0000")))
	rules, err := MOICAG2().compile()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tail, err := rules.parseHolder(b)
		if err != nil {
			return
		}
		again, err := rules.parseHolder(cardtest.SDA(tlv(tagPrintableString, []byte(tail))))
		if err != nil || again != tail || !digits(tail, 4) {
			t.Fatalf("got %q, written anew %q, %v", tail, again, err)
		}
	})
}

func FuzzCRL(f *testing.F) {
	list := cardtest.CRL{Number: 7, ThisUpdate: challengeNow, NextUpdate: challengeNow.Add(time.Hour)}
	f.Add(cardtest.Elements(cardtest.G2().CRL(list))[0])
	list.Serials = [][]byte{{5}, {1}, {0, 0x80}}
	list.Extra = []cardtest.Extension{{OID: extIssuingPoint, Critical: true, Value: cardtest.TLV(0x30, cardtest.TLV(0x81, []byte{0xff}))}}
	f.Add(cardtest.Elements(cardtest.G2().CRL(list))[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		c := new(crl)
		if checkDER(b) != nil {
			return
		}
		if _, err := c.parseSigned(b, tlv(tagSequence, oidRSAWithSHA256, derNull)); err != nil {
			return
		}
		if c.issuer == "" || c.number == nil || !slices.IsSortedFunc(c.revoked, compareSerials) {
			t.Fatalf("got %+v", c)
		}
		for _, serial := range c.revoked {
			if !c.lists(serial) {
				t.Fatalf("%x is not found", serial)
			}
		}
	})
}
