package devicebind

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	idp "taipeion.internal/idp"
)

// AttemptState is where a QR login stands.
type AttemptState string

// The states. Before the first scan there is nothing at all: AttemptNew.
const (
	AttemptNew      AttemptState = "new"
	AttemptScanned  AttemptState = "scanned"  // locked to one phone
	AttemptApproved AttemptState = "approved" // the browser may log in
	AttemptDenied   AttemptState = "denied"   // refused, or reported
	AttemptBurnt    AttemptState = "burnt"    // the wrong number was typed
	AttemptUsed     AttemptState = "used"     // the browser has logged in
	AttemptExpired  AttemptState = "expired"  // it took too long
)

// Attempt is one QR login: of one browser, locked to one phone.
type Attempt struct {
	ID        []byte // 16 bytes
	Browser   []byte // SHA-256 of the flow cookie: one attempt for each
	Flow      []byte // SHA-256 of the flow's handle
	ClientID  string
	DeviceID  string
	PersonID  string
	Nonce     []byte       // 32 bytes
	State     AttemptState // as kept; see StateAt
	PC        PC
	ScannedAt time.Time
	ChangedAt time.Time
	EndsAt    time.Time
}

// StateAt is the state with the time in it.
func (a *Attempt) StateAt(now time.Time) AttemptState {
	if (a.State == AttemptScanned || a.State == AttemptApproved) && !now.Before(a.EndsAt) {
		return AttemptExpired
	}
	return a.State
}

// Attempts runs QR logins, for the phone (Scan, Decide) and for the PC (Look,
// Use).
type Attempts struct {
	Store    AttemptStore
	Devices  DeviceStore
	Scanning ScanStore
	Codes    *Codes
	Keeper   *Keeper
	Hasher   PINHasher
	Notifier *Notifier                                                 // told when an attempt changes; keyed by the browser's hash
	Client   func(ctx context.Context, id string) (*idp.Client, error) // idp.ErrNotFound
	Locked   func(ctx context.Context, personID string) (bool, error)  // whether a lock-out stops phones too; nil: never
	Origin   string
	Limits   ScanLimits // 3 open, 5 in 10 minutes if zero
	Logger   *slog.Logger
	Now      func() time.Time
}

// ScanRequest is what a phone says when it has read a code, signed (ScanBytes).
type ScanRequest struct {
	DeviceID  string `json:"device_id"`
	Code      string `json:"code"`
	Time      int64  `json:"time"`  // Unix milliseconds; each later than the last
	Nonce     string `json:"nonce"` // base64url, 16 bytes
	Signature string `json:"signature"`
}

// Scanned is what the phone shows before it asks for the number.
type Scanned struct {
	Attempt    string   `json:"attempt"` // base64url
	ClientID   string   `json:"client_id"`
	ClientName string   `json:"client_name"` // zh-Hant; empty: our own pages
	ClientEN   string   `json:"client_name_en,omitempty"`
	Agency     string   `json:"agency"` // of the person
	Browser    string   `json:"browser"`
	System     string   `json:"system"`
	Network    Network  `json:"network"`
	Started    int64    `json:"started"`              // Unix milliseconds: when the login began
	Nonce      string   `json:"nonce"`                // base64url: to be signed
	Ends       int64    `json:"ends"`                 // Unix milliseconds
	Presence   Presence `json:"presence"`             // what Decide will ask for
	Credential string   `json:"credential,omitempty"` // WebAuthn: the credential's ID, base64url
}

// Verdict is what a person decides on the phone.
type Verdict string

// The verdicts. Report says "this was not me", which raises an alarm.
const (
	VerdictApprove Verdict = "approve"
	VerdictDeny    Verdict = "deny"
	VerdictReport  Verdict = "report"
)

// DecideRequest is a verdict, signed over ApprovalBytes.
type DecideRequest struct {
	DeviceID  string  `json:"device_id"`
	Attempt   string  `json:"attempt"`
	ClientID  string  `json:"client_id"`
	Number    string  `json:"number"` // as typed; may be empty to deny or report
	Time      int64   `json:"time"`   // Unix milliseconds
	Verdict   Verdict `json:"decision"`
	Signature string  `json:"signature"`
	Nonce     string  `json:"nonce,omitempty"` // to report: Scanned.Nonce, for when the attempt is forgotten

	// To approve, one of these: what Scanned.Presence says.
	PIN      string          `json:"pin,omitempty"`
	WebAuthn json.RawMessage `json:"webauthn,omitempty"` // the assertion over SHA-256(ApprovalBytes)
}

// View is a QR login as its PC's page shows it.
type View struct {
	State  AttemptState
	Number string // scanned: to be typed on the phone
	EndsAt time.Time
	Closed time.Time // when the browser's last login was decided, of whatever flow: see Codes.MakeAfter
}

// Used is an approved login, used up.
type Used struct {
	PersonID string
	DeviceID string
	Attempt  string // its ID, base64url: what it opens is found by it
	ClientID string
	At       time.Time // of the approval
	PC       PC
	Event    idp.Event // to be kept with the session that begins
}
