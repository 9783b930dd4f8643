package devicebind

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
)

// With is what a change is kept with, in its own transaction.
type With struct {
	Events []idp.Event
	Mail   []outbox.Message
	// Session is in which a person changes their own factors. The change is kept only
	// if that session lives, else idp.Denied{ReasonFactorFresh}; and whoever ends it
	// meanwhile waits, and then finds what was added in it. Empty: the act of an
	// operator, or of a phone.
	Session string
}

// FactorStore knows what a person can log in with.
type FactorStore interface {
	// StrongestFactor is LevelCard with a bound card, LevelTwo with a device, a
	// passkey or one-time codes, else LevelPassword. A device counts that is
	// neither revoked nor expired, also one that may not be used: by guessing PINs,
	// or by having it suspended, nobody lowers what is asked of its person.
	StrongestFactor(ctx context.Context, personID string, now time.Time) (idp.Level, error)
}

// EnrolmentStore keeps enrolments.
type EnrolmentStore interface {
	// CreateEnrolment inserts e and ends the session's older ones.
	CreateEnrolment(ctx context.Context, e *Enrolment, with With) error
	// Enrolment finds one with its person; idp.ErrNotFound.
	Enrolment(ctx context.Context, id []byte) (*Enrolment, *idp.Person, error)
	// CountEnrolTry counts a wrong proof; the last one allowed ends it.
	CountEnrolTry(ctx context.Context, id []byte, now time.Time, with With) error
	// ClaimEnrolment makes new claimed, with what e has from the phone, by one
	// conditional statement: not past its end, tries left; idp.ErrUsed otherwise.
	ClaimEnrolment(ctx context.Context, e *Enrolment, now time.Time, with With) error
	// FinishEnrolment makes claimed done and inserts the device, in one
	// transaction and only if the session is the enrolment's and lives, the person
	// is enabled and the card is bound, by the same certificate; idp.ErrUsed otherwise.
	FinishEnrolment(ctx context.Context, id []byte, sessionID string, d *Device, now time.Time, with With) error
	// CancelEnrolment ends one that is not done; idp.ErrUsed otherwise.
	CancelEnrolment(ctx context.Context, id []byte, sessionID string, now time.Time, with With) error
	// Device finds a device as it is now; idp.ErrNotFound.
	Device(ctx context.Context, id string) (*Device, *idp.Person, error)
}

// DeviceStore keeps bound phones.
type DeviceStore interface {
	// Device finds one, with its person, as they are now; idp.ErrNotFound.
	Device(ctx context.Context, id string) (*Device, *idp.Person, error)
	// DevicesOf lists a person's that are not revoked, newest first.
	DevicesOf(ctx context.Context, personID string) ([]Device, error)
	// RenameDevice changes the name of one that is the person's and not
	// revoked; idp.ErrNotFound otherwise.
	RenameDevice(ctx context.Context, id, personID, name string, with With) error
	// RevokeDevice ends one that is not revoked, of the person unless personID
	// is empty; idp.ErrNotFound otherwise. Its open attempts end with it, and the
	// sessions that it opened.
	RevokeDevice(ctx context.Context, id, personID string, at time.Time, with With) error
	// SuspendDevice suspends one, with the same ends, or with a zero time takes
	// the suspension back; idp.ErrNotFound if it is revoked or not there.
	SuspendDevice(ctx context.Context, id string, at time.Time, with With) error
	// ReservePIN counts a PIN as wrong before it is looked at, by one conditional
	// statement; idp.ErrUsed when max are counted already. It returns the count.
	ReservePIN(ctx context.Context, id string, max int) (failures int, err error)
	// ReturnPIN takes a count back: the PIN was not looked at.
	ReturnPIN(ctx context.Context, id string) error
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}

// MaxScans bounds ScanLimits.Scans: the store remembers so many.
const MaxScans = 5

// ScanLimits bound what one phone may start.
type ScanLimits struct {
	Open   int // scanned and undecided at once, for each device
	Scans  int // within Window without an approval, for each device; at most MaxScans
	Window time.Duration
}

// AttemptKey is a browser (the SHA-256 of its cookie), or an attempt and a device.
type AttemptKey struct {
	Browser  []byte
	ID       []byte
	DeviceID string
}

// ScanStore reads what a scan is about.
type ScanStore interface {
	// DeviceAndFlow finds a device with its person, as they are now, and beside
	// them the flow of a handle: nil without one. Of the flow it gives what a phone
	// needs: handle, browser, ask and times. idp.ErrNotFound for the device.
	DeviceAndFlow(ctx context.Context, id string, flow []byte) (*Device, *idp.Person, *idp.Flow, error)
}

