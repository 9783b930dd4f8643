package devicebind

import (
	"errors"

	idp "taipeion.internal/idp"
)

// ErrName says that a name can't be shown: empty, too long, or of several lines.
var ErrName = errors.New("not a name that can be shown: one line of 1 to 64 characters")

// The reasons of this package; the words are in templates/locale.
const (
	ReasonEnrolOver     idp.Reason = "enrol_over"      // the key QR code was used, is too old, or was replaced
	ReasonEnrolFresh    idp.Reason = "enrol_fresh"     // needs a card login of the last ten minutes
	ReasonEnrolProof    idp.Reason = "enrol_proof"     // the phone's request is not in order
	ReasonFactorFresh   idp.Reason = "factor_fresh"    // needs a fresh login of the strongest kind
	ReasonPhoneUnusable idp.Reason = "phone_unusable"  // unknown, revoked, suspended, expired, or its person or card is
	ReasonPhoneProof    idp.Reason = "phone_proof"     // the signature or the person's presence was not proved
	ReasonPhoneClock    idp.Reason = "phone_clock"     // the phone's clock is off
	ReasonPINWrong      idp.Reason = "pin_wrong"       // wrong PIN; still tries left
	ReasonPINBlocked    idp.Reason = "pin_blocked"     // too many wrong PINs: bind again
	ReasonCodeOver      idp.Reason = "code_over"       // the QR code is too old or not ours
	ReasonAttemptTaken  idp.Reason = "attempt_taken"   // another phone scanned it
	ReasonAttemptOver   idp.Reason = "attempt_over"    // decided, used or too old
	ReasonNumberWrong   idp.Reason = "number_wrong"    // the typed number was wrong: the attempt is burnt
	ReasonScanLimit     idp.Reason = "scan_limit"      // too many scans without a decision
	ReasonOTPWrong      idp.Reason = "otp_wrong"       // wrong, used or none bound: one class outside
	ReasonPasskey       idp.Reason = "passkey_invalid" // the passkey's answer was refused
)
