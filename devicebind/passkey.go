package devicebind

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

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
	AttestationAllow Attestation = "direct" // only models (AAGUIDs) of the list, attested by Roots
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
	Models      [][]byte       // AAGUIDs, for AttestationAllow
	Roots       *x509.CertPool // of the makers of those, for AttestationAllow
	Now         func() time.Time
}

const (
	purposeAdd   = "add"
	purposeLogin = "login"
)

// Of lists a person's passkeys, newest first.
func (p *Passkeys) Of(ctx context.Context, personID string) ([]Passkey, error) {
	return p.Store.PasskeysOf(ctx, personID)
}

// BeginAdd returns the options (JSON, for
// PublicKeyCredential.parseCreationOptionsFromJSON). Nothing is written.
// idp.Denied{ReasonFactorFresh}.
func (p *Passkeys) BeginAdd(ctx context.Context, who Who) (options []byte, err error) {
	if err := p.Factors.Check(ctx, who); err != nil {
		return nil, err
	}
	rp, err := relyingParty(p.Origin, p.Name)
	if err != nil {
		return nil, err
	}
	have, err := p.Store.PasskeysOf(ctx, who.Person.ID)
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	var exclude []protocol.CredentialDescriptor
	for _, k := range have {
		exclude = append(exclude, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.ID})
	}
	user := holder{id: p.Keeper.userHandle(who.Person.ID), name: orName(who.Person)}
	creation, _, err := rp.BeginRegistration(user, webauthn.WithExclusions(exclude), p.creation(p.challenge(purposeAdd, sessionKey(who))))
	if err != nil {
		return nil, fmt.Errorf("passkey options: %w", err)
	}
	return json.Marshal(creation.Response)
}

// creation sets what the library leaves to us.
func (p *Passkeys) creation(challenge []byte) webauthn.RegistrationOption {
	return func(o *protocol.PublicKeyCredentialCreationOptions) error {
		o.Challenge, o.Parameters = challenge, algorithms()
		if p.Attestation == AttestationAllow {
			o.Attestation = protocol.PreferDirectAttestation
		}
		return nil
	}
}

func orName(p *idp.Person) string {
	if p.Username != "" {
		return p.Username
	}
	return p.Name
}

// sessionKey binds a registration to its session.
func sessionKey(who Who) []byte { return []byte("session " + who.Session.ID + " " + who.Person.ID) }

func (p *Passkeys) challenge(purpose string, browser []byte) []byte {
	var random [challengeRandom]byte
	rand.Read(random[:])
	return p.Keeper.newChallenge(random[:], purpose, browser, p.Now())
}

// Add takes the browser's answer (JSON, credential.toJSON()), once.
// idp.Denied{ReasonPasskey}, {ReasonFactorFresh}; idp.ErrConflict: registered
// already.
func (p *Passkeys) Add(ctx context.Context, who Who, name string, answer []byte) (*Passkey, error) {
	if err := p.Factors.Check(ctx, who); err != nil {
		return nil, err
	}
	name, ok := cleanName(name)
	if !ok || len(answer) > maxWebAuthn {
		return nil, denied(ReasonPasskey)
	}
	rp, err := relyingParty(p.Origin, p.Name)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, denied(ReasonPasskey)
	}
	challenge, endsAt, err := p.ours(parsed.Response.CollectedClientData.Challenge, purposeAdd, sessionKey(who))
	if err != nil {
		return nil, err
	}
	user := holder{id: p.Keeper.userHandle(who.Person.ID)}
	c, err := rp.CreateCredential(user, webauthn.SessionData{
		Challenge: b64(challenge), RelyingPartyID: rp.Config.RPID, UserID: user.id,
		UserVerification: protocol.VerificationRequired, CredParams: algorithms(),
	}, parsed)
	if err != nil || p.attested(c, parsed) != nil {
		return nil, p.refused(ctx, "passkey.add", who.Person.ID)
	}
	return p.add(ctx, who, name, c, challenge, endsAt)
}

