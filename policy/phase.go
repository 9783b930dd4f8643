package policy

import (
	"fmt"

	idp "taipeion.internal/idp"
)

// Phase is how far the city's migration to single accounts has come.
type Phase string

// The phases, in their order.
const (
	PhaseCoexist   Phase = "coexist"   // portal accounts, and TPEAD accounts that are bound
	PhaseDirectory Phase = "directory" // the portal is off: TPEAD accounts only
	PhaseSingle    Phase = "single"    // single accounts only
)

// Phases are all of them.
var Phases = []Phase{PhaseCoexist, PhaseDirectory, PhaseSingle}

// ParsePhase reads a phase's name.
func ParsePhase(s string) (Phase, error) {
	for _, p := range Phases {
		if s == string(p) {
			return p, nil
		}
	}
	return "", fmt.Errorf("%q is no phase: coexist, directory or single", s)
}

// NameFacts are what a phase asks of an account's name.
type NameFacts struct {
	Kind    idp.AccountKind
	Closed  bool // the account itself is disabled
	Shared  bool // a shared account 公用帳號
	Renamed bool // its person was renamed to a single account
	Bound   bool // bound portal account to TPEAD account
	Portal  bool // its person has a portal account at all
	Claimed bool // added by its person, who did not keep it yet
}

// Admits tells whether one may log in by such a name. After one's rename only
// the single account does, in any phase; a mailbox never does, nor what was only
// claimed.
func (p Phase) Admits(f NameFacts) bool {
	if f.Closed || f.Kind == idp.AccountMail || f.Renamed && f.Kind != idp.AccountSingle || f.Claimed && !f.Bound {
		return false
	}
	switch p {
	case PhaseCoexist:
		switch f.Kind {
		case idp.AccountPortal, idp.AccountSingle:
			return true
		case idp.AccountTPEAD:
			// Whoever never had a portal account has nothing to bind.
			return f.Bound || !f.Portal
		}
	case PhaseDirectory:
		return !f.Shared && (f.Kind == idp.AccountTPEAD || f.Kind == idp.AccountSingle)
	case PhaseSingle:
		return !f.Shared && f.Kind == idp.AccountSingle
	}
	return false
}

// Changes tells whether the password of such a TPEAD account is its person's to
// change: of one that is bound, and of any that is theirs when the portal is off.
func (p Phase) Changes(f NameFacts) bool {
	return f.Bound || !f.Claimed && (!f.Portal || p != PhaseCoexist)
}

// ByHand tells whether administrators may make people: while the portal feeds
// us they must not.
func (p Phase) ByHand() bool { return p != PhaseCoexist }
