package store

import (
	"testing"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// What was corrected by hand while the portal is off lasts, whatever the next run
// reads; once the portal is on again it is the source's again.
func TestSync_LeavesWhatAnAdministratorCorrected(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		must(t, writeFile(y.path, feedHead+fedRow(0)+"\n"+fedRow(1)+"\n"))
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		a, err := s.Account(t.Context(), "user0")
		must(t, err)
		must(t, s.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, y.tick()))
		must(t, s.Correct(t.Context(), directory.Correction{PersonID: a.PersonID, Name: "改名", Hand: directory.Hand{Actor: "operator:x"}, Reason: "moi", At: y.tick()}))
		for range 2 {
			run, err := y.Do(t.Context(), y.source, "test")
			must(t, err)
			if p, _ := s.Person(t.Context(), a.PersonID); p.Name != "改名" || run.Summary.Counts.Faults != 1 || run.Summary.Counts.Changed() != 0 {
				t.Errorf("%s %+v", p.Name, run.Summary)
			}
		}
		must(t, s.SetPhase(t.Context(), policy.PhaseDirectory, policy.PhaseCoexist, y.tick()))
		run, err := y.Plan(t.Context(), y.source, "test")
		must(t, err)
		if run.Summary.Counts.Update != 1 || run.Summary.Counts.Faults != 0 {
			t.Errorf("the source's again: %+v", run.Summary)
		}
	})
}
