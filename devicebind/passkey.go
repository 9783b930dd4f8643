package devicebind

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// PasskeyChallengeLife is how long a browser may take to answer.
const PasskeyChallengeLife = 10 * time.Minute

// Passkey is a WebAuthn credential of a person.
type Passkey struct {
	ID        []byte // the credential's
	PersonID  string
	Name      string
	AAGUID    []byte
	Sealed    []byte // the credential, sealed to its row
	SignCount uint32
	CreatedAt time.Time
	UsedAt    time.Time
}

// Attestation says which authenticators may be registered.
type Attestation string

// The policies.
const (
	AttestationNone  Attestation = "none"   // any
	AttestationAllow Attestation = "direct" // only models (AAGUIDs) of the list, attested
)

// Passkeys registers passkeys and logs in with them (Web Authentication Level
// 3). User verification is always required.
type Passkeys struct {
	Store       PasskeyStore
	Keeper      *Keeper
	Factors     *Factors
	Origin      string
	Name        string // of this server, as authenticators show it
	Attestation Attestation
	Models      [][]byte // AAGUIDs, for AttestationAllow
	Now         func() time.Time
}

// Of lists a person's passkeys, newest first.
func (p *Passkeys) Of(ctx context.Context, personID string) ([]Passkey, error) {
	return nil, errNotYet
}

// BeginAdd returns the options (JSON, for navigator.credentials.create via
// PublicKeyCredential.parseCreationOptionsFromJSON). Nothing is written.
// idp.Denied{ReasonFactorFresh}.
func (p *Passkeys) BeginAdd(ctx context.Context, who Who) (options []byte, err error) {
	return nil, errNotYet
}

// Add takes the browser's answer (JSON, credential.toJSON()), once.
// idp.Denied{ReasonPasskey}, {ReasonFactorFresh}; idp.ErrConflict: registered
// already.
func (p *Passkeys) Add(ctx context.Context, who Who, name string, answer []byte) (*Passkey, error) {
	return nil, errNotYet
}

// Rename gives a passkey of the person another name; idp.ErrNotFound.
func (p *Passkeys) Rename(ctx context.Context, who Who, id []byte, name string) error {
	return errNotYet
}

// Remove removes a passkey of the person; idp.ErrNotFound.
func (p *Passkeys) Remove(ctx context.Context, who Who, id []byte) error { return errNotYet }

// RemoveFor removes anybody's passkey: the act of an operator, who says why.
func (p *Passkeys) RemoveFor(ctx context.Context, id []byte, actor, why string) error {
	return errNotYet
}

// BeginLogin returns the options (JSON, for navigator.credentials.get) for a
// browser, known by the hash of its flow cookie. Without a person the
// authenticator says who it is (also for conditional mediation); with one,
// only their passkeys do. Nothing is written.
func (p *Passkeys) BeginLogin(ctx context.Context, browser []byte, personID string) (options []byte, err error) {
	return nil, errNotYet
}

// Login takes the browser's answer, once, and says who it is. A step-up gives
// the person who must answer; a login gives "".
// idp.Denied{ReasonPasskey} or {idp.ReasonDisabled}.
func (p *Passkeys) Login(ctx context.Context, browser []byte, personID string, answer []byte) (*idp.Person, *Passkey, error) {
	return nil, nil, errNotYet
}
