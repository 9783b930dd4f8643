package devicebind

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Sealer seals values to a row and makes keyed hashes; *keys.Sealer is one.
type Sealer interface {
	Seal(plain []byte, context string) []byte
	Open(sealed []byte, context string) ([]byte, error)
	Derive(label string) []byte
}

// Secrets is what a device's row holds sealed to it: who swaps rows gets
// nothing that opens.
type Secrets struct {
	Public     []byte `json:"public"` // PKIX DER of the phone's key
	PINHash    string `json:"pin_hash,omitempty"`
	Credential []byte `json:"credential,omitempty"` // the WebAuthn credential, JSON
}

// Keeper derives and seals the secrets of this package. What can be derived is
// not kept at all: it differs for each row by what goes into it.
type Keeper struct {
	sealer    Sealer
	code      cipher.AEAD
	codeNonce []byte // key of the nonces of codes
	enrol     []byte
	status    []byte
	number    []byte
	challenge []byte
	recovery  []byte
	handle    []byte
}

// NewKeeper returns the Keeper of a sealer.
func NewKeeper(s Sealer) (*Keeper, error) {
	block, err := aes.NewCipher(s.Derive("phone code"))
	if err != nil {
		return nil, fmt.Errorf("phone codes: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("phone codes: %w", err)
	}
	return &Keeper{
		sealer: s, code: aead, codeNonce: s.Derive("phone code nonce"), enrol: s.Derive("phone enrolment secret"),
		status: s.Derive("phone enrolment status"), number: s.Derive("phone number"),
		challenge: s.Derive("passkey challenge"), recovery: s.Derive("recovery code"), handle: s.Derive("passkey user handle"),
	}, nil
}

// mac is HMAC-SHA-256 over parts that can't run into each other.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

var errBase64 = errors.New("not base64url")

// unb64 reads base64url without padding, in its one spelling.
func unb64(s string, size int) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	// Go skips line breaks: only the length tells.
	if err != nil || len(s) != base64.RawURLEncoding.EncodedLen(len(b)) || size > 0 && len(b) != size {
		return nil, errBase64
	}
	return b, nil
}

// enrolSecret is the secret of a key QR code: of that enrolment, person and
// session.
func (k *Keeper) enrolSecret(e *Enrolment) []byte {
	return mac(k.enrol, e.ID, []byte(e.PersonID), []byte(e.SessionID))
}

func (k *Keeper) statusToken(id, public []byte) string { return b64(mac(k.status, id, public)) }

// attemptNumber is the number from 10 to 99 that the PC shows for an attempt.
func (k *Keeper) attemptNumber(a *Attempt) string {
	sum := mac(k.number, a.ID, a.Nonce)
	return strconv.FormatUint(10+binary.BigEndian.Uint64(sum)%90, 10)
}

func deviceContext(deviceID, personID string) string { return "device " + deviceID + " of " + personID }

func (k *Keeper) sealDevice(deviceID, personID string, s Secrets) ([]byte, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode device: %w", err)
	}
	return k.sealer.Seal(plain, deviceContext(deviceID, personID)), nil
}

func (k *Keeper) openDevice(d *Device) (s Secrets, err error) {
	plain, err := k.sealer.Open(d.Sealed, deviceContext(d.ID, d.PersonID))
	if err != nil {
		return s, fmt.Errorf("device %s: %w", d.ID, err)
	}
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fmt.Errorf("device %s: %w", d.ID, err)
	}
	return s, nil
}

func totpContext(personID string) string { return "one-time code of " + personID }

func passkeyContext(id []byte, personID string) string {
	return "passkey " + b64(id) + " of " + personID
}

func (k *Keeper) recoveryHash(personID, code string) []byte {
	return mac(k.recovery, []byte(personID), []byte(code))
}

// GuessKey names the counter of a person's one-time codes.
func (k *Keeper) GuessKey(personID string) string { return "otp:" + b64(k.recoveryHash(personID, "")) }

// userHandle is a person as authenticators know them (Web Authentication Level
// 3, section 14.6.1: nothing personal).
func (k *Keeper) userHandle(personID string) []byte { return mac(k.handle, []byte(personID)) }

// The challenge of a passkey is ours by its seal: random, time and a MAC that
// binds it to purpose and browser. Nothing is written until it is answered.
const (
	challengeRandom = 16
	challengeSize   = challengeRandom + 8 + 16
)

func (k *Keeper) newChallenge(random []byte, purpose string, browser []byte, now time.Time) []byte {
	c := append(make([]byte, 0, challengeSize), random[:challengeRandom]...)
	c = binary.BigEndian.AppendUint64(c, uint64(now.UnixMilli()))
	return append(c, mac(k.challenge, c, []byte(purpose), browser)[:16]...)
}

// checkChallenge tells until when a challenge of ours is good.
func (k *Keeper) checkChallenge(c []byte, purpose string, browser []byte, now time.Time) (endsAt time.Time, ok bool) {
	if len(c) != challengeSize || len(browser) == 0 {
		return time.Time{}, false
	}
	head := c[:challengeRandom+8]
	if subtle.ConstantTimeCompare(c[len(head):], mac(k.challenge, head, []byte(purpose), browser)[:16]) != 1 {
		return time.Time{}, false
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(head[challengeRandom:])))
	endsAt = at.Add(PasskeyChallengeLife)
	return endsAt, !at.After(now.Add(time.Second)) && now.Before(endsAt)
}
