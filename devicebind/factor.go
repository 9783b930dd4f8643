package devicebind

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
)

var errNotYet = errors.New("not yet")

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
func (f *Factors) Check(ctx context.Context, who Who) error { return errNotYet }
