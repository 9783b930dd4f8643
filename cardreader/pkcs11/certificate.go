package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
)

const (
	maxCertificate = 16 << 10 // a natural-person certificate fits in 1,536 bytes
	maxSignature   = 1024     // RSA up to 8192 bits
	maxObjects     = 32
	maxSlots       = 64
)

// signatureID is the CKA_ID that natural-person cards give the signature key
// pair; KEYX is the one for encryption.
var signatureID = []byte("SIGN")

// stored is a certificate object of a token.
type stored struct {
	id  []byte
	der []byte
}

// chooseCertificate picks the one to sign with: the natural-person card's
// signature certificate by its CKA_ID, else the first by CKA_ID whose key
// usage (RFC 5280 section 4.2.1.3) allows signatures. Certificates of
// authorities, which lie on the card too, are never picked.
func chooseCertificate(all []stored) (chosen stored, ok bool) {
	for _, c := range all {
		if len(c.id) == 0 || !signs(c.der) {
			continue
		}
		if bytes.Equal(c.id, signatureID) {
			return c, true
		}
		if !ok || bytes.Compare(c.id, chosen.id) < 0 {
			chosen, ok = c, true
		}
	}
	return chosen, ok
}

func signs(der []byte) bool {
	cert, err := x509.ParseCertificate(der)
	if err != nil || cert.IsCA {
		return false
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return ok && key.Size()*8 >= 2048 && cert.KeyUsage&x509.KeyUsageDigitalSignature != 0
}

// digestInfo is the DER of DigestInfo with SHA-256 (RFC 8017 section 9.2), for
// tokens that only know CKM_RSA_PKCS.
func digestInfo(data []byte) []byte {
	sum := sha256.Sum256(data)
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	return append(prefix, sum[:]...)
}

// verifies tells whether signature over data is the certificate's.
func verifies(der, data, signature []byte) bool {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return false
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return false
	}
	sum := sha256.Sum256(data)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
}
