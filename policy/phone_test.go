package policy_test

import (
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

func TestPhoneAlone(t *testing.T) {
	for _, tt := range []struct {
		place policy.Place
		want  bool
	}{
		{policy.Place{}, false},
		{policy.Place{City: true}, true},
		{policy.Place{Known: true}, true},
		{policy.Place{City: true, Known: true}, true},
	} {
		if got := policy.PhoneAlone(tt.place); got != tt.want {
			t.Errorf("%+v: %v", tt.place, got)
		}
	}
}

func TestPhoneEvidence(t *testing.T) {
	near := idp.Evidence{Method: idp.MethodPhone, At: ago(time.Minute), Near: true}
	far := near
	far.Near = false
	ask := idp.Ask{ClientID: "c", FirstParty: true, At: ago(2 * time.Minute)}
	three := ask
	three.MinLevel = idp.LevelCard
	for _, tt := range []struct {
		name     string
		ask      idp.Ask
		evidence []idp.Evidence
		outcome  policy.Outcome
		step     policy.Step
		level    idp.Level
	}{
		{"near: level two", ask, []idp.Evidence{near}, policy.Grant, "", idp.LevelTwo},
		{"far: nothing", ask, []idp.Evidence{far}, policy.Need, policy.StepLogin, 0},
		{"far lends nothing to a password", ask, []idp.Evidence{far, proof(idp.MethodPassword, ago(0))}, policy.Grant, "", idp.LevelPassword},
		{"far beside the card", ask, []idp.Evidence{far, proof(idp.MethodCard, ago(0))}, policy.Grant, "", idp.LevelCard},
		{"near, but the card is wanted", three, []idp.Evidence{near}, policy.Need, policy.StepLevel, 0},
		{"far beside a passkey", ask, []idp.Evidence{far, proof(idp.MethodPasskey, ago(0))}, policy.Grant, "", idp.LevelTwo},
	} {
		d := policy.Decide(tt.ask, have(tt.evidence...), now)
		if d.Outcome != tt.outcome || d.Step != tt.step || d.ACR != tt.level {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
}

func TestWantsCode(t *testing.T) {
	for _, tt := range []struct{ city, bound, want bool }{
		{false, true, true}, {true, true, false}, {false, false, false}, {true, false, false},
	} {
		if got := policy.WantsCode(policy.Place{City: tt.city, Known: true}, tt.bound); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestMakesKnown(t *testing.T) {
	password, code := proof(idp.MethodPassword, ago(0)), proof(idp.MethodOTP, ago(0))
	far := proof(idp.MethodPhone, ago(0))
	for name, tt := range map[string]struct {
		evidence []idp.Evidence
		want     bool
	}{
		"nothing":           {nil, false},
		"password":          {[]idp.Evidence{password}, false},
		"password and code": {[]idp.Evidence{password, code}, false}, // can be relayed
		"card":              {[]idp.Evidence{proof(idp.MethodCard, ago(0))}, true},
		"passkey":           {[]idp.Evidence{proof(idp.MethodPasskey, ago(0))}, true},
		"a phone far away":  {[]idp.Evidence{far}, false},
	} {
		if got := policy.MakesKnown(tt.evidence, now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMayBindPhone(t *testing.T) {
	card := func(d time.Duration) idp.Evidence {
		return idp.Evidence{Method: idp.MethodCard, At: ago(d), Card: "card"}
	}
	pwd := func(d time.Duration) idp.Evidence { return proof(idp.MethodPassword, ago(d)) }
	otp := func(d time.Duration) idp.Evidence { return proof(idp.MethodOTP, ago(d)) }
	for name, tt := range map[string]struct {
		evidence []idp.Evidence
		rule     policy.BindRule
		card     string
		want     bool
	}{
		"card":                      {[]idp.Evidence{card(10 * time.Minute)}, policy.BindRule{}, "card", true},
		"old card":                  {[]idp.Evidence{card(10*time.Minute + time.Second)}, policy.BindRule{}, "", false},
		"a shorter rule":            {[]idp.Evidence{card(2 * time.Minute)}, policy.BindRule{Fresh: time.Minute}, "", false},
		"card from the future":      {[]idp.Evidence{card(-policy.Skew - time.Millisecond)}, policy.BindRule{}, "", false},
		"card, a clock ahead":       {[]idp.Evidence{card(-policy.Skew)}, policy.BindRule{}, "card", true},
		"password":                  {[]idp.Evidence{pwd(0)}, policy.BindRule{Lax: true}, "", false},
		"code":                      {[]idp.Evidence{otp(0)}, policy.BindRule{Lax: true}, "", false},
		"password and code":         {[]idp.Evidence{pwd(0), otp(0)}, policy.BindRule{Lax: true}, "", true},
		"password and code, strict": {[]idp.Evidence{pwd(0), otp(0)}, policy.BindRule{}, "", false},
		"old password and code":     {[]idp.Evidence{pwd(time.Hour), otp(0)}, policy.BindRule{Lax: true}, "", false},
		"another phone":             {[]idp.Evidence{{Method: idp.MethodPhone, At: now, Near: true}}, policy.BindRule{Lax: true}, "", false},
		"passkey":                   {[]idp.Evidence{proof(idp.MethodPasskey, now)}, policy.BindRule{Lax: true}, "", false},
	} {
		if card, got := policy.MayBindPhone(tt.evidence, tt.rule, now); got != tt.want || card != tt.card {
			t.Errorf("%s: %q, %v", name, card, got)
		}
	}
}

func TestT147_FactorsNeedTheStrongestLogin(t *testing.T) {
	const card, two, password = idp.LevelCard, idp.LevelTwo, idp.LevelPassword
	for name, tt := range map[string]struct {
		bound    idp.Level // the strongest that this person has
		evidence []idp.Evidence
		want     bool
	}{
		"card of five minutes":         {card, []idp.Evidence{proof(idp.MethodCard, ago(5*time.Minute))}, true},
		"older card":                   {card, []idp.Evidence{proof(idp.MethodCard, ago(5*time.Minute+time.Second))}, false},
		"fresh phone, but has a card":  {card, []idp.Evidence{{Method: idp.MethodPhone, At: now, Near: true}}, false},
		"fresh password, has a code":   {two, []idp.Evidence{proof(idp.MethodPassword, now)}, false},
		"password and code":            {two, []idp.Evidence{proof(idp.MethodPassword, now), proof(idp.MethodOTP, now)}, true},
		"password, has nothing else":   {password, []idp.Evidence{proof(idp.MethodPassword, ago(time.Minute))}, true},
		"old password, nothing else":   {password, []idp.Evidence{proof(idp.MethodPassword, ago(6*time.Minute))}, false},
		"old card lends nothing to it": {card, []idp.Evidence{proof(idp.MethodPassword, now), proof(idp.MethodCard, ago(time.Hour))}, false},
	} {
		ask := policy.FactorAsk(tt.bound, now)
		if got := policy.Decide(ask, have(tt.evidence...), now).Outcome == policy.Grant; got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if policy.FactorPlace(idp.LevelPassword, policy.Place{Known: true}) || !policy.FactorPlace(idp.LevelTwo, policy.Place{}) ||
		!policy.FactorPlace(idp.LevelPassword, policy.Place{City: true}) {
		t.Error("a first factor is added on the city's network, others anywhere")
	}
}
