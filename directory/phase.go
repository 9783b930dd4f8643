package directory

import (
	"context"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Named is an account's name with what phases ask of it.
type Named struct {
	PersonID   string
	PersonName string
	Agency     idp.Agency
	State      idp.PersonState
	Account    string
	MustSet    bool // its password is known to nobody yet
	policy.NameFacts
}

// Phases keeps the phase of the migration and what it asks of names.
type Phases interface {
	// Phase is the phase; coexist unless another was set.
	Phase(ctx context.Context) (policy.Phase, error)
	// SetPhase sets it, if it still is from; idp.ErrConflict otherwise.
	SetPhase(ctx context.Context, from, to policy.Phase, at time.Time, events ...idp.Event) error
	// NameFacts finds what the phase asks of a name, and the phase, by one look;
	// no facts at all (an empty Kind) for a name that is nobody's.
	NameFacts(ctx context.Context, name string) (policy.Phase, policy.NameFacts, error)
	// EachName gives every account of every enabled person, those of one person
	// together.
	EachName(ctx context.Context, yield func(Named) error) error
}

// LeftOut is a person who could not log in with a password in a phase.
type LeftOut struct {
	Name       string   `json:"name"`
	Agency     string   `json:"agency"`
	AgencyName string   `json:"agency_name"`
	Accounts   []string `json:"accounts"` // by which they can log in now
	Why        string   `json:"why"`
}

// Why somebody is left out.
const (
	WhyShared   = "shared"      // 公用帳號: never has an account of the directory
	WhyUnbound  = "no_account"  // has no account that the phase admits
	WhyPassword = "no_password" // has one, and never set its password
)

// PhaseCheck is who could log in by a name before and not in the phase.
type PhaseCheck struct {
	Now     policy.Phase `json:"phase"`
	Then    policy.Phase `json:"checked"`
	People  int          `json:"people"` // who can log in now
	LeftOut []LeftOut    `json:"left_out"`
}

// CheckPhase tells who could no longer log in if the phase were then.
func CheckPhase(ctx context.Context, phases Phases, then policy.Phase) (*PhaseCheck, error) {
	now, err := phases.Phase(ctx)
	if err != nil {
		return nil, fmt.Errorf("read phase: %w", err)
	}
	check := &PhaseCheck{Now: now, Then: then, LeftOut: []LeftOut{}}
	var person []Named
	settle := func() {
		if out := check.person(person); out != nil {
			check.LeftOut = append(check.LeftOut, *out)
		}
		person = person[:0]
	}
	err = phases.EachName(ctx, func(n Named) error {
		if len(person) > 0 && person[0].PersonID != n.PersonID {
			settle()
		}
		person = append(person, n)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	settle()
	return check, nil
}

func (c *PhaseCheck) person(names []Named) *LeftOut {
	var before []string
	admitted, usable := false, false
	for _, n := range names {
		if c.Now.Admits(n.NameFacts) && !n.MustSet {
			before = append(before, n.Account)
		}
		if c.Then.Admits(n.NameFacts) {
			admitted, usable = true, usable || !n.MustSet
		}
	}
	if len(before) == 0 {
		return nil
	}
	c.People++
	if usable {
		return nil
	}
	n := names[0]
	out := &LeftOut{Name: n.PersonName, Agency: n.Agency.Code, AgencyName: n.Agency.Name, Accounts: before, Why: WhyUnbound}
	switch {
	case n.Shared:
		out.Why = WhyShared
	case admitted:
		out.Why = WhyPassword
	}
	return out
}
