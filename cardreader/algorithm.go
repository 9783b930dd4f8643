package cardreader

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
)

// Algorithm is a way in which a card may sign. All of them use SHA-256.
type Algorithm string

// The algorithms.
const (
	RSAPKCS1  Algorithm = "rsa-pkcs1-sha256"
	RSAPSS    Algorithm = "rsa-pss-sha256" // with 32 octets of salt
	ECDSAP256 Algorithm = "ecdsa-p256-sha256"
	ECDSAP384 Algorithm = "ecdsa-p384-sha256"
)

var algorithms = []Algorithm{RSAPKCS1, RSAPSS, ECDSAP256, ECDSAP384}

// Limits of RSA keys. Larger ones than a card can have only cost time.
const (
	minRSABits = 2048
	maxRSABits = 4096
	minRSAExp  = 65537
)

// The signature algorithm identifiers, as whole elements. PSS parameters may
// spell the parameters of SHA-256 as NULL or leave them out (RFC 4055 section
// 2.1); nothing else about them is free.
var (
	algRSA       = tlv(tagSequence, oidRSA, derNull)
	algRSASHA256 = tlv(tagSequence, oidRSAWithSHA256, derNull)
	algECDSA     = tlv(tagSequence, oidECDSASHA256)
	algPSS       = [][]byte{
		algorithmPSS(sha256Absent, sha256Absent), algorithmPSS(sha256NullPar, sha256NullPar),
		algorithmPSS(sha256Absent, sha256NullPar), algorithmPSS(sha256NullPar, sha256Absent),
	}
)

func algorithmPSS(hash, mgfHash []byte) []byte {
	mgf1 := []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8} // 1.2.840.113549.1.1.8
	return tlv(tagSequence, oidRSAPSS, tlv(tagSequence,
		tlv(tagContext0, hash),
		tlv(tagContext1, tlv(tagSequence, mgf1, mgfHash)),
		tlv(0xa2, []byte{tagInteger, 1, 32}),
	))
}

// checkSignature verifies the card's signature over the signed attributes. The
// key must have passed checkKey before: this is the first use of it.
func (m *signedData) checkSignature(cert *x509.Certificate, allowed []Algorithm) error {
	algorithm, ok := m.signatureAlgorithm(cert.PublicKey)
	if !ok || !slices.Contains(allowed, algorithm) {
		return refuse(CauseAlgorithm, "signature algorithm")
	}
	// RFC 5652 section 5.4: what is signed has the tag of a SET.
	digest := sha256.Sum256(tlv(tagSet, m.attributes))
	good := false
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if algorithm == RSAPSS {
			good = rsa.VerifyPSS(key, crypto.SHA256, digest[:], m.signature, &rsa.PSSOptions{SaltLength: 32}) == nil
		} else {
			good = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], m.signature) == nil
		}
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(key, digest[:], m.signature)
	}
	if !good {
		return refuse(CauseSignature, "")
	}
	return nil
}

func (m *signedData) signatureAlgorithm(key any) (Algorithm, bool) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bytes.Equal(m.algorithm, algRSA) || bytes.Equal(m.algorithm, algRSASHA256) {
			return RSAPKCS1, true
		}
		return RSAPSS, slices.ContainsFunc(algPSS, func(a []byte) bool { return bytes.Equal(a, m.algorithm) })
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() {
			return ECDSAP384, bytes.Equal(m.algorithm, algECDSA)
		}
		return ECDSAP256, key.Curve == elliptic.P256() && bytes.Equal(m.algorithm, algECDSA)
	}
	return "", false
}

// checkKey refuses keys by their form, which costs nothing, before anything
// computes with them.
func checkKey(key any) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < minRSABits || bits > maxRSABits {
			return refuse(CauseKey, "RSA size")
		}
		if key.E < minRSAExp || key.E%2 == 0 || int64(key.E) > 1<<31 {
			return refuse(CauseKey, "RSA exponent")
		}
		return nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return nil
		}
	}
	return refuse(CauseKey, "type")
}

// certificateAlgorithm says whether an issuer may have signed that way.
func certificateAlgorithm(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384:
		return true
	}
	return false
}
