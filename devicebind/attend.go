package devicebind

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	idp "taipeion.internal/idp"
)

// Shown is how a person shows that they are at the phone: what Device.Presence
// asks for, and nothing else will do.
type Shown struct {
	PIN      string          `json:"pin,omitempty"`
	WebAuthn json.RawMessage `json:"webauthn,omitempty"` // an assertion over the SHA-256 of what is signed
}

// attendant checks it.
type attendant struct {
	store  DeviceStore
	hasher PINHasher
	origin string
}

// present checks that the person is at the phone that signed the message.
func (a attendant) present(ctx context.Context, dev *Device, secrets *Secrets, message []byte, by Shown) (signCount uint32, err error) {
	if dev.Presence == PresenceWebAuthn {
		return a.asserted(dev, secrets, message, by.WebAuthn)
	}
	if !plausiblePIN(by.PIN) {
		return 0, denied(ReasonPhoneProof)
	}
	failures, err := a.store.ReservePIN(ctx, dev.ID, MaxPINFailures)
	if errors.Is(err, idp.ErrUsed) {
		return 0, denied(ReasonPINBlocked)
	}
	if err != nil {
		return 0, fmt.Errorf("count PIN: %w", err)
	}
	right, err := a.hasher.Verify(ctx, secrets.PINHash, by.PIN)
	switch {
	case err != nil:
		// The request may be gone already; the count must not stay.
		back := a.store.ReturnPIN(context.WithoutCancel(ctx), dev.ID)
		return 0, fmt.Errorf("check PIN: %w", errors.Join(err, back))
	case right:
		return 0, nil
	case failures >= MaxPINFailures:
		return 0, denied(ReasonPINBlocked)
	}
	return 0, denied(ReasonPINWrong)
}

// asserted takes the answer of the phone's own authenticator.
func (a attendant) asserted(dev *Device, secrets *Secrets, message, answer []byte) (signCount uint32, err error) {
	c, err := decodeCredential(secrets.Credential, dev.SignCount)
	if err != nil {
		return 0, err
	}
	handle, err := unb64(dev.ID, idSize)
	if err != nil {
		return 0, err
	}
	challenge := sha256.Sum256(message)
	signCount, err = assertPresence(a.origin, handle, challenge[:], answer, c)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", denied(ReasonPhoneProof), err)
	}
	return signCount, nil
}

// plausiblePIN keeps what is no PIN from being counted or hashed.
func plausiblePIN(pin string) bool { return len(pin) >= minPIN && len(pin) <= maxPIN }
