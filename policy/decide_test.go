package policy_test

import (
	"slices"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func seconds(n int64) *int64 { return &n }

func proof(m idp.Method, at time.Time) idp.Evidence { return idp.Evidence{Method: m, At: at} }

func have(evidence ...idp.Evidence) policy.Have {
	return policy.Have{
		Session: &idp.Session{ID: "s", PersonID: "p", Evidence: evidence},
		Person:  &idp.Person{ID: "p", Subject: "sub", State: idp.PersonEnabled},
	}
}

func (c change) apply(h policy.Have) policy.Have {
	if c != nil {
		c(&h)
	}
	return h
}

type change func(*policy.Have)

func TestDecide(t *testing.T) {
	hour := proof(idp.MethodPassword, ago(time.Hour))
	fresh := proof(idp.MethodPassword, ago(0))
	card := proof(idp.MethodCard, ago(2*time.Hour))
	first := idp.Ask{ClientID: "c", FirstParty: true, At: now}
	with := func(f func(*idp.Ask)) idp.Ask { a := first; f(&a); return a }

	tests := []struct {
		name string
		ask  idp.Ask
		have policy.Have
		want policy.Decision
	}{
		{"nobody", first, policy.Have{}, policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"single sign-on", first, have(hour),
			policy.Decision{Outcome: policy.Grant, ACR: 1, AMR: []string{"pwd"}, AuthTime: ago(time.Hour)}},
		{"card", first, have(card),
			policy.Decision{Outcome: policy.Grant, ACR: 3, AMR: []string{"mfa", "pin", "sc"}, AuthTime: ago(2 * time.Hour)}},
		{"a level's time is that of its proof", first, have(fresh, card),
			policy.Decision{Outcome: policy.Grant, ACR: 3, AMR: []string{"mfa", "pin", "pwd", "sc"}, AuthTime: ago(2 * time.Hour)}},
		{"password and code", first, have(hour, proof(idp.MethodOTP, ago(time.Minute))),
			policy.Decision{Outcome: policy.Grant, ACR: 2, AMR: []string{"mfa", "otp", "pwd"}, AuthTime: ago(time.Minute)}},
		{"a code alone proves nothing", first, have(proof(idp.MethodOTP, ago(0))),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"evidence from the future", first, have(proof(idp.MethodCard, now.Add(policy.Skew+time.Millisecond))),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"least level", with(func(a *idp.Ask) { a.MinLevel = 3 }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLevel, Level: 3}},
		{"essential acr", with(func(a *idp.Ask) { a.Essential = []idp.Level{3, 2} }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLevel, Level: 2}},
		{"essential never lowers", with(func(a *idp.Ask) { a.MinLevel = 3; a.Essential = []idp.Level{1} }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLevel, Level: 3}},
		{"voluntary acr", with(func(a *idp.Ask) { a.Voluntary = []idp.Level{3} }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLevel, Level: 3, CanDecline: true}},
		{"prompt none never asks for a wish", with(func(a *idp.Ask) { a.Voluntary = []idp.Level{3}; a.PromptNone = true }), have(hour),
			policy.Decision{Outcome: policy.Grant, ACR: 1, AMR: []string{"pwd"}, AuthTime: ago(time.Hour)}},
		{"prompt none, nobody", with(func(a *idp.Ask) { a.PromptNone = true }), policy.Have{},
			policy.Decision{Outcome: policy.Deny, Error: "login_required"}},
		{"prompt none, too weak", with(func(a *idp.Ask) { a.PromptNone = true; a.MinLevel = 3 }), have(hour),
			policy.Decision{Outcome: policy.Deny, Error: "login_required"}},
		{"prompt login", with(func(a *idp.Ask) { a.PromptLogin = true }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"prompt login, done", with(func(a *idp.Ask) { a.PromptLogin = true; a.At = ago(time.Minute) }), have(fresh, card),
			policy.Decision{Outcome: policy.Grant, ACR: 1, AMR: []string{"pwd"}, AuthTime: ago(0)}},
		{"max_age met", with(func(a *idp.Ask) { a.MaxAge = seconds(3600) }), have(hour),
			policy.Decision{Outcome: policy.Grant, ACR: 1, AMR: []string{"pwd"}, AuthTime: ago(time.Hour)}},
		{"max_age passed", with(func(a *idp.Ask) { a.MaxAge = seconds(3599) }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"max_age zero", with(func(a *idp.Ask) { a.MaxAge = seconds(0) }), have(proof(idp.MethodCard, now.Add(-time.Microsecond))),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"max_age: an old card lends nothing", with(func(a *idp.Ask) { a.MaxAge = seconds(60); a.MinLevel = 3 }), have(fresh, card),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLevel, Level: 3}},
		{"another person's hint", with(func(a *idp.Ask) { a.Subject = "other" }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"another person logged in for it", with(func(a *idp.Ask) { a.Subject = "other"; a.At = ago(time.Minute) }), have(fresh),
			policy.Decision{Outcome: policy.Deny, Error: "login_required"}},
		{"nobody of those asked for", with(func(a *idp.Ask) { a.Subjects = []string{"one", "other"} }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"nobody of them logged in", with(func(a *idp.Ask) { a.Subjects = []string{"one", "other"}; a.At = ago(time.Minute) }), have(fresh),
			policy.Decision{Outcome: policy.Deny, Error: "login_required"}},
		{"one of those asked for", with(func(a *idp.Ask) { a.Subjects = []string{"other", "sub"} }), have(hour),
			policy.Decision{Outcome: policy.Grant, ACR: 1, AMR: []string{"pwd"}, AuthTime: ago(time.Hour)}},
		{"select", with(func(a *idp.Ask) { a.PromptSelect = true }), have(hour),
			policy.Decision{Outcome: policy.Need, Step: policy.StepSelect}},
		{"select, none", with(func(a *idp.Ask) { a.PromptSelect = true; a.PromptNone = true }), have(hour),
			policy.Decision{Outcome: policy.Deny, Error: "account_selection_required"}},
		{"only the password will do", with(func(a *idp.Ask) { a.Method = idp.MethodPassword }), have(card),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"disabled", first, change(func(h *policy.Have) { h.Person.State = idp.PersonDisabled }).apply(have(hour)),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"the session is another's", first, change(func(h *policy.Have) { h.Person.ID = "q" }).apply(have(hour)),
			policy.Decision{Outcome: policy.Need, Step: policy.StepLogin, Level: 1}},
		{"cancelled", first, change(func(h *policy.Have) { h.Cancelled = true }).apply(have(hour)),
			policy.Decision{Outcome: policy.Deny, Error: "access_denied"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := policy.Decide(tt.ask, tt.have, now)
			if got.Outcome != tt.want.Outcome || got.Step != tt.want.Step || got.Level != tt.want.Level ||
				got.CanDecline != tt.want.CanDecline || got.Error != tt.want.Error || got.ACR != tt.want.ACR ||
				!slices.Equal(got.AMR, tt.want.AMR) || !got.AuthTime.Equal(tt.want.AuthTime) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecideConsent(t *testing.T) {
	ask := idp.Ask{ClientID: "c", Scopes: []string{"openid", "profile"}, At: now}
	h := have(proof(idp.MethodPassword, ago(time.Minute)))
	step := func(ask idp.Ask, h policy.Have) policy.Step { return policy.Decide(ask, h, now).Step }

	if got := step(ask, h); got != policy.StepConsent {
		t.Errorf("never allowed: %q", got)
	}
	h.Consent = []string{"openid"}
	if got := step(ask, h); got != policy.StepConsent {
		t.Errorf("less was allowed: %q", got)
	}
	h.Consented = true
	if got := step(ask, h); got != policy.StepConsent {
		t.Errorf("a mark of the flow alone, perhaps of another person: %q", got)
	}
	h.Consent, h.Consented = []string{"openid", "profile", "email"}, false
	if d := policy.Decide(ask, h, now); d.Outcome != policy.Grant {
		t.Errorf("remembered: %+v", d)
	}
	ask.PromptConsent = true
	if got := step(ask, h); got != policy.StepConsent {
		t.Errorf("prompt=consent: %q", got)
	}
	h.Consented = true
	if d := policy.Decide(ask, h, now); d.Outcome != policy.Grant {
		t.Errorf("asked again and given: %+v", d)
	}
}

// TestDecideMoreEvidenceNeverHurts holds the promise of the package comment for
// every question and every set of evidence from a small world.
func TestDecideMoreEvidenceNeverHurts(t *testing.T) {
	pool := []idp.Evidence{
		proof(idp.MethodPassword, ago(3*time.Hour)), proof(idp.MethodPassword, ago(0)), proof(idp.MethodOTP, ago(time.Minute)),
		proof(idp.MethodPhone, ago(time.Hour)), proof(idp.MethodCard, ago(2*time.Hour)),
	}
	var asks []idp.Ask
	for _, level := range []idp.Level{0, 1, 2, 3} {
		for _, age := range []*int64{nil, seconds(0), seconds(90), seconds(7200)} {
			for _, login := range []bool{false, true} {
				asks = append(asks, idp.Ask{ClientID: "c", FirstParty: true, MinLevel: level, MaxAge: age, PromptLogin: login, At: ago(time.Second)})
			}
		}
	}
	for _, ask := range asks {
		for set := range 1 << len(pool) {
			var evidence []idp.Evidence
			for i, e := range pool {
				if set&(1<<i) != 0 {
					evidence = append(evidence, e)
				}
			}
			d := policy.Decide(ask, have(evidence...), now)
			if d.Outcome == policy.Grant && d.ACR < ask.MinLevel {
				t.Fatalf("granted below the least level: %+v with %v", ask, evidence)
			}
			if d.Outcome == policy.Grant && ask.PromptLogin && d.AuthTime.Before(ask.At) {
				t.Fatalf("granted on an old login: %+v with %v", ask, evidence)
			}
			for i := range evidence {
				less := slices.Delete(slices.Clone(evidence), i, i+1)
				if l := policy.Decide(ask, have(less...), now); l.Outcome > d.Outcome {
					t.Fatalf("%v is granted and %v is not, for %+v", less, evidence, ask)
				}
			}
		}
	}
}