// AttemptStore keeps attempts.
type AttemptStore interface {
	// ScanAttempt inserts a, in one transaction: the device is active at
	// a.ScannedAt and within its limits, and its last scan was signed before
	// signedAt (Unix milliseconds), else idp.ErrConflict; and the browser has no
	// open attempt (scanned or approved, and not past its end) but one of the same
	// device that is only scanned, and none that was closed after a's code was
	// issued (a.EndsAt less AttemptLife), else idp.ErrUsed.
	ScanAttempt(ctx context.Context, a *Attempt, signedAt int64, limits ScanLimits, events ...idp.Event) error
	// Attempt finds one by its ID; idp.ErrNotFound.
	Attempt(ctx context.Context, id []byte) (*Attempt, error)
	// BrowserAttempt finds a browser's; idp.ErrNotFound.
	BrowserAttempt(ctx context.Context, browser []byte) (*Attempt, error)
	// AttemptOn finds one, by its browser with the device that it is locked to, or
	// by its ID with any other device, each as it is now; idp.ErrNotFound if either
	// is not there.
	AttemptOn(ctx context.Context, by AttemptKey) (*Attempt, *Device, *idp.Person, error)
	// DecideAttempt makes scanned the given state, by one conditional statement:
	// that device's, not past its end; idp.ErrUsed otherwise. To approve, the
	// device is active, and signCount is above the kept one or both are 0; its
	// scans are forgotten. Approved or burnt, so are its PIN failures: the person was there.
	DecideAttempt(ctx context.Context, id []byte, deviceID string, to AttemptState, signCount uint32, now time.Time, events ...idp.Event) error
	// UseAttempt makes approved used, by one conditional statement: of that
	// browser and flow, not past its end, the device active; idp.ErrUsed otherwise.
	UseAttempt(ctx context.Context, flow, browser []byte, now time.Time) (*Attempt, error)
	// ReportAttempt ends, in one transaction, what a person says was not them: the
	// attempt, approved and used ones too, and the sessions that it opened, with
	// all their grants, and what was added in them to the person's ways to log in.
	// If there was such a session, every browser is a new one to the person. It keeps
	// ev if anything was ended by it, else it is the caller's to record.
	ReportAttempt(ctx context.Context, r Reported, now time.Time, ev idp.Event) (Reporting, error)
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}

// ChangeStore says what changed, for the pages that wait on other nodes.
type ChangeStore interface {
	// ChangesSince calls each with the Notifier's key of every attempt and
	// enrolment that changed at or after since, and when.
	ChangesSince(ctx context.Context, since time.Time, each func(key []byte, at time.Time)) error
}

// TOTP is a person's secret for one-time codes.
type TOTP struct {
	PersonID  string
	Sealed    []byte // the secret, sealed to its row
	BoundAt   time.Time
	UsedStep  int64  // the last time step that was used
	Recovery  int    // codes left
	Pending   []byte // a sealed secret that waits for its first code
	SessionID string // whose page shows it
	EndsAt    time.Time
}

// OTPStore keeps one-time codes.
type OTPStore interface {
	// TOTP finds a person's; idp.ErrNotFound.
	TOTP(ctx context.Context, personID string) (*TOTP, error)
	// PutPending keeps a secret that waits, in the place of an older one.
	PutPending(ctx context.Context, t *TOTP) error
	// BindTOTP makes the pending secret the bound one, with its first used step
	// and recovery codes (hashes), by one conditional statement: same session,
	// not past its end, the same secret; idp.ErrUsed otherwise.
	BindTOTP(ctx context.Context, t *TOTP, step int64, recovery [][]byte, now time.Time, with With) error
	// UseStep takes a time step, by one conditional statement: later than the
	// last; idp.ErrUsed otherwise.
	UseStep(ctx context.Context, personID string, step int64) error
	// UseRecovery takes a recovery code; idp.ErrUsed otherwise.
	UseRecovery(ctx context.Context, personID string, hash []byte, with With) error
	// PutRecovery replaces the recovery codes.
	PutRecovery(ctx context.Context, personID string, hashes [][]byte, with With) error
	// RemoveTOTP removes all of it, and ends what it opened; idp.ErrNotFound if there
	// was nothing.
	RemoveTOTP(ctx context.Context, personID string, with With) error
}

// Guess is one guess, counted before it is looked at.
type Guess struct {
	Key         string
	At          time.Time
	Rules       policy.Lockout
	LockedUntil time.Time // locked already: not counted, not to be looked at
	Locks       bool      // this very guess set the lock
}

// Guesses counts guesses in lock-out counters.
type Guesses interface {
	// Guess counts a guess as failed.
	Guess(ctx context.Context, key string, now time.Time, rules policy.Lockout) (*Guess, error)
	// Guessed forgets the failures: the guess was right. idp.ErrConflict if
	// others locked the counter meanwhile, and the success must not be shown.
	Guessed(ctx context.Context, g *Guess) error
	// Unguessed takes the count back: the guess was not looked at.
	Unguessed(ctx context.Context, g *Guess) error
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}

// PasskeyStore keeps passkeys.
type PasskeyStore interface {
	// PasskeysOf lists a person's, newest first.
	PasskeysOf(ctx context.Context, personID string) ([]Passkey, error)
	// Passkey finds one by its credential ID, with its person; idp.ErrNotFound.
	Passkey(ctx context.Context, id []byte) (*Passkey, *idp.Person, error)
	// AddPasskey inserts k and takes the challenge, in one transaction;
	// idp.ErrUsed: the challenge was used; idp.ErrConflict: the credential is kept.
	AddPasskey(ctx context.Context, k *Passkey, challenge []byte, endsAt time.Time, with With) error
	// UsePasskey notes a login and takes the challenge, in one transaction:
	// idp.ErrUsed: the challenge was used; idp.ErrConflict: the sign count did not
	// rise (both 0 is no count), or the passkey or its person is gone.
	UsePasskey(ctx context.Context, k *Passkey, challenge []byte, endsAt, now time.Time) error
	// RenamePasskey and RemovePasskey: idp.ErrNotFound unless it is the person's
	// (personID empty: anybody's). What a removed one opened ends with it: sessions,
	// with all their grants; and every browser is a new one to the person.
	RenamePasskey(ctx context.Context, id []byte, personID, name string, with With) error
	RemovePasskey(ctx context.Context, id []byte, personID string, at time.Time, with With) error
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}
