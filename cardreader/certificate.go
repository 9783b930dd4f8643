package cardreader

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// The extensions that mean something here (RFC 5280 section 4.2).
const (
	extDirectory       = "2.5.29.9"
	extSubjectKey      = "2.5.29.14"
	extKeyUsage        = "2.5.29.15"
	extAltName         = "2.5.29.17"
	extBasic           = "2.5.29.19"
	extNameConstraints = "2.5.29.30"
	extCRLPoints       = "2.5.29.31"
	extPolicies        = "2.5.29.32"
	extAuthorityKey    = "2.5.29.35"
	extExtKeyUsage     = "2.5.29.37"
)

// cardExtensions may be critical on a card: each is either checked or cannot
// widen anything.
var cardExtensions = []string{
	extDirectory, extSubjectKey, extKeyUsage, extAltName, extBasic, extCRLPoints, extPolicies, extAuthorityKey, extExtKeyUsage,
}

const maxSerialOctets = 20 // RFC 5280 section 4.1.2.2

// signerCertificate finds the one certificate that the signer names and reads
// it. The others in the message are not even looked at.
func (m *signedData) signerCertificate() (*x509.Certificate, error) {
	var found []byte
	for _, raw := range m.certificates {
		issuer, serial, ok := issuerAndSerial(raw)
		if !ok || !bytes.Equal(issuer, m.issuer) || !bytes.Equal(serial, m.serial) {
			continue
		}
		if found != nil {
			return nil, refuse(CauseNoCertificate, "two of one number")
		}
		found = raw
	}
	switch e, _, _ := readElement(m.serial); {
	case found == nil:
		return nil, refuse(CauseNoCertificate, "")
	case len(found) > maxCertificate:
		return nil, refuse(CauseSize, "certificate")
	case len(e.body) > maxSerialOctets || e.body[0]&0x80 != 0 || e.body[0] == 0 && len(e.body) == 1:
		return nil, refuse(CauseCertificate, "serial number")
	}
	cert, err := x509.ParseCertificate(found)
	if err != nil {
		return nil, refuse(CauseCertificate, "")
	}
	return cert, nil
}

func issuerAndSerial(certificate []byte) (issuer, serial []byte, ok bool) {
	tbs := read(certificate, tagSequence).in(tagSequence)
	tbs.next(tagContext0) // version 3
	serial = tbs.next(tagInteger).raw
	tbs.next(tagSequence)
	issuer = tbs.next(tagSequence).raw
	return issuer, serial, !tbs.bad
}

// issuerOf finds the pinned issuer of the certificate by its authority key
// identifier and checks that it really issued it.
func (a *Anchors) issuerOf(cert *x509.Certificate, now time.Time) (*anchor, error) {
	if len(cert.AuthorityKeyId) == 0 {
		return nil, refuse(CauseIssuer, "no authority key identifier")
	}
	an := a.byKey[keyID(cert.AuthorityKeyId)]
	if an == nil || an.rules == nil || !bytes.Equal(cert.RawIssuer, an.cert.RawSubject) {
		return nil, refuse(CauseIssuer, "")
	}
	if err := an.inForce(now); err != nil {
		return nil, err
	}
	if !certificateAlgorithm(cert.SignatureAlgorithm) {
		return nil, refuse(CauseIssued, "algorithm")
	}
	if an.cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		return nil, refuse(CauseIssued, "")
	}
	return an, nil
}

// checkCard holds the certificate, whose issuer is known by now, against the
// profile.
func (an *anchor) checkCard(cert *x509.Certificate, now time.Time) error {
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return refuse(CauseValidity, "")
	}
	for _, e := range cert.Extensions {
		switch known := slices.Contains(cardExtensions, e.Id.String()); {
		case !known && e.Critical:
			return refuse(CauseExtension, e.Id.String())
		case known && checkDER(e.Value) != nil:
			return refuse(CauseCertificate, "extension")
		}
	}
	if err := an.rules.checkUsage(cert); err != nil {
		return err
	}
	for _, limit := range an.limits {
		if err := limit.check(cert); err != nil {
			return err
		}
	}
	return nil
}

func (r *rules) checkUsage(cert *x509.Certificate) error {
	const issuing = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	switch {
	case cert.Version != 3:
		return refuse(CauseCertificate, "version")
	case cert.IsCA || cert.MaxPathLen > 0 || cert.MaxPathLenZero:
		return refuse(CauseUsage, "basic constraints")
	case cert.KeyUsage&r.usage != r.usage || cert.KeyUsage&issuing != 0:
		return refuse(CauseUsage, "key usage")
	}
	if _, ok := extension(cert, extExtKeyUsage); ok && !r.allowsExtKeyUsage(cert) {
		return refuse(CauseUsage, "extended key usage")
	}
	if len(r.policies) == 0 {
		return nil
	}
	for _, policy := range cert.Policies {
		for _, want := range r.policies {
			if policy.Equal(want) {
				return nil
			}
		}
	}
	return refuse(CausePolicy, "")
}

// allowsExtKeyUsage reads the extension itself: the library sorts known and
// unknown usages into different lists.
func (r *rules) allowsExtKeyUsage(cert *x509.Certificate) bool {
	value, _ := extension(cert, extExtKeyUsage)
	found := false
	usages := read(value, tagSequence)
	for usages.more() {
		usage := usages.next(tagOID)
		for _, eku := range r.ekus {
			want, err := dottedOID(eku)
			found = found || err == nil && bytes.Equal(usage.raw, want)
		}
	}
	return found && usages.done()
}

// extension returns the value of the extension; the library has refused
// certificates that have one twice.
func extension(cert *x509.Certificate, oid string) ([]byte, bool) {
	for _, e := range cert.Extensions {
		if e.Id.String() == oid {
			return e.Value, true
		}
	}
	return nil, false
}
