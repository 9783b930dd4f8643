package devicebind

import (
	"context"
	"errors"
	"fmt"
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
	Hasher  PINHasher
	Origin  string // of this server, as phones see it
	Now     func() time.Time
}

// Of lists a person's devices that are not revoked, newest first.
func (d *Devices) Of(ctx context.Context, personID string) ([]Device, error) {
	return d.Store.DevicesOf(ctx, personID)
}

// Rename gives a device of the person another name; idp.ErrNotFound if it is
// not theirs or the name can't be shown.
func (d *Devices) Rename(ctx context.Context, who Who, deviceID, name string) error {
	name, ok := cleanName(name)
	if !ok {
		return idp.ErrNotFound
	}
	ev := d.event(ctx, "phone.rename", deviceID, who)
	return d.Store.RenameDevice(ctx, deviceID, who.Person.ID, name, With{Events: []idp.Event{ev}})
}

func (d *Devices) event(ctx context.Context, kind, deviceID string, who Who) idp.Event {
	ev := event(ctx, d.Now(), kind, "ok", who)
	ev.Detail = "device " + deviceID
	return ev
}

// Revoke ends a device of the person for good: their own act, after a fresh
// login. idp.Denied{ReasonFactorFresh}; idp.ErrNotFound if it is not theirs.
func (d *Devices) Revoke(ctx context.Context, who Who, deviceID string) error {
	if err := d.Factors.Check(ctx, who); err != nil {
		return err
	}
	return d.revoke(ctx, deviceID, who.Person.ID, d.event(ctx, "phone.revoke", deviceID, who))
}

// RevokeFor ends anybody's device: the act of an operator, who says why.
func (d *Devices) RevokeFor(ctx context.Context, deviceID, actor, why string) error {
	ev := d.event(ctx, "phone.revoke", deviceID, Who{})
	ev.Actor, ev.Detail = actor, ev.Detail+": "+why
	return d.revoke(ctx, deviceID, "", ev)
}

func (d *Devices) revoke(ctx context.Context, deviceID, personID string, ev idp.Event) error {
	dev, person, err := d.Store.Device(ctx, deviceID)
	if err != nil {
		return fmt.Errorf("read device: %w", err)
	}
	if personID != "" && dev.PersonID != personID {
		return idp.ErrNotFound
	}
	ev.PersonID = dev.PersonID
	with := d.Factors.told(Notice{Kind: ev.Kind, Person: person, Name: dev.Name, At: ev.At}, ev)
	if err := d.Store.RevokeDevice(ctx, deviceID, personID, ev.At, with); err != nil {
		return fmt.Errorf("revoke device: %w", err)
	}
	return nil
}

// What an operator asked for and what is so already.
var (
	ErrSuspended    = fmt.Errorf("it is suspended already: %w", idp.ErrConflict)
	ErrNotSuspended = fmt.Errorf("nobody suspended it: %w", idp.ErrConflict)
)

// RenameFor gives anybody's device another name: the act of an operator, who
// says why.
func (d *Devices) RenameFor(ctx context.Context, deviceID, name, actor, why string) error {
	name, ok := cleanName(name)
	if !ok {
		return ErrName
	}
	dev, person, err := d.live(ctx, deviceID)
	if err != nil {
		return err
	}
	ev := d.event(ctx, "phone.rename", deviceID, Who{Person: person})
	ev.Actor, ev.Detail = actor, ev.Detail+" from "+dev.Name+" to "+name+": "+why
	with := d.Factors.told(Notice{Kind: ev.Kind, Person: person, Name: name, At: ev.At}, ev)
	if err := d.Store.RenameDevice(ctx, deviceID, dev.PersonID, name, with); err != nil {
		return fmt.Errorf("rename device: %w", err)
	}
	return nil
}

// live finds a device that is not revoked.
func (d *Devices) live(ctx context.Context, deviceID string) (*Device, *idp.Person, error) {
	dev, person, err := d.Store.Device(ctx, deviceID)
	if err != nil {
		return nil, nil, fmt.Errorf("read device: %w", err)
	}
	if !dev.RevokedAt.IsZero() {
		return nil, nil, fmt.Errorf("it is revoked: %w", idp.ErrNotFound)
	}
	return dev, person, nil
}

// SuspendFor suspends anybody's device, or ends the suspension: the act of an
// operator, who says why. ErrSuspended, ErrNotSuspended.
func (d *Devices) SuspendFor(ctx context.Context, deviceID string, suspend bool, actor, why string) error {
	dev, person, err := d.live(ctx, deviceID)
	switch {
	case err != nil:
		return err
	case suspend && !dev.SuspendedAt.IsZero():
		return ErrSuspended
	case !suspend && dev.SuspendedAt.IsZero():
		return ErrNotSuspended
	}
	kind, since := "phone.resume", time.Time{}
	if suspend {
		kind, since = "phone.suspend", d.Now()
	}
	ev := d.event(ctx, kind, deviceID, Who{Person: person})
	ev.Actor, ev.Detail = actor, ev.Detail+": "+why
	with := d.Factors.told(Notice{Kind: kind, Person: person, Name: dev.Name, At: ev.At}, ev)
	if err := d.Store.SuspendDevice(ctx, deviceID, since, with); err != nil {
		return fmt.Errorf("suspend device: %w", err)
	}
	return nil
}

