package demo

import (
	"crypto"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"strconv"

	"taipeion.internal/idp/keys"
)

//go:embed seed/signing.pem
var signingPEM []byte

// SigningKey is a signing key of the demo, made beforehand because RSA keys
// take their time.
type SigningKey struct {
	Use       string // "token" or "challenge"
	Algorithm string
	Number    int64  // 1 signs, 2 is the next
	KID       string // RFC 7638 thumbprint
	PKCS8     []byte // private
	PKIX      []byte // public
}

// SigningKeys returns the demo's signing keys. They are public: see the
// package comment.
func SigningKeys() ([]SigningKey, error) {
	var all []SigningKey
	for rest := signingPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all, nil
		}
		key, err := parseSigningKey(block)
		if err != nil {
			return nil, fmt.Errorf("demo signing key: %w", err)
		}
		all = append(all, key)
	}
}

// SigningKeyIDs lists the key IDs that a provider must refuse to serve with.
func SigningKeyIDs() ([]string, error) {
	all, err := SigningKeys()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, k := range all {
		ids[i] = k.KID
	}
	return ids, nil
}

func parseSigningKey(block *pem.Block) (SigningKey, error) {
	number, err := strconv.ParseInt(block.Headers["Number"], 10, 64)
	if err != nil {
		return SigningKey{}, fmt.Errorf("number: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return SigningKey{}, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return SigningKey{}, fmt.Errorf("%T can't sign", private)
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return SigningKey{}, err
	}
	kid, err := keys.KeyID(signer.Public())
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{
		Use: block.Headers["Use"], Algorithm: block.Headers["Algorithm"], Number: number,
		KID: kid, PKCS8: block.Bytes, PKIX: public,
	}, nil
}
