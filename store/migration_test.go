package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// town has people with one and two portal accounts, with old TPEAD names, a
// shared account and one who has left.
func town(t *testing.T, s *Store, people int) *syncer {
	t.Helper()
	y := newSyncer(t, s)
	y.source.Mapping.TPEAD = "tpead"
	var rows []string
	for i := range people {
		tpead := ""
		if i%2 == 1 {
			tpead = fmt.Sprintf("GEAA-%06d", i)
		}
		rows = append(rows, fmt.Sprintf("user%d,人員%d,%s,A%03d,機關,單位,科員,在職,%s", i, i, fedID(i), i%3, tpead))
	}
	rows = append(rows, "user0b,人員0,"+fedID(0)+",A001,機關,單位,專員,在職,", "user1b,人員1,"+fedID(1)+",A001,機關,單位,專員,在職,",
		"box,=HYPERLINK(1),,A000,機關,單位,,在職,", "gone,離職,"+fedID(9999)+",A000,機關,單位,,離職,")
	must(t, writeFile(y.path, strings.TrimSpace(feedHead)+",tpead\n"+strings.Join(rows, "\n")+"\n"))
	_, err := y.Do(t.Context(), y.source, "test")
	must(t, err)
	return y
}

func newJob(s directory.Migration) *directory.Job {
	return &directory.Job{Store: s, Now: func() time.Time { return noon.Add(time.Hour) }, Actor: "test"}
}

func outcomes(t *testing.T, run func(context.Context, func(directory.Outcome)) error) (list []directory.Outcome, counts map[string]int) {
	t.Helper()
	counts = map[string]int{}
	must(t, run(t.Context(), func(o directory.Outcome) {
		list = append(list, o)
		counts[o.Result]++
	}))
	return list, counts
}

func TestProvision_NeverTwiceNeverShared(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s, other := d.open(t), d.open(t)
		y := town(t, s, 40)
		dry := newJob(s)
		dry.Dry = true
		if _, counts := outcomes(t, dry.Provision); counts[directory.ResultPlanned] != 22 || counts[directory.ResultShared] != 1 {
			t.Errorf("plan %v", counts)
		}
		// Two at once, and one that stops after five.
		few := newJob(s)
		few.Limit = 5
		if _, counts := outcomes(t, few.Provision); counts[directory.ResultDone] != 5 {
			t.Errorf("limited %v", counts)
		}
		done := together(2, func(i int) int {
			n := 0
			if err := newJob([]*Store{s, other}[i]).Provision(t.Context(), func(o directory.Outcome) {
				if o.Result == directory.ResultDone {
					n++
				}
			}); err != nil {
				t.Error(err)
			}
			return n
		})
		_, counts := outcomes(t, newJob(s).Provision) // whoever lost a race to the other
		if done[0]+done[1]+counts[directory.ResultDone] != 17 {
			t.Errorf("done %v %v", done, counts)
		}
		if _, counts := outcomes(t, newJob(s).Provision); counts[directory.ResultDone] != 0 || counts[directory.ResultShared] != 1 {
			t.Errorf("again %v", counts)
		}
		checkOneSingleEach(t, s)
		rates, err := directory.Rates(t.Context(), s, "")
		must(t, err)
		if len(rates) != 3 || rates[0].Bound != rates[0].Bindable || len(rates[0].Missing) != 0 {
			t.Errorf("%+v", rates)
		}
		// What its directory has not yet logs nobody in.
		early, err := directory.CheckPhase(t.Context(), s, policy.PhaseDirectory)
		must(t, err)
		for _, out := range early.LeftOut {
			if out.Why == directory.WhyPassword {
				t.Errorf("pending, and counted as there: %+v", out)
			}
		}
		effects, err := s.TakeEffects(t.Context(), "made", noon.Add(time.Hour), noon.Add(2*time.Hour), 1000)
		must(t, err)
		for _, e := range effects {
			must(t, s.EffectDone(t.Context(), e.ID, "made", ""))
		}
		// Who was provisioned logs in by the portal account until a password is set.
		check, err := directory.CheckPhase(t.Context(), s, policy.PhaseDirectory)
		must(t, err)
		whys := map[string]int{}
		for _, out := range check.LeftOut {
			whys[out.Why]++
		}
		if whys[directory.WhyPassword] != 20 || whys[directory.WhyShared] != 1 || whys[directory.WhyUnbound] != 0 {
			t.Errorf("%v", whys)
		}
		a, err := s.Account(t.Context(), "user2")
		must(t, err)
		if st, err := s.PasswordStanding(t.Context(), a.PersonID); err != nil || !st.MustChange {
			t.Errorf("nobody is asked for a password: %+v %v", st, err)
		} else {
			n := directory.NewPassword{PersonID: a.PersonID, At: noon.Add(2 * time.Hour), Since: st.ChangedAt, Keep: 3}
			accounts, err := s.AccountsOf(t.Context(), a.PersonID)
			must(t, err)
			for _, a := range accounts {
				if a.MustSet {
					n.Accounts = append(n.Accounts, a.Name)
				}
			}
			must(t, s.SetPassword(t.Context(), n))
		}
		if ok, err := s.Bound(t.Context(), a.PersonID); err != nil || !ok {
			t.Errorf("bound %v %v", ok, err)
		}
		check, err = directory.CheckPhase(t.Context(), s, policy.PhaseDirectory)
		if err != nil || len(check.LeftOut) != 20 {
			t.Errorf("%d left out, %v", len(check.LeftOut), err)
		}
		// The next synchronisation finds nothing to change.
		run, err := y.Do(t.Context(), y.source, "test")
		if err != nil || run.Summary.Counts.Changed() != 0 {
			t.Errorf("%+v %v", run, err)
		}
	})
}

