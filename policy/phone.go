package policy

import (
	"slices"
	"time"

	idp "taipeion.internal/idp"
)

// The times of the city's rules for phones, codes and passkeys.
const (
	BindFresh   = 10 * time.Minute // how old the card login may be that opens the binding of a phone
	FactorFresh = 5 * time.Minute  // how old the strongest login may be that changes a factor
)

// Place is where somebody logs in.
type Place struct {
	City  bool // a computer on the city's own network
	Known bool // a browser in which this person proved level two before
}

// PhoneAlone tells whether the approval of a QR code is enough by itself. A
// number that is typed does not stop a relay that is played live: the victim
// types what the attacker's page shows. So the computer must be where no
// attacker from outside can sit, or be one that this person used before; else
// the card or a passkey is asked for, which no relay can pass on
// (RFC 10027 section 6.1: trusted networks, trusted devices, FIDO).
func PhoneAlone(p Place) bool { return p.City || p.Known }

// counts tells whether a piece of evidence proves anything. A phone's approval
// from a place where it is not enough proves nothing at all, not even a lower
// level: it may be the attacker who holds the session.
func counts(e idp.Evidence) bool { return e.Method != idp.MethodPhone || e.Near }

// WantsCode tells whether a one-time code has to follow the password: who works
// from elsewhere and has bound one is asked for it.
func WantsCode(p Place, bound bool) bool { return bound && !p.City }

// MakesKnown tells whether a login makes its browser one that the person used
// before: by a card, a passkey, or a phone from where it is enough. A password
// does not, with a one-time code or without: both can be relayed as a QR code
// can, and would prepare a browser for that.
func MakesKnown(evidence []idp.Evidence, now time.Time) bool {
	return slices.ContainsFunc(usable(idp.Ask{}, evidence, now), func(e idp.Evidence) bool {
		return e.Method == idp.MethodCard || e.Method == idp.MethodPasskey || e.Method == idp.MethodPhone
	})
}

// BindRule says what opens the binding of a phone.
type BindRule struct {
	Fresh time.Duration // how old the login may be; BindFresh if 0
	Lax   bool          // the password with a one-time code does too, for agencies without readers
}

// MayBindPhone tells whether the evidence opens the binding of a phone: the
// card, a short while ago, which is returned; by a lax rule also the password
// and a one-time code, both as fresh.
func MayBindPhone(evidence []idp.Evidence, rule BindRule, now time.Time) (card string, ok bool) {
	if rule.Fresh <= 0 {
		rule.Fresh = BindFresh
	}
	has := map[idp.Method]idp.Evidence{}
	for _, e := range evidence {
		if age := now.Sub(e.At); age >= -Skew && age <= rule.Fresh {
			has[e.Method] = e
		}
	}
	if c := has[idp.MethodCard]; c.Card != "" {
		return c.Card, true
	}
	_, password := has[idp.MethodPassword]
	_, code := has[idp.MethodOTP]
	return "", rule.Lax && password && code
}

// FactorAsk is the question that a session must satisfy before a factor is
// added or removed: the strongest login this person has, a few minutes old at
// most (ASVS 5.0 section 7.5.1).
func FactorAsk(strongest idp.Level, at time.Time) idp.Ask {
	age := int64(FactorFresh / time.Second)
	return idp.Ask{MinLevel: strongest, MaxAge: &age, At: at}
}

// FactorPlace tells whether factors may be changed from there. Who has nothing
// but a password adds the first factor from the city's network, so that a
// stolen password does not become a stolen identity.
func FactorPlace(strongest idp.Level, p Place) bool { return p.City || strongest > idp.LevelPassword }
