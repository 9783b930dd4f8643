package cardtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"
)

// The object identifiers of a card's certificate.
const (
	OIDPolicy         = "2.16.886.101.0.3.3"    // assurance level 3
	OIDSubjectType    = "2.16.886.1.100.2.1"    // subject directory attribute
	OIDNaturalPerson  = "2.16.886.1.100.3.1.1"  // its value on a person's card
	OIDIDTail         = "2.16.886.1.100.2.51"   // tailOfCitizenID
	OIDExtSDA         = "2.5.29.9"              // subjectDirectoryAttributes
	OIDExtSubjectKey  = "2.5.29.14"             // subjectKeyIdentifier
	OIDExtKeyUsage    = "2.5.29.15"             // keyUsage
	OIDExtAltName     = "2.5.29.17"             // subjectAltName
	OIDExtBasic       = "2.5.29.19"             // basicConstraints
	OIDExtConstraints = "2.5.29.30"             // nameConstraints
	OIDExtPolicies    = "2.5.29.32"             // certificatePolicies
	OIDExtAuthority   = "2.5.29.35"             // authorityKeyIdentifier
	OIDExtExtended    = "2.5.29.37"             // extKeyUsage
	OIDClientAuth     = "1.3.6.1.5.5.7.3.2"     // id-kp-clientAuth
	OIDServerAuth     = "1.3.6.1.5.5.7.3.1"     // id-kp-serverAuth
	oidSHA256WithRSA  = "1.2.840.113549.1.1.11" // sha256WithRSAEncryption
	oidSHA1WithRSA    = "1.2.840.113549.1.1.5"  // sha1WithRSAEncryption
	oidECDSAWithSHA2  = "1.2.840.10045.4.3.2"   // ecdsa-with-SHA256
)

// Leaf describes a holder's certificate. The zero value of each field below
// the key is what a good card has.
type Leaf struct {
	Name          string // 王小明
	SubjectSerial string // 16 digits
	IDTail        string // the last four of the national ID
	Key           crypto.PublicKey
	NotBefore     time.Time // zero: 2024-06-01
	NotAfter      time.Time // zero: 2034-05-31

	Serial     []byte      // content octets of the serial number, as they are
	Subject    []byte      // the whole name instead of Name and SubjectSerial
	Issuer     []byte      // the whole issuer name instead of the CA's
	SDA        []byte      // the value of subjectDirectoryAttributes
	SPKI       []byte      // the whole subjectPublicKeyInfo instead of Key
	KeyUsage   []byte      // the value of keyUsage
	Drop       []string    // extensions left out
	Extra      []Extension // extensions added; one that exists is replaced
	Hash       crypto.Hash // zero: SHA-256
	BadSigning bool        // spoils the issuer's signature
}

// Extension is one extension of a certificate (RFC 5280 section 4.2).
type Extension struct {
	OID      string
	Critical bool
	Value    []byte
}

// Issue makes a certificate that x509 can read.
func (ca *CA) Issue(l Leaf) (*x509.Certificate, error) {
	return x509.ParseCertificate(ca.IssueDER(l))
}

// IssueDER makes a certificate, however odd.
func (ca *CA) IssueDER(l Leaf) []byte {
	algorithm := signatureAlgorithm(ca.Key.Public(), l.Hash)
	issuer := l.Issuer
	if issuer == nil {
		issuer = ca.Certificate.RawSubject
	}
	tbs := TLV(0x30,
		TLV(0xa0, Integer(2)),
		TLV(asn1.TagInteger, l.serial()),
		algorithm,
		issuer,
		TLV(0x30, Time(orElse(l.NotBefore, time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC))),
			Time(orElse(l.NotAfter, time.Date(2034, 5, 31, 15, 59, 59, 0, time.UTC)))),
		l.subject(),
		l.spki(),
		TLV(0xa3, TLV(0x30, l.extensions(ca)...)),
	)
	signature := signWith(ca.Key, tbs, l.Hash)
	if l.BadSigning {
		signature[len(signature)/2] ^= 1
	}
	return TLV(0x30, tbs, algorithm, bitString(signature))
}