func checkOneSingleEach(t *testing.T, s *Store) {
	t.Helper()
	must(t, s.Standings(t.Context(), func(p *directory.Standing) error {
		singles := 0
		for _, a := range p.Accounts {
			if a.Kind == idp.AccountSingle {
				singles++
			}
			if p.Shared && a.Kind != idp.AccountPortal {
				t.Errorf("a shared account got %+v", a)
			}
		}
		if singles > 1 {
			t.Errorf("%s has %+v", p.Name, p.Accounts)
		}
		return nil
	}))
}

func TestRename_KeepsThePersonAndOnlyTheSingleNameLogsIn(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := town(t, s, 40)
		before, err := s.Account(t.Context(), "geaa-000001")
		must(t, err)
		was, err := s.Person(t.Context(), before.PersonID)
		must(t, err)
		j := newJob(s)
		j.Agency = "A001"
		j.Limit = 3
		_, counts := outcomes(t, j.Rename)
		j.Limit = 0
		list, rest := outcomes(t, j.Rename)
		if counts[directory.ResultDone] != 3 || counts[directory.ResultDone]+rest[directory.ResultDone] != 7 {
			t.Fatalf("%v %v", counts, rest)
		}
		if _, again := outcomes(t, j.Rename); len(again) != 0 {
			t.Errorf("again: %v", again)
		}
		checkOneSingleEach(t, s)
		now, err := s.Person(t.Context(), before.PersonID)
		must(t, err)
		if now.Subject != was.Subject || now.Username == was.Username || !directory.FitSingleName(now.Username) {
			t.Errorf("%+v, was %+v", now, was)
		}
		for name, want := range map[string]bool{now.Username: true, "geaa-000001": false, "user1": false, "geaa-000003": true} {
			if ok := admits(t, s, name); ok != want {
				t.Errorf("%s: %v", name, ok)
			}
		}
		if free, err := s.ClaimName(t.Context(), "geaa-000001", noon); err != nil || free {
			t.Errorf("the old name is free again: %v", err)
		}
		// A stale batch changes nobody.
		err = s.Rename(t.Context(), directory.Given{
			Candidate: directory.Candidate{PersonID: before.PersonID, Former: "geaa-000001"}, Account: "zz9999", At: noon, Actor: "test",
		})
		if !errors.Is(err, idp.ErrConflict) {
			t.Errorf("%v", err)
		}
		if _, err := s.Account(t.Context(), "zz9999"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if len(list) == 0 || list[0].Account == "" || list[0].Former == "" {
			t.Errorf("%+v", list)
		}
		// The feed still names the old account: it stays as it is.
		run, err := y.Do(t.Context(), y.source, "test")
		if err != nil || run.Summary.Counts.Changed() != 0 {
			t.Errorf("%+v %v", run, err)
		}
	})
}
