package policy_test

import (
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

func TestPhaseAdmits(t *testing.T) {
	portal, tpead, single, mail := idp.AccountPortal, idp.AccountTPEAD, idp.AccountSingle, idp.AccountMail
	for _, tt := range []struct {
		what                       string
		facts                      policy.NameFacts
		coexist, directory, single bool
	}{
		{"portal", policy.NameFacts{Kind: portal, Portal: true}, true, false, false},
		{"bound TPEAD", policy.NameFacts{Kind: tpead, Portal: true, Bound: true}, true, true, false},
		{"TPEAD, not bound", policy.NameFacts{Kind: tpead, Portal: true}, false, true, false},
		{"TPEAD, nothing to bind", policy.NameFacts{Kind: tpead}, true, true, false},
		{"single", policy.NameFacts{Kind: single, Portal: true, Bound: true}, true, true, true},
		{"mailbox", policy.NameFacts{Kind: mail, Portal: true}, false, false, false},
		{"shared", policy.NameFacts{Kind: portal, Portal: true, Shared: true}, true, false, false},
		{"shared, by mistake with an account", policy.NameFacts{Kind: single, Shared: true}, true, false, false},
		{"renamed: portal", policy.NameFacts{Kind: portal, Portal: true, Renamed: true}, false, false, false},
		{"renamed: second TPEAD", policy.NameFacts{Kind: tpead, Bound: true, Renamed: true}, false, false, false},
		{"renamed: single", policy.NameFacts{Kind: single, Bound: true, Renamed: true}, true, true, true},
		{"claimed, not kept", policy.NameFacts{Kind: tpead, Portal: true, Claimed: true}, false, false, false},
		{"claimed by who has no portal account", policy.NameFacts{Kind: tpead, Claimed: true}, false, false, false},
		{"claimed by a binding", policy.NameFacts{Kind: tpead, Portal: true, Bound: true, Claimed: true}, true, true, false},
		{"closed", policy.NameFacts{Kind: single, Closed: true}, false, false, false},
	} {
		got := [3]bool{}
		for i, p := range policy.Phases {
			got[i] = p.Admits(tt.facts)
			if got[i] && tt.facts.Kind == tpead && !p.Changes(tt.facts) {
				t.Errorf("%s: logs in, and its password can't be changed", tt.what)
			}
		}
		if got != [3]bool{tt.coexist, tt.directory, tt.single} {
			t.Errorf("%s: %v", tt.what, got)
		}
	}
	if policy.Phase("").Admits(policy.NameFacts{Kind: single}) {
		t.Error("no phase admits nobody")
	}
	if _, err := policy.ParsePhase("Single"); err == nil {
		t.Error("parsed")
	}
}