// Self is what a phone says about itself, signed by its key (SelfBytes).
type Self struct {
	DeviceID  string `json:"device_id"`
	Action    string `json:"action"` // "status" or "unbind"
	Time      int64  `json:"time"`   // Unix milliseconds
	Nonce     string `json:"nonce"`  // base64url, 16 bytes
	Signature string `json:"signature"`
	Shown            // to unbind
}

// The actions of Self.
const (
	SelfStatus = "status"
	SelfUnbind = "unbind"
)

// Status tells the phone how it stands, whatever that is: the caller looks at
// Device.Standing. A device that we don't know gets
// idp.Denied{ReasonPhoneUnusable}, one that did not sign {ReasonPhoneProof} or
// {ReasonPhoneClock}.
func (d *Devices) Status(ctx context.Context, s Self) (*Device, *idp.Person, error) {
	dev, person, _, err := d.self(ctx, s, SelfStatus)
	return dev, person, err
}

// Unbind revokes the device by its own request, if its person is there: who only
// got hold of an unlocked phone shall not take a factor away. Again is no error.
// idp.Denied as Status, {ReasonPINWrong} or {ReasonPINBlocked}: then the computer
// or the helpdesk does it.
func (d *Devices) Unbind(ctx context.Context, s Self) error {
	dev, person, secrets, err := d.self(ctx, s, SelfUnbind)
	if err != nil || !dev.RevokedAt.IsZero() {
		return err
	}
	if _, err := (attendant{d.Store, d.Hasher, d.Origin}).present(ctx, dev, secrets, SelfBytes(d.Origin, s), s.Shown); err != nil {
		return d.absent(ctx, dev, person, err)
	}
	ev := d.event(ctx, "phone.revoke", dev.ID, Who{Person: person})
	ev.Detail += " by itself"
	err = d.revoke(ctx, dev.ID, dev.PersonID, ev)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	return err
}

// absent puts on record that presence was not proved.
func (d *Devices) absent(ctx context.Context, dev *Device, person *idp.Person, why error) error {
	var no idp.Denied
	if !errors.As(why, &no) {
		return why
	}
	ev := d.event(ctx, "phone.revoke", dev.ID, Who{Person: person})
	ev.Result = string(no.Reason)
	if err := d.Store.Record(ctx, ev); err != nil {
		return fmt.Errorf("record unbinding: %w", err)
	}
	return why
}

func (d *Devices) self(ctx context.Context, s Self, action string) (*Device, *idp.Person, *Secrets, error) {
	if _, err := unb64(s.Nonce, nonceSize); err != nil || s.Action != action || !oneLine(s.DeviceID) {
		return nil, nil, nil, denied(ReasonPhoneProof)
	}
	p := prover{d.Store, d.Keeper, d.Now}
	dev, person, secrets, err := p.device(ctx, s.DeviceID, SelfBytes(d.Origin, s), s.Signature)
	if err != nil {
		return nil, nil, nil, err
	}
	if !onTime(s.Time, d.Now()) {
		return nil, nil, nil, denied(ReasonPhoneClock)
	}
	return dev, person, secrets, nil
}

// prover finds who signed.
type prover struct {
	store  DeviceStore
	keeper *Keeper
	now    func() time.Time
}

// device finds the device and checks its signature over the message.
// idp.Denied{ReasonPhoneUnusable}: unknown, or its row is not its own.
func (p prover) device(ctx context.Context, id string, message []byte, signature string) (*Device, *idp.Person, *Secrets, error) {
	dev, person, err := p.store.Device(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil, nil, denied(ReasonPhoneUnusable)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read device: %w", err)
	}
	secrets, err := p.check(ctx, dev, message, signature)
	return dev, person, secrets, err
}

// check opens the secrets of a device that was read, and checks its signature
// over the message.
func (p prover) check(ctx context.Context, dev *Device, message []byte, signature string) (*Secrets, error) {
	secrets, err := p.keeper.openDevice(dev)
	if err != nil {
		alarm := p.store.Record(ctx, tampered(ctx, p.now(), "phone", dev.PersonID, "device "+dev.ID))
		return nil, errors.Join(denied(ReasonPhoneUnusable), err, alarm)
	}
	if !signed(secrets.Public, message, signature) {
		return nil, denied(ReasonPhoneProof)
	}
	return &secrets, nil
}

// tampered is the alarm about a row whose sealed value is not its own: somebody
// changed the database.
func tampered(ctx context.Context, now time.Time, kind, personID, what string) idp.Event {
	e := event(ctx, now, kind+".tampered", "alarm", Who{})
	e.PersonID, e.Detail = personID, what+" does not open"
	return e
}
