package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxJWKS       = 64 << 10 // bytes of a client's key set
	maxClientKeys = 16       // keys of it that are tried
)

// ClientAlgorithms are those that a client may sign its assertions with.
func ClientAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// VerifyWithJWKS checks a compact JWS by a client (RFC 7523 section 3) against
// the key set it registered, and returns its claims. Only those algorithms
// will do; ClientAlgorithms if none are given. Keys come from the registration
// alone: a header that brings or points to one is refused. A key without "use"
// is taken as one for signing (RFC 7517 section 4.2: it is optional).
func VerifyWithJWKS(jws, jwks string, algs []string) (claims []byte, err error) {
	if len(jws) > maxToken || strings.ContainsAny(jws, "\r\n") {
		return nil, ErrSignature
	}
	if len(algs) == 0 {
		algs = ClientAlgorithms()
	}
	allowed := make([]jose.SignatureAlgorithm, 0, len(algs))
	for _, alg := range algs {
		if slices.Contains(ClientAlgorithms(), alg) {
			allowed = append(allowed, jose.SignatureAlgorithm(alg))
		}
	}
	object, err := jose.ParseSignedCompact(jws, allowed)
	if err != nil || len(object.Signatures) != 1 {
		return nil, ErrSignature
	}
	if !plainHeader(jws) {
		return nil, ErrSignature
	}
	head := object.Signatures[0].Protected
	candidates, err := ParseJWKS(jwks)
	if err != nil {
		return nil, err
	}
	for _, k := range candidates {
		if !mayVerify(k, head) {
			continue
		}
		if claims, err := object.Verify(k.Key); err == nil {
			return claims, nil
		}
	}
	return nil, ErrSignature
}

// plainHeader tells whether the protected header neither brings a key or points
// to one, nor asks for an extension, nor says that it is another kind of token.
func plainHeader(jws string) bool {
	encoded, _, _ := strings.Cut(jws, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(raw, &head); err != nil {
		return false
	}
	for _, name := range []string{"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"} {
		if _, found := head[name]; found {
			return false
		}
	}
	typ, found := head["typ"]
	return !found || assertionTyp(typ)
}

// assertionTyp tells a client assertion's typ from those of other kinds of
// token, which the client may have signed for somebody else (RFC 8725 section 3.11).
func assertionTyp(raw json.RawMessage) bool {
	var typ string
	if err := json.Unmarshal(raw, &typ); err != nil {
		return false
	}
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/") // RFC 7515 section 4.1.9
	return typ == "jwt" || typ == "client-authentication+jwt"
}

// mayVerify applies what the key says of itself and what the header asks for.
func mayVerify(k jose.JSONWebKey, head jose.Header) bool {
	if k.Algorithm != "" && k.Algorithm != head.Algorithm {
		return false
	}
	if head.KeyID != "" && k.KeyID != "" && k.KeyID != head.KeyID {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return head.Algorithm[0] != 'E'
	case *ecdsa.PublicKey:
		// RFC 7518 section 3.4: each algorithm has its one curve.
		return head.Algorithm == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[public.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return head.Algorithm == EdDSA
	}
	return false
}

// ParseJWKS reads the public signing keys of a client's key set. Keys of other
// kinds and uses are left out; a set that leaves none is an error, and so is a
// private or symmetric key: it has been shown to somebody.
func ParseJWKS(jwks string) ([]jose.JSONWebKey, error) {
	if len(jwks) > maxJWKS {
		return nil, fmt.Errorf("key set is over %d bytes", maxJWKS)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		return nil, fmt.Errorf("key set is not JSON: %w", err)
	}
	var found []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := json.Unmarshal(raw, &k); err != nil {
			continue // RFC 7517 section 5: keys not understood are ignored
		}
		if _, symmetric := k.Key.([]byte); symmetric || !k.IsPublic() {
			return nil, fmt.Errorf("key set holds a private or symmetric key")
		}
		if (k.Use != "" && k.Use != "sig") || !strong(k.Key) || !k.Valid() {
			continue
		}
		if found = append(found, k); len(found) > maxClientKeys {
			return nil, fmt.Errorf("key set has over %d keys", maxClientKeys)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("key set has no public key for signing (RSA of 2048 to 8192 bits, EC or Ed25519)")
	}
	return found, nil
}

func strong(public any) bool {
	if k, ok := public.(*rsa.PublicKey); ok {
		bits := k.N.BitLen()
		return bits >= 2048 && bits <= 8192
	}
	return true
}
