package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// ErrSignature says that a token is not signed by a key that may sign it. What
// exactly is wrong is nobody's business.
var ErrSignature = errors.New("token signature refused")

// maxToken bounds what is looked at; the largest token of ours is far below.
const maxToken = 32 << 10

// Verify checks a compact JWS that we signed, with an active, next or retired
// token key, and returns its claims and the key's ID. With algs, no other
// algorithm will do. Expiry and audience are the caller's.
//
// The key is chosen by kid among our own, and its own algorithm must be the one
// in the header: "none", HMAC under a public key, and keys that come with the
// token or from an address in it are all refused, with any header that we don't
// write (RFC 8725 sections 3.1 and 3.10, RFC 7515 section 4.1.11).
func (r *Ring) Verify(jws string, algs ...string) (claims []byte, kid string, err error) {
	claims, head, err := r.verify(jws, algs)
	return claims, head.KeyID, err
}

// VerifyTyped is Verify for one typ only (RFC 8725 section 3.11), so that a
// token of one kind does not pass for another.
func (r *Ring) VerifyTyped(jws, typ string, algs ...string) (claims []byte, kid string, err error) {
	claims, head, err := r.verify(jws, algs)
	if err == nil && !strings.EqualFold(head.Type, typ) {
		return nil, "", ErrSignature
	}
	return claims, head.KeyID, err
}

func (r *Ring) verify(jws string, algs []string) ([]byte, header, error) {
	// Go's base64 skips line breaks: two texts of one token would be let in.
	if len(jws) > maxToken || strings.Count(jws, ".") != 2 || strings.ContainsAny(jws, "\r\n") {
		return nil, header{}, ErrSignature
	}
	dot := strings.LastIndexByte(jws, '.')
	input := jws[:dot]
	first := strings.IndexByte(input, '.')
	head, err := decodeHeader(input[:first])
	if err != nil {
		return nil, header{}, ErrSignature
	}
	k := r.known(head.KeyID)
	if k == nil || k.alg != head.Algorithm || !k.usable(r.opts.Now()) {
		return nil, header{}, ErrSignature
	}
	if len(algs) > 0 && !slices.Contains(algs, k.alg) {
		return nil, header{}, ErrSignature
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(jws[dot+1:])
	if err != nil || !k.verify([]byte(input), sig) {
		return nil, header{}, ErrSignature
	}
	claims, err := base64.RawURLEncoding.Strict().DecodeString(input[first+1:])
	if err != nil {
		return nil, header{}, ErrSignature
	}
	return claims, head, nil
}

func decodeHeader(text string) (header, error) {
	var h header
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return h, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields() // jwk, jku, x5u, x5c, crit, zip, b64 and all to come
	if err := dec.Decode(&h); err != nil {
		return h, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return h, ErrSignature
	}
	return h, nil
}
