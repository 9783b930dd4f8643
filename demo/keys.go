package demo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strconv"
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
	kid, err := thumbprint(signer.Public())
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{
		Use: block.Headers["Use"], Algorithm: block.Headers["Algorithm"], Number: number,
		KID: kid, PKCS8: block.Bytes, PKIX: public,
	}, nil
}

// thumbprint is the SHA-256 JWK thumbprint of RFC 7638 section 3.
func thumbprint(public crypto.PublicKey) (string, error) {
	b64 := base64.RawURLEncoding.EncodeToString
	var jwk string
	switch k := public.(type) {
	case *rsa.PublicKey:
		e := []byte{byte(k.E >> 16), byte(k.E >> 8), byte(k.E)}
		jwk = `{"e":"` + b64(e) + `","kty":"RSA","n":"` + b64(k.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return "", err
		}
		half := (len(point) - 1) / 2
		jwk = `{"crv":"P-256","kty":"EC","x":"` + b64(point[1:1+half]) + `","y":"` + b64(point[1+half:]) + `"}`
	case ed25519.PublicKey:
		jwk = `{"crv":"Ed25519","kty":"OKP","x":"` + b64(k) + `"}`
	default:
		return "", fmt.Errorf("no thumbprint for %T", public)
	}
	sum := sha256.Sum256([]byte(jwk))
	return b64(sum[:]), nil
}
