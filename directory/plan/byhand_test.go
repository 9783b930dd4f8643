package plan_test

import (
	"strings"
	"testing"

	"taipeion.internal/idp/directory"
)

// What an administrator corrected after the portal was switched off is not undone
// by what is left of its feed: it is only said that the two differ.
func TestPlan_LeavesWhatWasCorrectedByHand(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"))
	name := with(row(0, "a0"), func(r *directory.FedRow) { r.Name = "改名" })
	id := with(row(0, "a0"), func(r *directory.FedRow) { r.NationalID = nationalID(99) })
	for _, r := range []directory.FedRow{name, id} {
		if p := w.plan(r, row(1, "a1")); p.Counts.Changed() != 1 || len(p.Faults) != 0 {
			t.Errorf("nobody corrected it: %+v %s", p.Counts, reasons(p))
		}
	}
	w.people["p1"].NameByHand, w.people["p1"].IdentityByHand = true, true
	for what, r := range map[string]directory.FedRow{"the name": name, "the national ID": id} {
		p := w.plan(r, row(1, "a1"))
		if p.Counts.Changed() != 0 || !strings.Contains(reasons(p), "2: an administrator corrected "+what) {
			t.Errorf("%s: %+v %s", what, p.Counts, reasons(p))
		}
	}
	unit := with(name, func(r *directory.FedRow) { r.Unit = "another unit" })
	if p := w.plan(unit, row(1, "a1")); p.Counts.Update != 1 || len(p.Changes[len(p.Changes)-1].Fields) != 1 {
		t.Errorf("the rest goes on: %+v", p.Changes)
	}
}