func (p *Passkeys) add(ctx context.Context, who Who, name string, c *webauthn.Credential, challenge []byte, endsAt time.Time) (*Passkey, error) {
	plain, signCount, err := encodeCredential(c)
	if err != nil {
		return nil, err
	}
	now := p.Now()
	k := &Passkey{
		ID: c.ID, PersonID: who.Person.ID, Name: name, AAGUID: c.Authenticator.AAGUID, SignCount: signCount, CreatedAt: now,
		Sealed: p.Keeper.sealer.Seal(plain, passkeyContext(c.ID, who.Person.ID)),
	}
	ev := event(ctx, now, "passkey.add", "ok", who)
	ev.Detail = "passkey " + b64(k.ID)
	with := p.Factors.told(Notice{Kind: ev.Kind, Person: who.Person, Name: name, At: now}, ev)
	err = p.Store.AddPasskey(ctx, k, challenge, endsAt, with)
	if errors.Is(err, idp.ErrUsed) {
		return nil, denied(ReasonPasskey)
	}
	if err != nil {
		return nil, fmt.Errorf("keep passkey: %w", err)
	}
	return k, nil
}

// ours reads a challenge that came back; idp.Denied{ReasonPasskey} if we did not
// make it for that browser, or too long ago.
func (p *Passkeys) ours(text, purpose string, browser []byte) (challenge []byte, endsAt time.Time, err error) {
	challenge, err = unb64(text, challengeSize)
	if err != nil {
		return nil, endsAt, denied(ReasonPasskey)
	}
	endsAt, ok := p.Keeper.checkChallenge(challenge, purpose, browser, p.Now())
	if !ok {
		return nil, endsAt, denied(ReasonPasskey)
	}
	return challenge, endsAt, nil
}

// refused puts a refusal on record.
func (p *Passkeys) refused(ctx context.Context, kind, personID string) error {
	ev := event(ctx, p.Now(), kind, string(ReasonPasskey), Who{Person: &idp.Person{ID: personID}})
	if err := p.Store.Record(ctx, ev); err != nil {
		return fmt.Errorf("record passkey: %w", err)
	}
	return denied(ReasonPasskey)
}

// Rename gives a passkey of the person another name; idp.ErrNotFound.
func (p *Passkeys) Rename(ctx context.Context, who Who, id []byte, name string) error {
	name, ok := cleanName(name)
	if !ok {
		return idp.ErrNotFound
	}
	ev := event(ctx, p.Now(), "passkey.rename", "ok", who)
	return p.Store.RenamePasskey(ctx, id, who.Person.ID, name, With{Events: []idp.Event{ev}})
}

// Remove removes a passkey of the person; idp.ErrNotFound.
func (p *Passkeys) Remove(ctx context.Context, who Who, id []byte) error {
	if err := p.Factors.Check(ctx, who); err != nil {
		return err
	}
	return p.remove(ctx, id, who.Person.ID, event(ctx, p.Now(), "passkey.remove", "ok", who))
}

// RemoveFor removes anybody's passkey: the act of an operator, who says why.
func (p *Passkeys) RemoveFor(ctx context.Context, id []byte, actor, why string) error {
	ev := event(ctx, p.Now(), "passkey.remove", "ok", Who{})
	ev.Actor, ev.Detail = actor, why
	return p.remove(ctx, id, "", ev)
}

func (p *Passkeys) remove(ctx context.Context, id []byte, personID string, ev idp.Event) error {
	k, person, err := p.Store.Passkey(ctx, id)
	if err != nil {
		return fmt.Errorf("read passkey: %w", err)
	}
	if personID != "" && k.PersonID != personID {
		return idp.ErrNotFound
	}
	ev.PersonID = k.PersonID
	with := p.Factors.told(Notice{Kind: ev.Kind, Person: person, Name: k.Name, At: ev.At}, ev)
	if err := p.Store.RemovePasskey(ctx, id, k.PersonID, ev.At, with); err != nil {
		return fmt.Errorf("remove passkey: %w", err)
	}
	return nil
}
