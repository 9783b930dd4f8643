package keys

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// snapshot is all keys at one time, parsed. It never changes.
type snapshot struct {
	records   []Record
	byKID     map[string]*key
	signers   map[string]*key // active token keys by algorithm
	challenge ed25519.PrivateKey
	jwks      []byte
}

// key is one parsed key.
type key struct {
	kid     string
	use     string
	alg     string
	endsAt  time.Time
	private crypto.Signer
	headers map[string]string // by typ: the encoded header with its dot
}

func newSnapshot(records []Record, old *snapshot, sealer *Sealer) (*snapshot, error) {
	s := &snapshot{
		records: slices.Clone(records),
		byKID:   make(map[string]*key, len(records)),
		signers: make(map[string]*key),
	}
	slices.SortFunc(s.records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Use, b.Use), cmp.Compare(a.Algorithm, b.Algorithm), cmp.Compare(a.Number, b.Number))
	})
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, rec := range s.records {
		k, err := parseKey(rec, old, sealer)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", rec.KID, err)
		}
		s.byKID[rec.KID] = k
		if rec.Use == UseToken {
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: k.private.Public(), KeyID: k.kid, Algorithm: k.alg, Use: "sig",
			})
		}
		if rec.State != StateActive {
			continue
		}
		if rec.Use == UseToken {
			s.signers[rec.Algorithm] = k
		} else if private, ok := k.private.(ed25519.PrivateKey); ok && rec.Use == UseChallenge {
			s.challenge = private
		}
	}
	var err error
	if s.jwks, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return s, nil
}

func parseKey(rec Record, old *snapshot, sealer *Sealer) (*key, error) {
	k := &key{kid: rec.KID, use: rec.Use, alg: rec.Algorithm, endsAt: rec.EndsAt}
	if known := old.lookup(rec.KID); known != nil {
		k.private, k.headers = known.private, known.headers
		return k, nil
	}
	der, err := sealer.Open(rec.Sealed, sealedAs(rec.KID))
	if err != nil {
		return nil, fmt.Errorf("%w: is it this store's master key?", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok || !fits(rec.Algorithm, signer.Public()) {
		return nil, fmt.Errorf("%T is no %s key", parsed, rec.Algorithm)
	}
	k.private = signer
	k.headers = make(map[string]string, 3)
	for _, typ := range []string{"", "JWT", "at+jwt"} {
		if k.headers[typ], err = encodeHeader(k.alg, k.kid, typ); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (s *snapshot) lookup(kid string) *key {
	if s == nil {
		return nil
	}
	return s.byKID[kid]
}

// find returns the record of a slot in a state, and the slot's last number.
func (s *snapshot) find(want slot, state State) (found *Record, last int64) {
	for i, rec := range s.records {
		if rec.Use != want.use || rec.Algorithm != want.alg {
			continue
		}
		last = max(last, rec.Number)
		if rec.State == state {
			found = &s.records[i]
		}
	}
	return found, last
}

func sameRecords(a, b []Record) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y Record) bool {
			return x.KID == y.KID && x.State == y.State && x.EndsAt.Equal(y.EndsAt) && bytes.Equal(x.Public, y.Public)
		}) {
			return false
		}
	}
	return true
}

// fits tells whether a public key is of the kind an algorithm needs.
func fits(alg string, public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return (alg == RS256 || alg == PS256) && k.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return alg == ES256 && k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == EdDSA
	}
	return false
}

// newRecord makes a key, or takes the seed of that slot and number.
func (r *Ring) newRecord(s slot, state State, number int64) (Record, error) {
	private, err := r.seed(s, number)
	if err != nil {
		return Record{}, fmt.Errorf("make %s key: %w", s.alg, err)
	}
	kid, err := KeyID(private.Public())
	if err != nil {
		return Record{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Record{}, fmt.Errorf("encode %s key: %w", s.alg, err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return Record{}, fmt.Errorf("encode %s key: %w", s.alg, err)
	}
	return Record{
		KID: kid, Use: s.use, Algorithm: s.alg, Number: number, State: state,
		Sealed: r.opts.Sealer.Seal(der, sealedAs(kid)), Public: public, CreatedAt: r.opts.Now(),
	}, nil
}

func (r *Ring) seed(s slot, number int64) (crypto.Signer, error) {
	n := int64(0)
	for _, seed := range r.opts.Seeds {
		if seed.Use != s.use || seed.Algorithm != s.alg {
			continue
		}
		if n++; n == number {
			return seed.Key, nil
		}
	}
	return newKey(s.alg)
}

func newKey(alg string) (crypto.Signer, error) {
	switch alg {
	case RS256, PS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("unknown algorithm %q", alg)
}

// sealedAs is the context a private key is sealed in.
func sealedAs(kid string) string { return "signing key " + kid }

// KeyID is the JWK thumbprint of a public key (RFC 7638), base64url.
func KeyID(public crypto.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: public}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("key thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
