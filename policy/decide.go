package policy

import (
	"slices"
	"time"

	idp "taipeion.internal/idp"
)

// Have is what we hold when the question is put.
type Have struct {
	Session   *idp.Session // nil: nobody is logged in
	Person    *idp.Person  // the session's person, as they are now
	Consent   []string     // the scopes this person allowed this client
	Selected  bool         // the account was chosen in this flow
	Consented bool         // consent was given in this flow
	Declined  bool         // a voluntary step-up was declined in this flow
	Cancelled bool         // the person said no
}

// Outcome is the kind of a decision.
type Outcome int

// The outcomes. Deny is the zero value: what nobody decided is denied.
const (
	Deny Outcome = iota
	Need
	Grant
)

// Step is what a person has to do next.
type Step string

// The steps.
const (
	StepLogin   Step = "login"   // prove who you are
	StepLevel   Step = "level"   // prove it more strongly
	StepSelect  Step = "select"  // choose the account
	StepConsent Step = "consent" // allow the client
)

// OAuth 2.0 and OpenID Connect error codes of a denial (RFC 6749 section
// 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6).
const (
	ErrorAccessDenied    = "access_denied"
	ErrorLoginRequired   = "login_required"
	ErrorSelectRequired  = "account_selection_required"
	ErrorConsentRequired = "consent_required"
)

// Decision is the answer to one question at one time.
type Decision struct {
	Outcome    Outcome
	Step       Step      // Need: what is missing
	Level      idp.Level // Need: the level to reach
	CanDecline bool      // Need: the level is a wish only
	Error      string    // Deny: the error code
	ACR        idp.Level // Grant: the level proved
	AMR        []string  // Grant: how (RFC 8176)
	AuthTime   time.Time // Grant: when the proof of that level was given
}

// Decide answers whether a login may be granted now, or what is missing.
//
// Only evidence that is fresh enough for the question counts, for the level as
// well as for the time: an old card never lends its level to a new password.
func Decide(ask idp.Ask, have Have, now time.Time) Decision {
	d := decide(ask, have, now)
	if d.Outcome == Need && ask.PromptNone {
		// OpenID Connect Core 1.0 section 3.1.2.1: no page may be shown.
		return Decision{Outcome: Deny, Error: silentError(d.Step)}
	}
	return d
}

func silentError(s Step) string {
	switch s {
	case StepSelect:
		return ErrorSelectRequired
	case StepConsent:
		return ErrorConsentRequired
	default:
		return ErrorLoginRequired
	}
}

func decide(ask idp.Ask, have Have, now time.Time) Decision {
	if have.Cancelled {
		return Decision{Outcome: Deny, Error: ErrorAccessDenied}
	}
	need, wish := requiredLevel(ask), wishedLevel(ask, have)
	login := Decision{Outcome: Need, Step: StepLogin, Level: max(need, wish), CanDecline: wish > need}
	if have.Session == nil || have.Person == nil || have.Person.State != idp.PersonEnabled ||
		have.Person.ID != have.Session.PersonID {
		return login
	}
	inFlow := slices.ContainsFunc(have.Session.Evidence, func(e idp.Evidence) bool { return !e.At.Before(ask.At) })
	if ask.Subject != "" && ask.Subject != have.Person.Subject ||
		len(ask.Subjects) > 0 && !slices.Contains(ask.Subjects, have.Person.Subject) {
		if inFlow {
			// Core section 3.1.2.2: somebody else logged in as the result of this request.
			return Decision{Outcome: Deny, Error: ErrorLoginRequired}
		}
		return login
	}
	if ask.PromptSelect && !have.Selected && !inFlow {
		return Decision{Outcome: Need, Step: StepSelect}
	}
	proved := prove(usable(ask, have.Session.Evidence, now))
	if proved.AuthTime.After(now) {
		proved.AuthTime = now // seen by a node ahead: no token says that it was later than now
	}
	switch {
	case proved.ACR == idp.LevelNone:
		return login
	case proved.ACR < need:
		return Decision{Outcome: Need, Step: StepLevel, Level: max(need, wish), CanDecline: false}
	case proved.ACR < wish:
		return Decision{Outcome: Need, Step: StepLevel, Level: wish, CanDecline: true}
	case !consented(ask, have):
		return Decision{Outcome: Need, Step: StepConsent}
	}
	return proved
}

