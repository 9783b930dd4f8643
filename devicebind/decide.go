package devicebind

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// Decide takes the verdict, by one conditional statement: approved only if the
// number is the PC's, else burnt (ReasonNumberWrong). Denying needs no presence.
// idp.Denied: ReasonPhoneUnusable, ReasonPhoneProof, ReasonPhoneClock,
// ReasonPINWrong, ReasonPINBlocked, ReasonAttemptOver, ReasonNumberWrong,
// idp.ReasonLocked.
func (a *Attempts) Decide(ctx context.Context, d DecideRequest) error {
	if d.Verdict == VerdictReport {
		_, err := a.Report(ctx, d)
		return err
	}
	id, ok := d.attempt()
	if !ok {
		return denied(ReasonAttemptOver)
	}
	t, dev, person, err := a.Store.AttemptOn(ctx, AttemptKey{ID: id, DeviceID: d.DeviceID})
	if errors.Is(err, idp.ErrNotFound) {
		return a.missing(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("read attempt: %w", err)
	}
	message := ApprovalBytes(a.Origin, b64(t.Nonce), d)
	secrets, err := a.prover().check(ctx, dev, message, d.Signature)
	if err != nil {
		return err
	}
	now := a.Now()
	switch {
	case t.DeviceID != dev.ID || d.ClientID != t.ClientID:
		return denied(ReasonPhoneProof)
	case !onTime(d.Time, now):
		return denied(ReasonPhoneClock)
	case t.StateAt(now) != AttemptScanned:
		return denied(ReasonAttemptOver)
	}
	switch d.Verdict {
	case VerdictApprove:
		if err := a.usable(ctx, dev, now); err != nil {
			return err
		}
		signCount, err := a.attendant().present(ctx, dev, secrets, message, Shown{d.PIN, d.WebAuthn})
		if err != nil {
			return a.absent(ctx, t, dev, person, err)
		}
		return a.inTime(ctx, dev, a.approve(ctx, t, d.Number, signCount))
	case VerdictDeny:
		return a.settle(ctx, t, AttemptDenied, 0, a.event(ctx, "phone.deny", "ok", t))
	}
	return denied(ReasonPhoneProof)
}

// missing tells which is not there: the attempt, or else the device.
func (a *Attempts) missing(ctx context.Context, id []byte) error {
	_, err := a.Store.Attempt(ctx, id)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return denied(ReasonAttemptOver)
	case err != nil:
		return fmt.Errorf("read attempt: %w", err)
	}
	return denied(ReasonPhoneUnusable)
}

// attempt is the ID of the attempt that is decided.
func (d *DecideRequest) attempt() (id []byte, ok bool) {
	id, err := unb64(d.Attempt, idSize)
	return id, err == nil && oneLine(d.DeviceID, d.ClientID, d.Number) && len(d.Number) <= 8
}

// absent puts on record that presence was not proved.
func (a *Attempts) absent(ctx context.Context, t *Attempt, dev *Device, person *idp.Person, why error) error {
	var no idp.Denied
	if !errors.As(why, &no) {
		return why
	}
	ev := a.event(ctx, "phone.approve", string(no.Reason), t)
	if err := a.Store.Record(ctx, ev); err != nil {
		return fmt.Errorf("record approval: %w", err)
	}
	if no.Reason == ReasonPINBlocked && a.Logger != nil {
		a.Logger.WarnContext(ctx, "wrong PINs suspend a device", "device", dev.ID, "person", person.Subject)
	}
	return why
}

func (a *Attempts) approve(ctx context.Context, t *Attempt, number string, signCount uint32) error {
	to, result := AttemptApproved, "ok"
	if subtle.ConstantTimeCompare([]byte(asciiDigits(number)), []byte(a.Keeper.attemptNumber(t))) != 1 {
		to, result = AttemptBurnt, string(ReasonNumberWrong)
	}
	if err := a.settle(ctx, t, to, signCount, a.event(ctx, "phone.approve", result, t)); err != nil {
		return err
	}
	if to == AttemptBurnt {
		return denied(ReasonNumberWrong)
	}
	return nil
}

// inTime takes the count of a right PIN back where the approval came too late:
// nobody shall lose a phone by being slow.
func (a *Attempts) inTime(ctx context.Context, dev *Device, err error) error {
	var no idp.Denied
	if dev.Presence != PresencePIN || !errors.As(err, &no) || no.Reason != ReasonAttemptOver {
		return err
	}
	return errors.Join(err, a.Devices.ReturnPIN(context.WithoutCancel(ctx), dev.ID))
}

func (a *Attempts) settle(ctx context.Context, t *Attempt, to AttemptState, signCount uint32, ev idp.Event) error {
	err := a.Store.DecideAttempt(ctx, t.ID, t.DeviceID, to, signCount, a.Now(), ev)
	if errors.Is(err, idp.ErrUsed) {
		return denied(ReasonAttemptOver)
	}
	if err != nil {
		return fmt.Errorf("decide attempt: %w", err)
	}
	a.Notifier.Wake(t.Browser)
	return nil
}

