package cardreader

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"time"
)

// Holder is what a card proved: who holds it, by an issuer that we pinned.
// IssuerKeyID and SubjectSerial together name the holder; the other fields are
// to be shown and compared.
type Holder struct {
	IssuerKeyID       string // hex of the issuer's subject key identifier
	SubjectSerial     string // the 16 digits of the subject's serialNumber
	Name              string // the subject's common name
	IDTail            string // the last four of the national ID
	CertificateSerial string // hex, upper case
	SubjectDN         string // the subject's whole name as text
	NotBefore         time.Time
	NotAfter          time.Time
	Fingerprint       string // hex SHA-256 of the certificate
	Certificate       []byte // DER
}

// Verifier finds out which card holder signed a challenge. All fields but
// Moduli are needed. It is safe for concurrent use.
type Verifier struct {
	Anchors    *Anchors
	Revocation Revocation
	Moduli     *Moduli // nil: keys are not compared with those of other cards
	Now        func() time.Time
}

// Verify checks a card's answer: a CMS SignedData with the attached content
// want, by a card of a pinned issuer, valid now. The error is a *Refusal,
// which unwraps to what may be told outside.
//
// The order is that of growing cost and shrinking doubt: nothing is computed with
// a stranger's key before its size is known, and nothing of a certificate
// is believed before its issuer's signature is checked.
func (v *Verifier) Verify(cms, want []byte) (Holder, error) {
	now := v.Now()
	m, err := parseCMS(cms)
	if err != nil {
		return Holder{}, err
	}
	if len(want) == 0 || !bytes.Equal(m.content, want) {
		return Holder{}, refuse(CauseContent, "")
	}
	if err := m.checkAttributes(now); err != nil {
		return Holder{}, err
	}
	cert, err := m.signerCertificate()
	if err != nil {
		return Holder{}, err
	}
	an, err := v.Anchors.issuerOf(cert, now)
	if err != nil {
		return Holder{}, err
	}
	if err := an.checkCard(cert, now); err != nil {
		return Holder{}, err
	}
	if err := v.checkStrength(cert); err != nil {
		return Holder{}, err
	}
	if err := m.checkSignature(cert, an.rules.algorithms); err != nil {
		return Holder{}, err
	}
	return v.holder(cert, an, now)
}

// checkStrength looks at the card's key. One that was looked at before, and
// belongs to a good card, is not looked at again.
func (v *Verifier) checkStrength(cert *x509.Certificate) error {
	if err := checkKey(cert.PublicKey); err != nil {
		return err
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || v.Moduli != nil && v.Moduli.vetted(pub.N) {
		return nil
	}
	if why := weakModulus(pub.N); why != "" {
		return refuse(CauseKeyWeak, why)
	}
	return nil
}

// holder reads the names out of a certificate whose every other part is good,
// and asks last what may need the issuer's lists.
func (v *Verifier) holder(cert *x509.Certificate, an *anchor, now time.Time) (Holder, error) {
	s, err := parseSubject(cert.RawSubject)
	if err != nil {
		return Holder{}, err
	}
	attributes, ok := extension(cert, extDirectory)
	if !ok {
		return Holder{}, refuse(CauseHolder, "missing")
	}
	idTail, err := an.rules.parseHolder(attributes)
	if err != nil {
		return Holder{}, err
	}
	if err := v.Revocation.Check(an.keyID, cert, now, an.rules.withoutCRLs); err != nil {
		return Holder{}, err
	}
	if v.Moduli != nil && !v.Moduli.Learn(cert.PublicKey) {
		return Holder{}, refuse(CauseKeyShared, "")
	}
	sum := sha256.Sum256(cert.Raw)
	return Holder{
		IssuerKeyID:       an.keyID,
		SubjectSerial:     s.serialNumber,
		Name:              s.commonName,
		IDTail:            idTail,
		CertificateSerial: strings.ToUpper(hex.EncodeToString(cert.SerialNumber.Bytes())),
		SubjectDN:         s.text,
		NotBefore:         cert.NotBefore.UTC(),
		NotAfter:          cert.NotAfter.UTC(),
		Fingerprint:       hex.EncodeToString(sum[:]),
		Certificate:       cert.Raw,
	}, nil
}
