package devicebind

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// RecoveryCodes is how many recovery codes a person gets, once.
const RecoveryCodes = 10

// OTPOffer is a secret that waits for its first code.
type OTPOffer struct {
	Secret string // base32, to be typed into an authenticator app
	URI    string // otpauth://totp/..., for QRSVG
	EndsAt time.Time
}

// OTPState says what a person has.
type OTPState struct {
	Bound        bool
	BoundAt      time.Time
	RecoveryLeft int
}

// OTP keeps one-time codes (RFC 6238: SHA-1, 6 digits, 30 s, one step to either
// side, each step once) and recovery codes.
type OTP struct {
	Store   OTPStore
	Guesses Guesses // counts guesses, apart from those of passwords
	Keeper  *Keeper
	Factors *Factors
	Issuer  string // the name that authenticator apps show
	Rules   policy.Lockout
	Now     func() time.Time
}

// Of tells what a person has.
func (o *OTP) Of(ctx context.Context, personID string) (OTPState, error) {
	return OTPState{}, errNotYet
}

// Begin makes a secret, in the place of an older one that waits. It is shown
// again to the same session until it ends (10 minutes).
// idp.Denied{ReasonFactorFresh}.
func (o *OTP) Begin(ctx context.Context, who Who) (*OTPOffer, error) { return nil, errNotYet }

// Confirm binds the waiting secret by its first code, in the place of an older
// one, and returns the recovery codes, which nobody can read again.
// idp.Denied{ReasonOTPWrong}, {ReasonFactorFresh}, {idp.ReasonLocked}.
func (o *OTP) Confirm(ctx context.Context, who Who, code string) (recovery []string, err error) {
	return nil, errNotYet
}

// Renew makes new recovery codes; the old ones are dead.
func (o *OTP) Renew(ctx context.Context, who Who) (recovery []string, err error) {
	return nil, errNotYet
}

// Remove unbinds; idp.ErrNotFound if there is nothing.
func (o *OTP) Remove(ctx context.Context, who Who) error { return errNotYet }

// RemoveFor unbinds by an operator, who says why.
func (o *OTP) RemoveFor(ctx context.Context, personID, actor, why string) error { return errNotYet }

// Verify takes a one-time code or a recovery code of the person, once, counted
// by a lock-out of its own. Spaces and full-width digits are read as typed
// mistakes. idp.Denied{ReasonOTPWrong} or {idp.ReasonLocked}.
func (o *OTP) Verify(ctx context.Context, personID, code string) error { return errNotYet }

var _ = idp.ErrNotFound
