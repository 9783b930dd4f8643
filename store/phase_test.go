package store

import (
	"errors"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

func TestPhase_DecidesByWhichNamesOneLogsIn(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		y.source.Mapping.TPEAD = "tpead"
		must(t, writeFile(y.path, "account,name,national_id,agency,agency_name,unit,title,state,tpead\n"+
			"wang,王,"+fedID(1)+",379,資訊局,,,在職,GEAA-000001\nchen,陳,"+fedID(2)+",379,資訊局,,,在職,\nbox,信箱,,379,資訊局,,,在職,\n"))
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		may := func(name string) bool { return admits(t, s, name) }
		if !may("wang") || !may("geaa-000001") || !may("chen") || !may("box") || may("nobody") {
			t.Error("coexist")
		}
		check, err := directory.CheckPhase(t.Context(), s, policy.PhaseDirectory)
		must(t, err)
		if check.Now != policy.PhaseCoexist || check.People != 3 || len(check.LeftOut) != 2 {
			t.Fatalf("%+v", check)
		}
		for _, out := range check.LeftOut {
			if want := map[string]string{"陳": directory.WhyUnbound, "信箱": directory.WhyShared}[out.Name]; out.Why != want {
				t.Errorf("%+v", out)
			}
		}
		if err := s.SetPhase(t.Context(), policy.PhaseDirectory, policy.PhaseSingle, noon); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("from a phase that is not: %v", err)
		}
		must(t, s.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, noon, idp.Event{At: noon, Kind: "directory.phase", Result: "ok"}))
		if may("wang") || !may("geaa-000001") || may("chen") || may("box") {
			t.Error("directory")
		}
		must(t, s.SetPhase(t.Context(), policy.PhaseDirectory, policy.PhaseSingle, noon))
		if phase, err := s.Phase(t.Context()); err != nil || phase != policy.PhaseSingle || may("geaa-000001") {
			t.Errorf("single: %v %v", phase, err)
		}
	})
}

// admits tells whether the phase lets one log in by the name, and that it is told so
// by one look as by several.
func admits(t *testing.T, s *Store, name string) bool {
	t.Helper()
	phase, facts, err := s.NameFacts(t.Context(), name)
	must(t, err)
	h, err := s.Holder(t.Context(), name)
	account, accountErr := s.Account(t.Context(), name)
	if errors.Is(accountErr, idp.ErrNotFound) {
		if !errors.Is(err, idp.ErrNotFound) || facts.Kind != "" {
			t.Errorf("%s is nobody's: %+v %+v %v", name, h, facts, err)
		}
		return false
	}
	must(t, errors.Join(err, accountErr))
	person, err := s.Person(t.Context(), account.PersonID)
	must(t, err)
	accounts, err := s.AccountsOf(t.Context(), account.PersonID)
	must(t, err)
	if h.PersonID != person.ID || h.Agency != person.Agency.Code || h.Phase != phase || len(h.Names) != len(accounts) {
		t.Fatalf("%s: %+v, not %+v, %s and %+v", name, h, person, phase, accounts)
	}
	for i, n := range h.Names {
		_, its, err := s.NameFacts(t.Context(), n.Account.Name)
		must(t, err)
		if n.Account != accounts[i] || n.Facts != its {
			t.Errorf("%s: %+v, not %+v and %+v", name, n, accounts[i], its)
		}
	}
	return phase.Admits(facts)
}
