package devicebind

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Presence is how a phone proves that its person is there.
type Presence string

// The ways.
const (
	PresenceWebAuthn Presence = "webauthn" // the phone's own authenticator, with user verification
	PresencePIN      Presence = "pin"      // checked and counted by us
)

// MaxPINFailures suspend a device until it is bound again.
const MaxPINFailures = 5

// Standing says whether a device may be used.
type Standing string

// The standings. A suspended device comes back when its person does; one whose
// PIN is used up or whose card was unbound has to be bound again.
const (
	StandingActive    Standing = "active"
	StandingSuspended Standing = "suspended"
	StandingExpired   Standing = "expired"
	StandingRevoked   Standing = "revoked"
)

// Device is a phone bound to a person.
type Device struct {
	ID          string // base64url of 16 bytes: the enrolment's
	PersonID    string
	CardID      string // the bound card that vouched for it; empty: bound without one
	Name        string
	Platform    string
	Presence    Presence
	Certificate []byte // DER, by our device CA
	Sealed      []byte // Secrets, sealed to this row
	BoundAt     time.Time
	UsedAt      time.Time // last approval
	NotAfter    time.Time // the certificate's end, never after the card's
	RevokedAt   time.Time // zero: not revoked
	SuspendedAt time.Time // zero: not suspended by an operator
	PINFailures int
	SignCount   uint32 // of the WebAuthn credential

	PersonState idp.PersonState // as it is now
	CardUnbound bool            // the card that vouched for it is bound no more
}

// Standing tells whether the device may be used at that time.
func (d *Device) Standing(now time.Time) Standing {
	switch {
	case !d.RevokedAt.IsZero():
		return StandingRevoked
	case !now.Before(d.NotAfter):
		return StandingExpired
	case !d.SuspendedAt.IsZero() || d.PersonState != idp.PersonEnabled || d.CardUnbound || d.PINFailures >= MaxPINFailures:
		return StandingSuspended
	}
	return StandingActive
}

// Devices lists, renames, suspends and revokes bound phones.
type Devices struct {
	Store   DeviceStore
	Factors *Factors
	Keeper  *Keeper
	Now     func() time.Time
}

// Of lists a person's devices that are not revoked, newest first.
func (d *Devices) Of(ctx context.Context, personID string) ([]Device, error) {
	return d.Store.DevicesOf(ctx, personID)
}

// Rename gives a device of the person another name; idp.ErrNotFound if it is not theirs.
func (d *Devices) Rename(ctx context.Context, who Who, deviceID, name string) error { return errNotYet }

// Revoke ends a device of the person for good: their own act, after a fresh
// login. idp.Denied{ReasonFactorFresh}; idp.ErrNotFound if it is not theirs.
func (d *Devices) Revoke(ctx context.Context, who Who, deviceID string) error { return errNotYet }

// RevokeFor ends anybody's device: the act of an operator, who says why.
func (d *Devices) RevokeFor(ctx context.Context, deviceID, actor, why string) error { return errNotYet }

// SuspendFor suspends anybody's device, or ends the suspension: the act of an
// operator, who says why.
func (d *Devices) SuspendFor(ctx context.Context, deviceID string, suspend bool, actor, why string) error {
	return errNotYet
}

// Self is what a phone says about itself, signed by its key (SelfBytes).
type Self struct {
	DeviceID  string `json:"device_id"`
	Action    string `json:"action"` // "status" or "unbind"
	Time      int64  `json:"time"`   // Unix milliseconds
	Nonce     string `json:"nonce"`  // base64url, 16 bytes
	Signature string `json:"signature"`
}

// Status tells the phone how it stands. A device that we don't know, or that
// did not sign, gets idp.Denied{ReasonPhoneUnusable} or {ReasonPhoneProof}.
func (d *Devices) Status(ctx context.Context, s Self) (*Device, *idp.Person, error) {
	return nil, nil, errNotYet
}

// Unbind revokes the device by its own request.
func (d *Devices) Unbind(ctx context.Context, s Self) error { return errNotYet }
