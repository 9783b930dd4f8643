package cardtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for messages that must be refused
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"
)

// The object identifiers of a message.
const (
	OIDData          = "1.2.840.113549.1.7.1"
	OIDSignedData    = "1.2.840.113549.1.7.2"
	OIDContentType   = "1.2.840.113549.1.9.3"
	OIDMessageDigest = "1.2.840.113549.1.9.4"
	OIDSigningTime   = "1.2.840.113549.1.9.5"
	OIDSHA256        = "2.16.840.1.101.3.4.2.1"
	OIDSHA1          = "1.3.14.3.2.26"
	OIDRSAPSS        = "1.2.840.113549.1.1.10"
)

// Sign makes the message of a good card: a SignedData with the content
// attached, one signer, its certificate, and the signed attributes contentType
// and messageDigest.
func Sign(content []byte, key crypto.Signer, cert *x509.Certificate) []byte {
	return Message{Content: content, Key: key, Certificate: cert.Raw}.DER()
}

// Message describes a SignedData (RFC 5652 section 5). The zero value of each
// field below the certificate is what a good card makes.
type Message struct {
	Content     []byte
	Key         crypto.Signer
	Certificate []byte

	SigningTime  time.Time           // zero: no such attribute
	PSS          bool                // RSASSA-PSS with SHA-256 and 32 octets of salt
	Hash         crypto.Hash         // of digest and signature; zero: SHA-256
	Version      int                 // of the SignedData; zero: 1
	Digests      [][]byte            // digestAlgorithms, instead of the one
	ContentType  string              // eContentType; empty: id-data
	Encapsulated []byte              // the whole encapContentInfo
	Detached     bool                // no content
	Certificates [][]byte            // instead of the one; empty and not nil: none
	CRLs         []byte              // the whole [1]
	Signers      [][]byte            // whole SignerInfos instead of the one
	SignerCount  int                 // repeats the one; negative: none
	SID          []byte              // version and signer identifier, as they are
	Digest       []byte              // the signer's digestAlgorithm
	Algorithm    []byte              // the signer's signatureAlgorithm
	Attributes   [][]byte            // the signed attributes in this order
	NoAttributes bool                // signs the content itself
	ToSign       []byte              // what is signed, instead of the attributes
	Signature    []byte              // instead of the right one; empty and not nil: empty
	Unsigned     []byte              // the whole [1] of the signer
	Wrap         func([]byte) []byte // the last word on the SignedData's element
}

// Attribute is one attribute with the given values.
func Attribute(oid string, values ...[]byte) []byte {
	return TLV(0x30, OID(oid), TLV(0x31, values...))
}

// GoodAttributes are the signed attributes of a good card, in DER order.
func (m Message) GoodAttributes() [][]byte {
	h := m.hash().New()
	h.Write(m.Content)
	list := [][]byte{
		Attribute(OIDContentType, OID(OIDData)),
		Attribute(OIDMessageDigest, TLV(0x04, h.Sum(nil))),
	}
	if !m.SigningTime.IsZero() {
		list = append(list, Attribute(OIDSigningTime, Time(m.SigningTime)))
	}
	slices.SortFunc(list, bytes.Compare)
	return list
}

// DER is the whole message.
func (m Message) DER() []byte {
	version := m.Version
	if version == 0 {
		version = 1
	}
	digests := m.Digests
	if digests == nil {
		digests = [][]byte{m.digest()}
	}
	certificates := m.Certificates
	if certificates == nil {
		certificates = [][]byte{m.Certificate}
	}
	var set []byte
	if len(certificates) > 0 {
		set = TLV(0xa0, certificates...)
	}
	signed := TLV(0x30, Integer(version), TLV(0x31, digests...), m.encapsulated(), set, m.CRLs, TLV(0x31, m.signers()...))
	if m.Wrap != nil {
		signed = m.Wrap(signed)
	}
	return TLV(0x30, OID(OIDSignedData), TLV(0xa0, signed))
}

