package devicebind

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// Scan locks the attempt of the code's browser to the phone, by one conditional
// statement. The same phone may scan again, which makes a new attempt of it.
// idp.Denied: ReasonPhoneUnusable, ReasonPhoneProof, ReasonPhoneClock,
// ReasonCodeOver, ReasonAttemptTaken, ReasonScanLimit, idp.ReasonLocked.
func (a *Attempts) Scan(ctx context.Context, s ScanRequest) (*Scanned, error) {
	if _, err := unb64(s.Nonce, nonceSize); err != nil || !oneLine(s.DeviceID, s.Code) {
		return nil, denied(ReasonPhoneProof)
	}
	opened, unread := a.Codes.Open(s.Code)
	if unread != nil {
		opened = &Opened{} // who signed it is asked first
	}
	dev, person, flow, err := a.Scanning.DeviceAndFlow(ctx, s.DeviceID, opened.Flow)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, denied(ReasonPhoneUnusable)
	}
	if err != nil {
		return nil, fmt.Errorf("read device: %w", err)
	}
	secrets, err := a.prover().check(ctx, dev, ScanBytes(a.Origin, s), s.Signature)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	if !onTime(s.Time, now) {
		return nil, denied(ReasonPhoneClock)
	}
	if err := a.usable(ctx, dev, now); err != nil {
		return nil, err
	}
	if unread != nil {
		return nil, unread
	}
	client, err := a.asked(ctx, flow, now)
	if err != nil {
		return nil, err
	}
	t := &Attempt{
		ID: make([]byte, idSize), Browser: flow.Browser, Flow: flow.Handle, ClientID: flow.Ask.ClientID,
		DeviceID: dev.ID, PersonID: dev.PersonID, Nonce: make([]byte, attemptNonce), State: AttemptScanned, PC: opened.PC,
		ScannedAt: now, ChangedAt: now, EndsAt: opened.IssuedAt.Add(AttemptLife),
	}
	rand.Read(t.ID)
	rand.Read(t.Nonce)
	ev := a.event(ctx, "phone.scan", "ok", t)
	if err := a.Store.ScanAttempt(ctx, t, s.Time, a.limits(), ev); err != nil {
		return nil, a.scanRefused(ctx, t, err)
	}
	a.Notifier.Wake(t.Browser)
	return scanned(t, dev, person, secrets, flow, client)
}

func (a *Attempts) prover() prover { return prover{a.Devices, a.Keeper, a.Now} }

func (a *Attempts) attendant() attendant { return attendant{a.Devices, a.Hasher, a.Origin} }

func (a *Attempts) limits() ScanLimits {
	l := a.Limits
	if l == (ScanLimits{}) {
		l = ScanLimits{Open: 3, Scans: MaxScans, Window: 10 * time.Minute}
	}
	return l
}

// usable tells whether the device may be used now.
func (a *Attempts) usable(ctx context.Context, dev *Device, now time.Time) error {
	if dev.Standing(now) != StandingActive {
		return denied(ReasonPhoneUnusable)
	}
	return a.unlocked(ctx, dev.PersonID)
}

func (a *Attempts) unlocked(ctx context.Context, personID string) error {
	if a.Locked == nil {
		return nil
	}
	locked, err := a.Locked(ctx, personID)
	if err != nil {
		return fmt.Errorf("read lock: %w", err)
	}
	if locked {
		return denied(idp.ReasonLocked)
	}
	return nil
}

// asked is who asks for the login that the code's page waits for.
func (a *Attempts) asked(ctx context.Context, flow *idp.Flow, now time.Time) (*idp.Client, error) {
	if flow == nil || !now.Before(flow.EndsAt) || len(flow.Browser) == 0 {
		return nil, denied(ReasonCodeOver)
	}
	if flow.Ask.ClientID == "" {
		return &idp.Client{}, nil
	}
	client, err := a.Client(ctx, flow.Ask.ClientID)
	if errors.Is(err, idp.ErrNotFound) || err == nil && client.Disabled {
		return nil, denied(ReasonCodeOver)
	}
	if err != nil {
		return nil, fmt.Errorf("read client: %w", err)
	}
	return client, nil
}

func (a *Attempts) scanRefused(ctx context.Context, t *Attempt, err error) error {
	reason := ReasonScanLimit
	switch {
	case errors.Is(err, idp.ErrUsed):
		reason = ReasonAttemptTaken
	case !errors.Is(err, idp.ErrConflict):
		return fmt.Errorf("scan: %w", err)
	}
	if err := a.Store.Record(ctx, a.event(ctx, "phone.scan", string(reason), t)); err != nil {
		return fmt.Errorf("record scan: %w", err)
	}
	return denied(reason)
}

func scanned(t *Attempt, dev *Device, person *idp.Person, secrets *Secrets, flow *idp.Flow, client *idp.Client) (*Scanned, error) {
	s := &Scanned{
		Attempt: b64(t.ID), ClientID: t.ClientID, ClientName: client.Name, ClientEN: client.NameEN,
		Agency: person.Agency.Name, Browser: t.PC.Browser, System: t.PC.System, Network: t.PC.Network,
		Started: flow.CreatedAt.UnixMilli(), Nonce: b64(t.Nonce), Ends: t.EndsAt.UnixMilli(), Presence: dev.Presence,
	}
	if dev.Presence == PresenceWebAuthn {
		c, err := decodeCredential(secrets.Credential, dev.SignCount)
		if err != nil {
			return nil, err
		}
		s.Credential = b64(c.ID)
	}
	return s, nil
}

// event is what happened in an attempt.
func (a *Attempts) event(ctx context.Context, kind, result string, t *Attempt) idp.Event {
	e := event(ctx, a.Now(), kind, result, Who{})
	e.PersonID, e.ClientID = t.PersonID, t.ClientID
	e.Detail = "device " + t.DeviceID + " attempt " + b64(t.ID)
	return e
}