func (l Leaf) serial() []byte {
	if l.Serial != nil {
		return l.Serial
	}
	sum := sha256.Sum256(append([]byte(l.Name+"\x00"+l.SubjectSerial+"\x00"), l.spki()...))
	sum[0] = sum[0]&0x3f | 0x40 // positive, and 32 hex digits
	return sum[:16]
}

func (l Leaf) subject() []byte {
	if l.Subject != nil {
		return l.Subject
	}
	return Name(
		RDN(OIDCountry, Printable("TW")),
		RDN(OIDCommonName, UTF8(l.Name)),
		RDN(OIDSerialNumber, Printable(l.SubjectSerial)),
	)
}

func (l Leaf) spki() []byte {
	if l.SPKI != nil {
		return l.SPKI
	}
	der, err := x509.MarshalPKIXPublicKey(l.Key)
	if err != nil {
		panic(err)
	}
	return der
}

func (l Leaf) extensions(ca *CA) [][]byte {
	keyID := sha256.Sum256(l.spki())
	list := []Extension{
		{OIDExtAuthority, false, TLV(0x30, TLV(0x80, ca.Certificate.SubjectKeyId))},
		{OIDExtSubjectKey, false, TLV(asn1.TagOctetString, keyID[:20])},
		{OIDExtKeyUsage, true, orElseBytes(l.KeyUsage, TLV(asn1.TagBitString, []byte{7, 0x80}))}, // digitalSignature
		{OIDExtPolicies, false, TLV(0x30, TLV(0x30, OID(OIDPolicy)))},
		{OIDExtSDA, false, orElseBytes(l.SDA, SDA(TLV(asn1.TagPrintableString, []byte(l.IDTail))))},
	}
	for _, extra := range l.Extra {
		i := slices.IndexFunc(list, func(e Extension) bool { return e.OID == extra.OID })
		if i >= 0 {
			list[i] = extra
		} else {
			list = append(list, extra)
		}
	}
	var out [][]byte
	for _, e := range list {
		if slices.Contains(l.Drop, e.OID) {
			continue
		}
		var critical []byte
		if e.Critical {
			critical = TLV(asn1.TagBoolean, []byte{0xff})
		}
		out = append(out, TLV(0x30, OID(e.OID), critical, TLV(asn1.TagOctetString, e.Value)))
	}
	return out
}

// SDA is the subjectDirectoryAttributes of a natural person whose
// tailOfCitizenID has the given values.
func SDA(tails ...[]byte) []byte {
	return TLV(0x30,
		TLV(0x30, OID(OIDSubjectType), TLV(0x31, OID(OIDNaturalPerson))),
		TLV(0x30, OID(OIDIDTail), TLV(0x31, tails...)),
	)
}

func bitString(b []byte) []byte { return TLV(asn1.TagBitString, []byte{0}, b) }

func signatureAlgorithm(key crypto.PublicKey, hash crypto.Hash) []byte {
	if _, ok := key.(*ecdsa.PublicKey); ok {
		return TLV(0x30, OID(oidECDSAWithSHA2))
	}
	oid := oidSHA256WithRSA
	if hash == crypto.SHA1 {
		oid = oidSHA1WithRSA
	}
	return TLV(0x30, OID(oid), TLV(asn1.TagNull))
}

// signWith signs as a card does: PKCS#1 v1.5 for RSA, a SEQUENCE for ECDSA.
func signWith(key crypto.Signer, message []byte, hash crypto.Hash) []byte {
	if hash == 0 {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write(message)
	signature, err := key.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		panic(err)
	}
	return signature
}

func orElse(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

func orElseBytes(b, otherwise []byte) []byte {
	if b == nil {
		return otherwise
	}
	return b
}

// SPKIOf is the subjectPublicKeyInfo of any RSA numbers, however unfit.
func SPKIOf(key *rsa.PublicKey) []byte {
	n, err := asn1.Marshal(*key)
	if err != nil {
		panic(err)
	}
	return TLV(0x30, TLV(0x30, OID("1.2.840.113549.1.1.1"), TLV(asn1.TagNull)), bitString(n))
}
