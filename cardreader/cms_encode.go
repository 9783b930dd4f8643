package cardreader

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Pending is a CMS SignedData (RFC 5652 section 5) that only lacks its
// signature. A card signs through PKCS#11, which no crypto.Signer of a library
// reaches, so building the message is split where the card comes in.
type Pending struct {
	content    []byte
	cert       *x509.Certificate
	attributes []byte // the signed attributes, sorted, without their SET header
	algorithm  []byte
}

// PrepareCMS begins a SignedData over content by the holder of cert, RSA
// (PKCS#1 v1.5) or ECDSA. A zero signingTime is left out of the message.
func PrepareCMS(content []byte, cert *x509.Certificate, signingTime time.Time) (*Pending, error) {
	if len(content) == 0 || cert == nil {
		return nil, errors.New("cms: content and certificate are needed")
	}
	p := &Pending{content: bytes.Clone(content), cert: cert}
	switch cert.PublicKey.(type) {
	case *rsa.PublicKey:
		p.algorithm = tlv(tagSequence, oidRSAWithSHA256, derNull)
	case *ecdsa.PublicKey:
		p.algorithm = tlv(tagSequence, oidECDSASHA256)
	default:
		return nil, fmt.Errorf("cms: no signature algorithm for a key of type %T", cert.PublicKey)
	}
	digest := sha256.Sum256(content)
	attributes := [][]byte{
		attribute(oidContentType, oidData),
		attribute(oidMessageDigest, tlv(tagOctetString, digest[:])),
	}
	if !signingTime.IsZero() {
		attributes = append(attributes, attribute(oidSigningTime, derTime(signingTime)))
	}
	slices.SortFunc(attributes, bytes.Compare) // X.690 section 11.6
	p.attributes = bytes.Join(attributes, nil)
	return p, nil
}

// ToSign is what the card signs with SHA-256 and the padding of its key: the
// signed attributes as a DER SET, not as the [0] of the message (RFC 5652
// section 5.4).
func (p *Pending) ToSign() []byte { return tlv(tagSet, p.attributes) }

// Assemble returns the whole message. The signature of an RSA key is as
// PKCS#11 gives it; that of an ECDSA key is the DER SEQUENCE of r and s.
func (p *Pending) Assemble(signature []byte) []byte {
	sha := tlv(tagSequence, oidSHA256)
	signer := tlv(tagSequence,
		[]byte{tagInteger, 1, 1},
		tlv(tagSequence, p.cert.RawIssuer, tlv(tagInteger, serialOctets(p.cert))),
		sha,
		tlv(tagContext0, p.attributes),
		p.algorithm,
		tlv(tagOctetString, signature),
	)
	return tlv(tagSequence, oidSignedData, tlv(tagContext0, tlv(tagSequence,
		[]byte{tagInteger, 1, 1},
		tlv(tagSet, sha),
		tlv(tagSequence, oidData, tlv(tagContext0, tlv(tagOctetString, p.content))),
		tlv(tagContext0, p.cert.Raw),
		tlv(tagSet, signer),
	)))
}

func attribute(oid, value []byte) []byte {
	return tlv(tagSequence, oid, tlv(tagSet, value))
}

// derTime is a UTCTime until 2049 and a GeneralizedTime after it (RFC 5652
// section 11.3).
func derTime(t time.Time) []byte {
	t = t.UTC()
	if t.Year() >= 1950 && t.Year() < 2050 {
		return tlv(tagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return tlv(tagGeneralizedTime, []byte(t.Format("20060102150405Z")))
}

// serialOctets is the content of the certificate's serial number: big.Int has
// no sign octet, DER has one where the first bit is set.
func serialOctets(cert *x509.Certificate) []byte {
	b := cert.SerialNumber.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}
