package devicebind

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// May tells what is missing for Begin: idp.Denied{idp.ReasonOutside} or
// {ReasonEnrolFresh} (ask for a card login); nil: nothing.
func (e *Enroller) May(ctx context.Context, who Who) error {
	if !e.Rules.AnyPlace && !idp.OriginFrom(ctx).City {
		return denied(idp.ReasonOutside)
	}
	card, ok := e.evidence(who.Session)
	if ok && card == "" {
		// Without a card only those bind who have none.
		strongest, err := e.Factors.Strongest(ctx, who.Person.ID)
		if err != nil {
			return fmt.Errorf("read factors: %w", err)
		}
		ok = strongest < idp.LevelCard
	}
	if !ok {
		return denied(ReasonEnrolFresh)
	}
	return nil
}

// evidence is the login that vouches for a new phone: a card's, or, where the
// city allows it, a password's with a one-time code.
func (e *Enroller) evidence(s *idp.Session) (card string, ok bool) {
	return policy.MayBindPhone(s.Evidence, policy.BindRule{Fresh: e.Rules.CardFresh, Lax: e.Rules.AllowOTP}, e.Now())
}

// Begin starts an enrolment in the place of the session's older one. It refuses
// what May refuses.
func (e *Enroller) Begin(ctx context.Context, who Who) (*Started, error) {
	if err := e.May(ctx, who); err != nil {
		return nil, err
	}
	now := e.Now()
	card, _ := e.evidence(who.Session)
	age := e.Rules.DeviceAge
	if age <= 0 {
		age = 2 * 365 * 24 * time.Hour
	}
	n := &Enrolment{
		ID: make([]byte, idSize), PersonID: who.Person.ID, SessionID: who.Session.ID, CardID: card,
		NotAfter: now.Add(age), State: EnrolNew, CreatedAt: now, EndsAt: now.Add(EnrolLife),
	}
	rand.Read(n.ID)
	if card != "" {
		bound, err := e.card(ctx, who.Person.ID, card)
		if err != nil {
			return nil, err
		}
		n.Fingerprint = bound.Fingerprint
		if bound.NotAfter.Before(n.NotAfter) {
			n.NotAfter = bound.NotAfter
		}
	}
	if !now.Before(n.NotAfter) {
		return nil, denied(ReasonEnrolFresh)
	}
	ev := event(ctx, now, "phone.enrol", "ok", who)
	if err := e.Store.CreateEnrolment(ctx, n, With{Events: []idp.Event{ev}}); err != nil {
		return nil, fmt.Errorf("begin enrolment: %w", err)
	}
	return e.started(n), nil
}

// card is the person's bound card that was logged in with.
func (e *Enroller) card(ctx context.Context, personID, id string) (*idp.Card, error) {
	cards, err := e.Cards(ctx, personID)
	if err != nil {
		return nil, fmt.Errorf("read cards: %w", err)
	}
	for _, c := range cards {
		if c.ID == id {
			return &c, nil
		}
	}
	return nil, denied(ReasonEnrolFresh)
}

func (e *Enroller) started(n *Enrolment) *Started {
	s := &Started{ID: b64(n.ID), State: n.stateAt(e.Now()), EndsAt: n.EndsAt, Called: n.calledOff(e.Now())}
	switch s.State {
	case EnrolNew:
		s.Link = e.Origin + bindPath + s.ID + "#" + b64(e.Keeper.enrolSecret(n))
	case EnrolClaimed:
		s.Digits, s.Name = EnrolDigits(n.ID, n.Public), n.Name
	case EnrolDone:
		s.Name, s.Device = n.Name, s.ID
	}
	return s
}

const bindPath = "/phone/bind/"

// stateAt is the state with the time in it.
func (n *Enrolment) stateAt(now time.Time) EnrolState {
	if n.State != EnrolDone && !now.Before(n.EndsAt) {
		return EnrolOver
	}
	return n.State
}

// calledOff tells an enrolment that was cancelled from one that took too long or
// was tried too often.
func (n *Enrolment) calledOff(now time.Time) bool {
	return n.State == EnrolOver && now.Before(n.EndsAt) && n.Tries < MaxEnrolTries
}

