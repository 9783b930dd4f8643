package policy_test

import (
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// A node that is a little ahead: what it saw counts on the others, and is no
// later there than now.
func TestT221_EvidenceOfANodeAhead(t *testing.T) {
	ask := idp.Ask{ClientID: "c", FirstParty: true, At: now, PromptLogin: true}
	for _, tt := range []struct {
		name string
		at   time.Time
		want policy.Outcome
	}{
		{"as far ahead as clocks may be", now.Add(policy.Skew), policy.Grant},
		{"further", now.Add(policy.Skew + time.Millisecond), policy.Need},
		{"before it was asked for", ago(time.Millisecond), policy.Need},
	} {
		d := policy.Decide(ask, have(proof(idp.MethodPassword, tt.at)), now)
		if d.Outcome != tt.want {
			t.Errorf("%s: %+v", tt.name, d)
		}
		if d.AuthTime.After(now) {
			t.Errorf("%s: logged in at %v, in the future", tt.name, d.AuthTime)
		}
	}
}

func TestT221_GivenNotBeforeAsked(t *testing.T) {
	for name, tt := range map[string]struct{ asked, want time.Time }{
		"asked before":                     {ago(time.Minute), now},
		"asked on a node ahead":            {now.Add(policy.Skew), now.Add(policy.Skew)},
		"asked where the clock is far off": {now.Add(policy.Skew + time.Millisecond), now},
	} {
		if got := policy.Given(now, tt.asked); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
