package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	idp "taipeion.internal/idp"
)

// header is the protected header of what we sign: nothing else is in it, and
// nothing else is accepted in it.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ,omitempty"`
}

func encodeHeader(alg, kid, typ string) (string, error) {
	text, err := json.Marshal(header{alg, kid, typ})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text) + ".", nil
}

// Sign makes a compact JWS (RFC 7515 section 3.1) over the claims, with the
// active key of that algorithm.
func (r *Ring) Sign(alg, typ string, claims []byte) (string, error) {
	k := r.signer(alg)
	if k == nil {
		return "", fmt.Errorf("no active %s key: %w", alg, idp.ErrNotFound)
	}
	head, ok := k.headers[typ]
	if !ok {
		var err error
		if head, err = encodeHeader(k.alg, k.kid, typ); err != nil {
			return "", err
		}
	}
	enc := base64.RawURLEncoding
	// One buffer for all of it: the largest signature is that of RSA.
	buf := make([]byte, 0, len(head)+enc.EncodedLen(len(claims))+1+enc.EncodedLen(512))
	buf = append(buf, head...)
	buf = enc.AppendEncode(buf, claims)
	sig, err := k.sign(buf)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", alg, err)
	}
	buf = append(buf, '.')
	return string(enc.AppendEncode(buf, sig)), nil
}

// SignsWith returns the KID of the active key of an algorithm.
func (r *Ring) SignsWith(alg string) (kid string, ok bool) {
	k := r.signer(alg)
	if k == nil {
		return "", false
	}
	return k.kid, true
}

func (k *key) sign(input []byte) ([]byte, error) {
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, input), nil
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, err
		}
		// RFC 7518 section 3.4: R and S as 32 bytes each.
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig, nil
	case *rsa.PrivateKey:
		digest := sha256.Sum256(input)
		if k.alg == PS256 {
			return rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], pssOptions())
		}
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	}
	return nil, fmt.Errorf("unknown key type %T", k.private)
}

// pssOptions: RFC 7518 section 3.5, the salt is as long as the hash.
func pssOptions() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
}

func (k *key) verify(input, sig []byte) bool {
	switch public := k.private.Public().(type) {
	case ed25519.PublicKey:
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(public, input, sig)
	case *ecdsa.PublicKey:
		if len(sig) != 64 {
			return false
		}
		digest := sha256.Sum256(input)
		return ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		if k.alg == PS256 {
			return rsa.VerifyPSS(public, crypto.SHA256, digest[:], sig, pssOptions()) == nil
		}
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig) == nil
	}
	return false
}

// usable tells whether a key may still vouch for anything.
func (k *key) usable(now time.Time) bool {
	return k.use == UseToken && (k.endsAt.IsZero() || now.Before(k.endsAt))
}
