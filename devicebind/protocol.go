package devicebind

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	idp "taipeion.internal/idp"
)

// The first lines of what phones sign and prove: no two messages can be
// mistaken for each other.
const (
	tagBind     = "taipeion-phone-bind-v1"
	tagDigits   = "taipeion-phone-digits-v1"
	tagPresence = "taipeion-phone-presence-v1"
	tagScan     = "taipeion-phone-scan-v1"
	tagApproval = "taipeion-phone-approval-v1"
	tagSelf     = "taipeion-phone-self-v1"
)

// The sizes of what phones send.
const (
	idSize    = 16
	nonceSize = 16 // the phone's
	sigSize   = 64 // r and s, 32 bytes each
)

// maxSkew is how far a phone's clock may be off.
const maxSkew = 90 * time.Second

// EnrolProof is HMAC-SHA-256 under the key QR code's secret over the tag, a zero
// byte, the enrolment's ID and the SHA-256 of the request (DER).
func EnrolProof(secret, id, csr []byte) []byte {
	sum := sha256.Sum256(csr)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(tagBind + "\x00"))
	h.Write(id)
	h.Write(sum[:])
	return h.Sum(nil)
}

// EnrolDigits are the six digits that both screens show: of the enrolment's ID
// and the phone's public key (PKIX DER).
func EnrolDigits(id, public []byte) string {
	sum := tagged(tagDigits, id, public)
	n := new(big.Int).Mod(new(big.Int).SetBytes(sum), big.NewInt(1_000_000))
	return fmt.Sprintf("%06d", n.Int64())
}

// EnrolChallenge is the challenge of the WebAuthn registration in a claim: it
// names the enrolment and the phone's key (PKIX DER). The user.id is the
// enrolment's ID (16 bytes).
func EnrolChallenge(id, public []byte) []byte { return tagged(tagPresence, id, public) }

func tagged(tag string, parts ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte(tag + "\x00"))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// ScanBytes is what a phone signs to scan.
func ScanBytes(origin string, s ScanRequest) []byte {
	return lines(tagScan, origin, s.Code, s.DeviceID, strconv.FormatInt(s.Time, 10), s.Nonce)
}

// ApprovalBytes is what a phone signs to decide; its SHA-256 is the challenge of
// the WebAuthn assertion. The nonce is Scanned.Nonce.
func ApprovalBytes(origin, nonce string, d DecideRequest) []byte {
	return lines(tagApproval, origin, d.Attempt, d.ClientID, d.Number, nonce, strconv.FormatInt(d.Time, 10), d.DeviceID, string(d.Verdict))
}

// SelfBytes is what a phone signs about itself.
func SelfBytes(origin string, s Self) []byte {
	return lines(tagSelf, origin, s.Action, s.DeviceID, strconv.FormatInt(s.Time, 10), s.Nonce)
}

// lines ends every field with a line feed. A field that holds one itself is
// refused by whoever reads it (oneLine): no two messages share their bytes.
func lines(fields ...string) []byte {
	return []byte(strings.Join(fields, "\n") + "\n")
}

func oneLine(fields ...string) bool {
	for _, f := range fields {
		if strings.ContainsAny(f, "\r\n") {
			return false
		}
	}
	return true
}

var errKey = errors.New("not a P-256 key")

// parsePublic reads a P-256 public key: its canonical PKIX DER and nothing else.
func parsePublic(der []byte) (*ecdsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errKey
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errKey
	}
	return public, nil
}

// signed tells whether the signature (base64url of r and s, as WebCrypto makes
// it) is the key's over the message.
func signed(public, message []byte, signature string) bool {
	key, err := parsePublic(public)
	if err != nil {
		return false
	}
	raw, err := unb64(signature, sigSize)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(message)
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
}

// onTime tells whether a phone's time (Unix milliseconds) is near ours.
func onTime(ms int64, now time.Time) bool {
	d := now.Sub(time.UnixMilli(ms))
	return ms > 0 && d <= maxSkew && d >= -maxSkew
}

func denied(r idp.Reason) error { return idp.Denied{Reason: r} }

// slotOf is the number of the slot that a time is in.
func slotOf(now time.Time) uint32 { return uint32(now.Unix() / int64(CodeSlot/time.Second)) }

func slotStart(slot uint32) time.Time {
	return time.Unix(int64(slot)*int64(CodeSlot/time.Second), 0).UTC()
}