// Look tells the flow's own browser how its login stands; one without an
// attempt is AttemptNew. The page waits with Notifier.Wait(browser) between two
// looks.
func (a *Attempts) Look(ctx context.Context, flow, browser []byte) (*View, error) {
	t, err := a.ofBrowser(ctx, browser)
	if err != nil {
		return nil, err
	}
	return a.View(t, flow), nil
}

// View is Look at the browser's attempt, nil if there is none.
func (a *Attempts) View(t *Attempt, flow []byte) *View {
	v := &View{State: AttemptNew}
	if t == nil {
		return v
	}
	if t.State != AttemptScanned && t.State != AttemptApproved {
		v.Closed = t.ChangedAt
	}
	if subtle.ConstantTimeCompare(t.Flow, flow) != 1 {
		return v
	}
	v.State, v.EndsAt = t.StateAt(a.Now()), t.EndsAt
	if v.State == AttemptScanned {
		v.Number = a.Keeper.attemptNumber(t)
	}
	return v
}

// ofBrowser is the browser's attempt; nil if there is none.
func (a *Attempts) ofBrowser(ctx context.Context, browser []byte) (*Attempt, error) {
	if len(browser) == 0 {
		return nil, nil
	}
	t, err := a.Store.BrowserAttempt(ctx, browser)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read attempt: %w", err)
	}
	return t, nil
}

// mine is the browser's attempt if it is that flow's; nil if there is none.
func (a *Attempts) mine(ctx context.Context, flow, browser []byte) (*Attempt, error) {
	t, err := a.ofBrowser(ctx, browser)
	if err != nil || t == nil || subtle.ConstantTimeCompare(t.Flow, flow) != 1 {
		return nil, err
	}
	return t, nil
}

// Approved is the approval of that flow and browser, which a session may use up
// now: person, card and device are in order. The session asks again, in the
// transaction that keeps it, and Settle is told how that ended.
// idp.Denied{ReasonAttemptOver}, {ReasonPhoneUnusable} or {idp.ReasonLocked}.
func (a *Attempts) Approved(ctx context.Context, flow, browser []byte) (*Used, error) {
	t, dev, _, err := a.Store.AttemptOn(ctx, AttemptKey{Browser: browser})
	if errors.Is(err, idp.ErrNotFound) {
		return nil, denied(ReasonAttemptOver)
	}
	if err != nil {
		return nil, fmt.Errorf("read attempt: %w", err)
	}
	used, err := a.ApprovedBy(ctx, t, flow)
	if err == nil && dev.Standing(a.Now()) != StandingActive {
		return nil, a.unusable(ctx, t, denied(ReasonPhoneUnusable))
	}
	return used, err
}

// ApprovedBy is Approved for the browser's attempt as it was read just now, nil
// for none. Whether phone, person and card are in order the session alone asks,
// in the transaction that keeps it.
func (a *Attempts) ApprovedBy(ctx context.Context, t *Attempt, flow []byte) (*Used, error) {
	if t == nil || subtle.ConstantTimeCompare(t.Flow, flow) != 1 || t.StateAt(a.Now()) != AttemptApproved {
		return nil, denied(ReasonAttemptOver)
	}
	if err := a.unlocked(ctx, t.PersonID); err != nil {
		return nil, a.unusable(ctx, t, err)
	}
	return &Used{
		PersonID: t.PersonID, DeviceID: t.DeviceID, Attempt: b64(t.ID), ClientID: t.ClientID, At: t.ChangedAt, PC: t.PC,
		Event: a.event(ctx, "login.phone", "ok", t),
	}, nil
}

// Settle is told how the session ended that was to use the approval up; nil is
// that it did. idp.ErrUsed becomes the reason: see Approved.
func (a *Attempts) Settle(ctx context.Context, flow, browser []byte, outcome error) error {
	switch {
	case outcome == nil:
		a.Notifier.Wake(browser)
	case errors.Is(outcome, idp.ErrUsed):
		return a.useRefused(ctx, flow, browser, a.Now())
	}
	return outcome
}

// Use takes the approval of that flow and browser for no session, by one
// conditional statement that asks again whether person, card and device are in
// order. Its refusals are those of Approved.
func (a *Attempts) Use(ctx context.Context, flow, browser []byte) (*Used, error) {
	used, err := a.Approved(ctx, flow, browser)
	if err != nil {
		return nil, err
	}
	_, err = a.Store.UseAttempt(ctx, flow, browser, a.Now())
	return used, a.Settle(ctx, flow, browser, err)
}

// unusable puts an approval that may not be used on record.
func (a *Attempts) unusable(ctx context.Context, t *Attempt, why error) error {
	var no idp.Denied
	if !errors.As(why, &no) {
		return why
	}
	if err := a.Store.Record(ctx, a.event(ctx, "login.phone", string(no.Reason), t)); err != nil {
		return fmt.Errorf("record login: %w", err)
	}
	return why
}

// useRefused tells an approval that is still there, whose device is in order no
// more, from one that is gone.
func (a *Attempts) useRefused(ctx context.Context, flow, browser []byte, now time.Time) error {
	t, err := a.mine(ctx, flow, browser)
	if err != nil {
		return err
	}
	if t != nil && t.StateAt(now) == AttemptApproved {
		return a.unusable(ctx, t, denied(ReasonPhoneUnusable))
	}
	return denied(ReasonAttemptOver)
}
