package devicebind

import (
	"context"
	"errors"
	"fmt"
	"strings"

	idp "taipeion.internal/idp"
)

// Ended is what "this was not me" ended.
type Ended string

// What it can be.
const (
	EndedLogin   Ended = "login"   // nobody has got in by it, and nobody can
	EndedSession Ended = "session" // somebody was logged in by it, and is no more
	EndedNothing Ended = "nothing" // somebody may have been, but nothing of it was open any more
)

const (
	attemptNonce = 32
	maxClientID  = 256
)

// Reported names a login that its person says was not theirs.
type Reported struct {
	Attempt  []byte
	Act      string // the same, as sessions know it: idp.Evidence.Act
	DeviceID string
	PersonID string
	Used     bool // somebody was logged in by it
}

// Reporting is what a report found and ended.
type Reporting struct {
	Sessions int      // ended
	Known    bool     // there is or was a session that it opened
	Alarm    bool     // something was ended, and the event kept
	Added    []string // what had been added in its sessions: kinds of events, with what
}

// Note is the end of the alarm's detail.
func (r Reporting) Note() string {
	note := fmt.Sprintf(", sessions ended: %d", r.Sessions)
	if len(r.Added) > 0 {
		note += "; added meanwhile: " + strings.Join(r.Added, ", ")
	}
	return note
}

// resultUnknown is that of a report which names nothing that ever was.
const resultUnknown = "unknown"

// Report takes "this was not me", at any time: while the login waits, after it
// was approved, used or over, and from a phone that may not log in any more. It
// ends the attempt and what it opened, and is an alarm on record.
// idp.Denied: ReasonPhoneUnusable, ReasonPhoneProof, ReasonPhoneClock,
// ReasonAttemptOver (not an attempt at all).
func (a *Attempts) Report(ctx context.Context, d DecideRequest) (Ended, error) {
	id, ok := d.attempt()
	if !ok || d.Verdict != VerdictReport || len(d.ClientID) > maxClientID {
		return "", denied(ReasonAttemptOver)
	}
	t, err := a.Store.Attempt(ctx, id)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return "", fmt.Errorf("read attempt: %w", err)
	}
	known := err == nil
	if !known {
		// Attempts are not kept for long; the phone still knows what it was shown.
		nonce, err := unb64(d.Nonce, attemptNonce)
		if err != nil {
			return "", denied(ReasonAttemptOver)
		}
		t = &Attempt{ID: id, Nonce: nonce, DeviceID: d.DeviceID, ClientID: d.ClientID}
	}
	dev, person, _, err := a.prover().device(ctx, d.DeviceID, ApprovalBytes(a.Origin, b64(t.Nonce), d), d.Signature)
	if err != nil {
		return "", err
	}
	switch {
	case t.DeviceID != dev.ID || t.ClientID != d.ClientID:
		return "", denied(ReasonPhoneProof)
	case !onTime(d.Time, a.Now()):
		return "", denied(ReasonPhoneClock)
	}
	t.PersonID = dev.PersonID
	// Of what is not known any more an alarm is only what has, or had, a session: who
	// has a phone that was found or put away could raise one after the other.
	return a.report(ctx, t, known, person)
}

func (a *Attempts) report(ctx context.Context, t *Attempt, known bool, person *idp.Person) (Ended, error) {
	what := Reported{Attempt: t.ID, Act: b64(t.ID), DeviceID: t.DeviceID, PersonID: t.PersonID, Used: t.State == AttemptUsed}
	ev := a.event(ctx, "phone.report", "alarm", t)
	if known {
		ev.Detail += fmt.Sprintf(", %s, shown to %s on %s in network %s", t.State, orUnknown(t.PC.Browser), orUnknown(t.PC.System), t.PC.Network)
	}
	done, err := a.Store.ReportAttempt(ctx, what, a.Now(), ev)
	if err == nil && !done.Alarm {
		ev.Detail += done.Note()
		if !known && !done.Known {
			ev.Result = resultUnknown
		}
		err = a.Store.Record(ctx, ev)
	}
	if err != nil {
		return "", fmt.Errorf("report attempt: %w", err)
	}
	if a.Logger != nil && ev.Result != resultUnknown {
		a.Logger.WarnContext(ctx, "a person reports a QR login that was not theirs", "attempt", what.Act, "client", t.ClientID,
			"person", person.Subject, "sessions_ended", done.Sessions, "added", done.Added)
	}
	if known {
		a.Notifier.Wake(t.Browser)
	}
	switch {
	case done.Sessions > 0:
		return EndedSession, nil
	case known && t.State != AttemptUsed:
		return EndedLogin, nil
	}
	return EndedNothing, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown one"
	}
	return s
}