// requiredLevel is the level without which nothing is granted.
func requiredLevel(ask idp.Ask) idp.Level {
	need := max(ask.MinLevel, idp.LevelPassword)
	if len(ask.Essential) > 0 {
		need = max(need, slices.Min(ask.Essential))
	}
	return need
}

// wishedLevel is the level that acr_values ask for, which the person may
// decline (OpenID Connect Core 1.0 section 3.1.2.1: a voluntary claim).
func wishedLevel(ask idp.Ask, have Have) idp.Level {
	if len(ask.Voluntary) == 0 || have.Declined || ask.PromptNone {
		return idp.LevelNone
	}
	return slices.Min(ask.Voluntary)
}

// usable leaves the evidence that is fresh enough, of the right kind, and not
// from the future; a node that is ahead may have seen it, by Skew at most.
func usable(ask idp.Ask, evidence []idp.Evidence, now time.Time) []idp.Evidence {
	var out []idp.Evidence
	for _, e := range evidence {
		if ask.Method != "" && e.Method != ask.Method {
			continue
		}
		if e.At.After(now.Add(Skew)) || !counts(e) {
			continue
		}
		if fresh(ask, e, now) {
			out = append(out, e)
		}
	}
	return out
}

func fresh(ask idp.Ask, e idp.Evidence, now time.Time) bool {
	if !e.At.Before(ask.At) {
		return true // given in answer to this very request
	}
	if ask.PromptLogin {
		return false
	}
	if ask.MaxAge == nil {
		return true
	}
	return *ask.MaxAge > 0 && now.Sub(e.At) <= time.Duration(*ask.MaxAge)*time.Second
}

// prove finds the highest level that the evidence carries, when that level was
// reached, and all the methods in it (RFC 8176 section 2).
func prove(evidence []idp.Evidence) Decision {
	at := map[idp.Method]time.Time{}
	for _, e := range evidence {
		if e.At.After(at[e.Method]) {
			at[e.Method] = e.At
		}
	}
	d := Decision{Outcome: Grant}
	reach := func(l idp.Level, t time.Time) {
		if l > d.ACR || l == d.ACR && t.After(d.AuthTime) {
			d.ACR, d.AuthTime = l, t
		}
	}
	password, hasPassword := at[idp.MethodPassword]
	code, hasCode := at[idp.MethodOTP]
	if hasPassword {
		reach(idp.LevelPassword, password)
		d.AMR = append(d.AMR, "pwd")
	}
	if hasPassword && hasCode {
		reach(idp.LevelTwo, latest(password, code))
		d.AMR = append(d.AMR, "otp")
	}
	for _, m := range []idp.Method{idp.MethodPhone, idp.MethodPasskey} {
		if t, ok := at[m]; ok {
			reach(idp.LevelTwo, t)
			d.AMR = append(d.AMR, "hwk", "user")
		}
	}
	if t, ok := at[idp.MethodCard]; ok {
		reach(idp.LevelCard, t)
		d.AMR = append(d.AMR, "sc", "pin")
	}
	if d.ACR >= idp.LevelTwo {
		d.AMR = append(d.AMR, "mfa")
	}
	slices.Sort(d.AMR)
	d.AMR = slices.Compact(d.AMR)
	return d
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// consented tells whether no consent page is needed. What is remembered belongs
// to this person: a mark in the flow alone, which another person may have made
// in the same browser, is never enough.
func consented(ask idp.Ask, have Have) bool {
	if ask.FirstParty || ask.ClientID == "" {
		return true
	}
	if ask.PromptConsent && !have.Consented {
		return false
	}
	if have.Consent == nil {
		return false
	}
	for _, s := range ask.Scopes {
		if !slices.Contains(have.Consent, s) {
			return false
		}
	}
	return true
}