// own finds an enrolment of the session, and of no other.
func (e *Enroller) own(ctx context.Context, who Who, id string) (*Enrolment, error) {
	raw, err := unb64(id, idSize)
	if err != nil {
		return nil, idp.ErrNotFound
	}
	n, _, err := e.Store.Enrolment(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("read enrolment: %w", err)
	}
	if n.SessionID != who.Session.ID || n.PersonID != who.Person.ID {
		return nil, idp.ErrNotFound
	}
	return n, nil
}

// Look shows an enrolment to its own session, and only to it: idp.ErrNotFound.
// The page waits with Notifier.Wait(EnrolKey(id)) between two looks.
func (e *Enroller) Look(ctx context.Context, who Who, id string) (*Started, error) {
	n, err := e.own(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return e.started(n), nil
}

// Confirm says that the digits are the same on both: the device is bound, with
// event and mail, by one conditional statement. Confirming again answers the
// same. idp.Denied{ReasonEnrolOver}.
func (e *Enroller) Confirm(ctx context.Context, who Who, id string) (*Device, error) {
	n, err := e.own(ctx, who, id)
	if err != nil {
		return nil, err
	}
	now := e.Now()
	switch n.stateAt(now) {
	case EnrolDone:
		return e.bound(ctx, n)
	case EnrolClaimed:
	default:
		return nil, denied(ReasonEnrolOver)
	}
	d := &Device{
		ID: b64(n.ID), PersonID: n.PersonID, CardID: n.CardID, Name: n.Name, Platform: n.Platform,
		Presence: n.Presence, Sealed: n.Sealed, SignCount: n.SignCount, BoundAt: now, NotAfter: n.NotAfter,
	}
	public, err := parsePublic(n.Public)
	if err != nil {
		return nil, fmt.Errorf("enrolment %s: %w", d.ID, err)
	}
	d.Certificate, d.NotAfter, err = e.CA.Issue(public, d.ID, now, n.NotAfter)
	if err != nil {
		return nil, fmt.Errorf("issue device certificate: %w", err)
	}
	ev := event(ctx, now, "phone.bind", "ok", who)
	ev.Detail = "device " + d.ID + " present by " + string(d.Presence)
	with := e.Factors.told(Notice{Kind: ev.Kind, Person: who.Person, Name: d.Name, At: now}, ev)
	err = e.Store.FinishEnrolment(ctx, n.ID, who.Session.ID, d, now, with)
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, denied(ReasonFactorFresh)) {
		if again, err := e.own(ctx, who, id); err == nil && again.State == EnrolDone {
			return e.bound(ctx, again)
		}
		return nil, denied(ReasonEnrolOver)
	}
	if err != nil {
		return nil, fmt.Errorf("finish enrolment: %w", err)
	}
	e.Notifier.Wake(n.ID)
	return d, nil
}

func (e *Enroller) bound(ctx context.Context, n *Enrolment) (*Device, error) {
	d, _, err := e.Store.Device(ctx, b64(n.ID))
	if err != nil {
		return nil, fmt.Errorf("read device: %w", err)
	}
	return d, nil
}

// Cancel ends an enrolment that is not done: the digits differ, or no need.
func (e *Enroller) Cancel(ctx context.Context, who Who, id string) error {
	n, err := e.own(ctx, who, id)
	if err != nil {
		return err
	}
	return e.end(ctx, n, event(ctx, e.Now(), "phone.enrol", "cancelled", who))
}

// end calls an enrolment off; the other side hears of it.
func (e *Enroller) end(ctx context.Context, n *Enrolment, ev idp.Event) error {
	err := e.Store.CancelEnrolment(ctx, n.ID, n.SessionID, e.Now(), With{Events: []idp.Event{ev}})
	if errors.Is(err, idp.ErrUsed) {
		return denied(ReasonEnrolOver)
	}
	if err != nil {
		return fmt.Errorf("cancel enrolment: %w", err)
	}
	e.Notifier.Wake(n.ID)
	return nil
}

// EnrolKey is the Notifier's key of an enrolment; nil if the ID is not one.
func EnrolKey(id string) []byte {
	raw, err := unb64(id, idSize)
	if err != nil {
		return nil
	}
	return raw
}

// event is what happened in a request.
func event(ctx context.Context, now time.Time, kind, result string, who Who) idp.Event {
	o := idp.OriginFrom(ctx)
	e := idp.Event{At: now, Kind: kind, Result: result, RequestID: o.RequestID}
	if who.Person != nil {
		e.PersonID = who.Person.ID
	}
	if who.Session != nil {
		e.SessionID = who.Session.ID
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	return e
}
