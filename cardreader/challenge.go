package cardreader

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"taipeion.internal/idp"
)

// Purpose says what the signature is for. A card's key also signs legal
// documents, so the purpose is part of what is signed.
type Purpose string

// The purposes.
const (
	PurposeLogin Purpose = "login"
	PurposeBind  Purpose = "bind"
)

// ChallengeLife is the longest time from IssuedAt to ExpiresAt.
const ChallengeLife = 120 * time.Second

// ChallengeType is the JWS header's typ: no other token of ours can pass for
// a challenge (RFC 8725 section 3.11).
const ChallengeType = "taipeion-card-challenge+jwt"

const (
	challengeMax = 4 << 10 // of the whole compact JWS
	clientMax    = 200     // characters of a client's id or name
	// clockAhead is how far the PC's clock may be behind ours.
	clockAhead = 5 * time.Minute
)

// challengeHeader is the only header there is, byte by byte.
var challengeHeader = b64([]byte(`{"alg":"EdDSA","typ":"` + ChallengeType + `"}`))

// ErrChallenge says that a text is no challenge of ours. One that is ours but
// out of its time is idp.ErrExpired.
var ErrChallenge = errors.New("not a challenge of this server")

// Challenge is what a card signs. Its times are whole seconds.
type Challenge struct {
	Origin     string  // of the server that asks: scheme://host[:port]
	Purpose    Purpose // what the signature will be used for
	Client     string  // client_id of the relying system, empty for the portal
	ClientName string  // its name, to be shown to the person
	Flow       string  // FlowHash of the browser's flow cookie
	Nonce      string  // NewNonce
	IssuedAt   time.Time
	ExpiresAt  time.Time
}

// claims is the payload: the order of the fields is the order on the wire.
type claims struct {
	Issuer     string  `json:"iss"`
	Purpose    Purpose `json:"purpose"`
	Client     string  `json:"client"`
	ClientName string  `json:"client_name"`
	Flow       string  `json:"flow"`
	Nonce      string  `json:"nonce"`
	IssuedAt   int64   `json:"iat"`
	ExpiresAt  int64   `json:"exp"`
}

// NewNonce returns 256 random bits as base64url.
func NewNonce() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	return b64(b[:])
}

// FlowHash is the form of a browser's flow cookie in a challenge.
func FlowHash(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return b64(sum[:])
}

// Sign returns the compact JWS (RFC 7515 section 7.1). It is deterministic:
// the same challenge and key make the same bytes, so the server keeps the
// challenge and rebuilds what the card must have signed.
func (c Challenge) Sign(key ed25519.PrivateKey) string {
	input := challengeHeader + "." + b64(c.payload())
	return input + "." + b64(ed25519.Sign(key, []byte(input)))
}

func (c Challenge) payload() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	// A struct of strings and integers always encodes.
	_ = enc.Encode(claims{
		Issuer: c.Origin, Purpose: c.Purpose, Client: c.Client, ClientName: c.ClientName,
		Flow: c.Flow, Nonce: c.Nonce, IssuedAt: c.IssuedAt.Unix(), ExpiresAt: c.ExpiresAt.Unix(),
	})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// ParseChallenge reads a challenge that pub signed and that is in its time at
// now. It accepts exactly what Sign makes: any other spelling of the same
// content is ErrChallenge.
func ParseChallenge(jws string, pub ed25519.PublicKey, now time.Time) (Challenge, error) {
	if len(jws) > challengeMax {
		return Challenge{}, fmt.Errorf("%w: too long", ErrChallenge)
	}
	if len(pub) != ed25519.PublicKeySize {
		return Challenge{}, fmt.Errorf("%w: no key to check it with", ErrChallenge)
	}
	parts := strings.Split(jws, ".")
	if len(parts) != 3 || parts[0] != challengeHeader {
		return Challenge{}, fmt.Errorf("%w: header", ErrChallenge)
	}
	signature, err := unb64(parts[2])
	if err != nil || !ed25519.Verify(pub, []byte(parts[0]+"."+parts[1]), signature) {
		return Challenge{}, fmt.Errorf("%w: signature", ErrChallenge)
	}
	payload, err := unb64(parts[1])
	if err != nil {
		return Challenge{}, fmt.Errorf("%w: payload", ErrChallenge)
	}
	c, err := parseClaims(payload)
	if err != nil {
		return Challenge{}, fmt.Errorf("%w: %w", ErrChallenge, err)
	}
	if !now.Before(c.ExpiresAt) || c.IssuedAt.After(now.Add(clockAhead)) {
		return Challenge{}, fmt.Errorf("challenge: %w", idp.ErrExpired)
	}
	return c, nil
}

func parseClaims(payload []byte) (Challenge, error) {
	var p claims
	if err := json.Unmarshal(payload, &p); err != nil {
		return Challenge{}, errors.New("payload is not JSON")
	}
	c := Challenge{
		Origin: p.Issuer, Purpose: p.Purpose, Client: p.Client, ClientName: p.ClientName,
		Flow: p.Flow, Nonce: p.Nonce,
		IssuedAt: time.Unix(p.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(p.ExpiresAt, 0).UTC(),
	}
	// What is shown to the person and what is signed must be the same, so there
	// is one spelling only: unknown, repeated and reordered members end here.
	if !bytes.Equal(c.payload(), payload) {
		return Challenge{}, errors.New("payload is not in canonical form")
	}
	return c, c.check()
}

// check holds what is true of every challenge, whatever the time is.
func (c Challenge) check() error {
	life := c.ExpiresAt.Sub(c.IssuedAt)
	switch {
	case !validOrigin(c.Origin):
		return errors.New("origin")
	case c.Purpose != PurposeLogin && c.Purpose != PurposeBind:
		return errors.New("purpose")
	case !shown(c.Client) || !shown(c.ClientName):
		return errors.New("client")
	case !is256(c.Flow):
		return errors.New("flow")
	case !is256(c.Nonce):
		return errors.New("nonce")
	case life <= 0 || life > ChallengeLife:
		return errors.New("life")
	}
	return nil
}

// validOrigin accepts the serialisation of an https origin, or of an http one
// on loopback (RFC 6454 section 6.2).
func validOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme+"://"+u.Host != s || u.Host == "" || s != strings.ToLower(s) {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	return u.Scheme == "http" && (host == "localhost" || err == nil && addr.IsLoopback())
}

// shown says whether s may be put before a person: no control or bidirectional
// characters that could make it read as something else.
func shown(s string) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > clientMax {
		return false
	}
	return strings.IndexFunc(s, oddRune) < 0
}

func is256(s string) bool {
	b, err := unb64(s)
	return err == nil && len(b) == 32
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// unb64 refuses padding, line breaks and loose last bits, so that a text has
// one spelling.
func unb64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || b64(b) != s {
		return nil, errors.New("not base64url")
	}
	return b, nil
}