func (m Message) encapsulated() []byte {
	if m.Encapsulated != nil {
		return m.Encapsulated
	}
	oid := m.ContentType
	if oid == "" {
		oid = OIDData
	}
	if m.Detached {
		return TLV(0x30, OID(oid))
	}
	return TLV(0x30, OID(oid), TLV(0xa0, TLV(0x04, m.Content)))
}

func (m Message) signers() [][]byte {
	if m.Signers != nil || m.SignerCount < 0 {
		return m.Signers
	}
	return slices.Repeat([][]byte{m.SignerInfo()}, max(m.SignerCount, 1))
}

// SignerInfo is the one signer of the message.
func (m Message) SignerInfo() []byte {
	attributes := m.Attributes
	if attributes == nil {
		attributes = m.GoodAttributes()
	}
	toSign, signed := TLV(0x31, attributes...), TLV(0xa0, attributes...)
	if m.NoAttributes {
		toSign, signed = m.Content, nil
	}
	if m.ToSign != nil {
		toSign = m.ToSign
	}
	return TLV(0x30, m.sid(), orElseBytes(m.Digest, m.digest()), signed,
		m.algorithm(), TLV(0x04, m.signature(toSign)), m.Unsigned)
}

func (m Message) sid() []byte {
	if m.SID != nil {
		return m.SID
	}
	issuer, serial := IssuerAndSerial(m.Certificate)
	return append(Integer(1), TLV(0x30, issuer, serial)...)
}

// IssuerAndSerial cuts the two elements out of a certificate, however odd its
// other parts are.
func IssuerAndSerial(certificate []byte) (issuer, serial []byte) {
	tbs := Elements(Elements(certificate)[0])
	return tbs[3], tbs[1]
}

func (m Message) hash() crypto.Hash {
	if m.Hash == 0 {
		return crypto.SHA256
	}
	return m.Hash
}

func (m Message) digest() []byte {
	if m.hash() == crypto.SHA1 {
		return TLV(0x30, OID(OIDSHA1))
	}
	return TLV(0x30, OID(OIDSHA256))
}

func (m Message) algorithm() []byte {
	switch {
	case m.Algorithm != nil:
		return m.Algorithm
	case m.PSS:
		return PSSAlgorithm(32)
	}
	return signatureAlgorithm(m.Key.Public(), m.hash())
}

func (m Message) signature(toSign []byte) []byte {
	if m.Signature != nil {
		return m.Signature
	}
	if _, ok := m.Key.Public().(*ecdsa.PublicKey); ok || !m.PSS {
		return signWith(m.Key, toSign, m.hash())
	}
	digest := sha256.Sum256(toSign)
	signature, err := m.Key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256})
	if err != nil {
		panic(err)
	}
	return signature
}

// PSSAlgorithm is id-RSASSA-PSS with SHA-256 and the given salt length
// (RFC 4055 section 3.1).
func PSSAlgorithm(salt int) []byte {
	sha := TLV(0x30, OID(OIDSHA256), TLV(0x05))
	return TLV(0x30, OID(OIDRSAPSS), TLV(0x30,
		TLV(0xa0, sha),
		TLV(0xa1, TLV(0x30, OID("1.2.840.113549.1.1.8"), sha)),
		TLV(0xa2, Integer(salt)),
	))
}

// Elements cuts the content of a well-formed element into its elements.
func Elements(der []byte) [][]byte {
	var out [][]byte
	for rest := der[headerLen(der):]; len(rest) > 0; {
		n := headerLen(rest) + contentLen(rest)
		out, rest = append(out, rest[:n]), rest[n:]
	}
	return out
}

func headerLen(der []byte) int {
	if der[1] < 0x80 {
		return 2
	}
	return 2 + int(der[1]&0x7f)
}

func contentLen(der []byte) int {
	if der[1] < 0x80 {
		return int(der[1])
	}
	n := 0
	for _, b := range der[2:headerLen(der)] {
		n = n<<8 | int(b)
	}
	return n
}
