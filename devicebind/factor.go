package devicebind

import (
	"context"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
)

// Who is a logged-in person who does something in a session.
type Who struct {
	Person  *idp.Person
	Session *idp.Session
}

// Notice is something that a person is told by mail.
type Notice struct {
	Kind   string // the event's kind: "phone.bind", "phone.revoke", "otp.bind", "passkey.add", ...
	Person *idp.Person
	Name   string // of the device or passkey
	At     time.Time
}

// Factors is what every act that adds or removes a factor has in common.
type Factors struct {
	Store   FactorStore
	Fresh   time.Duration                   // how old the strongest login may be; 5 minutes if 0
	Letters func(n Notice) []outbox.Message // the mail for a notice, in words; nil: none
	Now     func() time.Time
}

// Strongest is the level of the strongest login that the person has the means
// for: what Check will ask for.
func (f *Factors) Strongest(ctx context.Context, personID string) (idp.Level, error) {
	return f.Store.StrongestFactor(ctx, personID, f.Now())
}

// Check refuses a session whose login of the person's strongest kind is too
// old: idp.Denied{ReasonFactorFresh}. The page then asks for a new login:
// idp.Ask{Essential: {Strongest}, MaxAge: 0}.
func (f *Factors) Check(ctx context.Context, who Who) error {
	need, err := f.Strongest(ctx, who.Person.ID)
	if err != nil {
		return fmt.Errorf("read factors: %w", err)
	}
	fresh := f.Fresh
	if fresh <= 0 {
		fresh = 5 * time.Minute
	}
	age := int64(fresh / time.Second)
	now := f.Now()
	// The question is the policy's: a login of that level, not older than that.
	ask := idp.Ask{Essential: []idp.Level{need}, MaxAge: &age, PromptNone: true, At: now.Add(time.Nanosecond)}
	d := policy.Decide(ask, policy.Have{Session: who.Session, Person: who.Person}, now)
	if d.Outcome != policy.Grant {
		return denied(ReasonFactorFresh)
	}
	return nil
}

// told is the event and the mail about an act of the person, in the session that
// the event names, or of somebody else for them.
func (f *Factors) told(n Notice, ev idp.Event) With {
	w := With{Events: []idp.Event{ev}, Session: ev.SessionID}
	if f.Letters != nil && n.Person != nil {
		w.Mail = f.Letters(n)
	}
	return w
}
