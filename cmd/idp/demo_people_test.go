package main

import (
	"testing"
	"time"

	"taipeion.internal/idp/policy"
)

// When the demo's portal is switched off, one of its people has to choose
// between two accounts, and everybody logs in by the name on the list.
func TestDemo_PeopleWhenThePortalIsOff(t *testing.T) {
	c := startCity(t)
	choose := 0
	for _, m := range c.plan.Staff {
		account, err := c.store.Account(t.Context(), c.gate.Names.Normalize(m.Account()))
		if err != nil {
			t.Fatalf("%s: %v", m.Account(), err)
		}
		bound, err := c.store.BindingOf(t.Context(), m.Portal)
		if err != nil || bound.TPEAD != account.Name {
			t.Errorf("%s is bound to %+v, %v", m.Portal, bound, err)
		}
		rivals, err := c.store.Rivals(t.Context(), account.PersonID)
		if err != nil {
			t.Fatal(err)
		}
		if len(rivals) > 0 {
			choose++
		}
	}
	if choose != 1 {
		t.Errorf("%d people have to choose", choose)
	}
	if err := c.store.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := 6; i < 9; i++ { // not renamed yet, with two, with one
		m := c.plan.Staff[i]
		if _, err := c.gate.CheckPassword(t.Context(), m.Account(), m.Password); err != nil {
			t.Errorf("%s: %v", m.Account(), err)
		}
		if _, err := c.gate.CheckPassword(t.Context(), m.Portal, m.Password); err == nil {
			t.Errorf("%s gets in by the portal's name", m.Name)
		}
	}
}
