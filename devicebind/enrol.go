package devicebind

import (
	"context"
	"encoding/json"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/keys"
)

// EnrolState is where an enrolment stands.
type EnrolState string

// The states, in their order. An enrolment past its end is Over.
const (
	EnrolNew     EnrolState = "new"     // the key QR code waits
	EnrolClaimed EnrolState = "claimed" // one phone took it: compare the digits
	EnrolDone    EnrolState = "done"    // the device is bound
	EnrolOver    EnrolState = "over"    // too old, cancelled, replaced, or too many tries
)

// The limits of an enrolment.
const (
	EnrolLife     = 3 * time.Minute
	MaxEnrolTries = 5
)

// Enrolment is the binding of one phone under way.
type Enrolment struct {
	ID          []byte // 16 bytes
	PersonID    string
	SessionID   string // of the PC
	CardID      string
	Fingerprint string    // of the card's certificate, hex
	NotAfter    time.Time // the device's certificate ends then at the latest
	State       EnrolState
	Tries       int
	CreatedAt   time.Time
	EndsAt      time.Time
	ClaimedAt   time.Time

	// From the phone, once claimed.
	Public    []byte // PKIX DER
	Name      string
	Platform  string
	Presence  Presence
	Sealed    []byte // Secrets, sealed to the device's row
	SignCount uint32
}

// EnrolRules are the city's settings.
type EnrolRules struct {
	CardFresh time.Duration // how old the card login may be; 10 minutes if 0
	AllowOTP  bool          // a password with a one-time code does too, for agencies without readers
	AnyPlace  bool          // not only from the city's network: for trying things
	DeviceAge time.Duration // the longest life of a device certificate; 2 years if 0
}

// Enroller binds phones.
type Enroller struct {
	Store    EnrolmentStore
	CA       *keys.DeviceCA
	Keeper   *Keeper
	Hasher   PINHasher
	Cards    func(ctx context.Context, personID string) ([]idp.Card, error) // bound now
	Factors  *Factors
	Notifier *Notifier // told when an enrolment changes; keyed by its ID
	Origin   string    // of this server, as phones see it: "https://id.example.gov.tw"
	Rules    EnrolRules
	Now      func() time.Time
}

// PINHasher hashes PINs slowly; directory.Hasher is one.
type PINHasher interface {
	Hash(ctx context.Context, pin string) (string, error)
	Verify(ctx context.Context, hash, pin string) (bool, error)
}

// Started is an enrolment as its PC's page shows it.
type Started struct {
	ID     string // base64url
	State  EnrolState
	Link   string // what the key QR code holds: ORIGIN/phone/bind/ID#SECRET; empty once claimed
	Digits string // once claimed: compare with the phone
	Name   string // of the phone, once claimed
	EndsAt time.Time
	Device string // once done: the device's ID, the same as ID
	Called bool   // over because one of both sides called it off
}

// Claim is what the phone sends for an enrolment.
type Claim struct {
	CSR      []byte          `json:"csr"`   // PKCS#10, DER (base64 in JSON)
	Proof    string          `json:"proof"` // base64url: EnrolProof
	Name     string          `json:"name"`
	Platform string          `json:"platform"`
	WebAuthn json.RawMessage `json:"webauthn,omitempty"` // the registration response over EnrolChallenge,
	PIN      string          `json:"pin,omitempty"`      // or this, where the phone has no authenticator of its own
	HasOwn   bool            `json:"authenticator"`      // whether it has one: a PIN is not taken then
}

// Claimed is the answer to a claim: what the phone shows while the PC confirms.
type Claimed struct {
	Digits      string `json:"digits"`
	Name        string `json:"name"`   // of the person, masked
	Agency      string `json:"agency"` // name
	StatusToken string `json:"status_token"`
	EndsAt      int64  `json:"ends"` // Unix milliseconds
}

// Collected is how an enrolment stands for its phone.
type Collected struct {
	State       EnrolState `json:"state"`
	Called      bool       `json:"cancelled,omitempty"` // over because one of both sides called it off
	DeviceID    string     `json:"device_id,omitempty"`
	Certificate []byte     `json:"certificate,omitempty"` // DER (base64 in JSON)
	CA          []byte     `json:"ca,omitempty"`
	Name        string     `json:"name,omitempty"` // of the person, whole
	Agency      string     `json:"agency,omitempty"`
	NotAfter    int64      `json:"not_after,omitempty"` // Unix milliseconds
}
