package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	gosync "sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/plan"
	"taipeion.internal/idp/directory/sync"
)

// syncer synchronises from a file that the test writes.
type syncer struct {
	*sync.Runner
	source sync.Source
	path   string
	mu     gosync.Mutex
	now    time.Time
}

func newSyncer(t *testing.T, s *Store) *syncer {
	y := &syncer{path: filepath.Join(t.TempDir(), "people.csv"), now: noon}
	y.Runner = &sync.Runner{
		People: s, Runs: s, Leases: s, Holder: "test", Logger: slog.New(slog.DiscardHandler),
		Now: y.tick,
		Key: func(context string, data []byte) []byte {
			h := sha256.Sum256(append([]byte(context), data...))
			return h[:]
		},
		Seal: func(plain []byte, context string) []byte { return []byte("sealed " + context) },
	}
	y.source = sync.Source{Name: "hr", People: feed.CSV{Path: y.path}, Mapping: feed.DefaultMapping(), Limits: plan.CityLimits()}
	return y
}

// tick is a clock of which no two looks are alike.
func (y *syncer) tick() time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.now = y.now.Add(time.Microsecond)
	return y.now
}

const feedHead = "account,name,national_id,agency,agency_name,unit,title,state\n"

func (y *syncer) write(t testing.TB, rows ...string) {
	t.Helper()
	must(t, writeFile(y.path, feedHead+strings.Join(rows, "\n")+"\n"))
}

func fedID(n int) string {
	for check := range 10 {
		id := fmt.Sprintf("A1%07d%d", n, check)
		sum := 1
		for i := 1; i < 10; i++ {
			sum += int(id[i]-'0') * max(9-i, 1)
		}
		if sum%10 == 0 {
			return id
		}
	}
	panic("no check digit")
}

func fedRow(n int) string {
	return fmt.Sprintf("user%d,人員𠮷%d,%s,A%03d,機關%d,單位%d,科員,在職", n, n, fedID(n), n%1000, n%1000, n%7)
}

func fedRows(n int) (rows []string) {
	for i := range n {
		rows = append(rows, fedRow(i))
	}
	return rows
}

func TestSync_FirstLoadThenChanges(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		rows := append(fedRows(300), "mailonly,信箱,,A000,機關0,單位0,,在職", "user7b,人員𠮷7,"+fedID(7)+",A009,機關9,單位1,專員,在職")
		y.write(t, rows...)
		run, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		if run.State != sync.Done || run.Summary.Counts.Add != 301 || run.Summary.Failed != 0 || run.Summary.Counts.Shared != 1 {
			t.Fatalf("%+v", run)
		}
		a, err := s.Account(t.Context(), "user7b")
		must(t, err)
		p, err := s.Person(t.Context(), a.PersonID)
		must(t, err)
		if p.Name != "人員𠮷7" || p.Agency.Name != "機關7" || p.IDTail != fedID(7)[6:] || p.Username != "user7" {
			t.Errorf("%+v", p)
		}
		run, err = y.Do(t.Context(), y.source, "test")
		must(t, err)
		if run.Summary.Counts.Changed() != 0 {
			t.Errorf("the same again: %+v", run.Summary)
		}
		rows[7] = strings.Replace(strings.Replace(rows[7], "科員", "科長", 1), "單位0", "新單位", 1)
		rows[8] = strings.Replace(rows[8], "在職", "離職", 1)
		rows[9] = strings.Replace(rows[9], "機關", "\xbe\xf7\xc3\xf6", 1)
		y.write(t, rows...)
		run, err = y.Do(t.Context(), y.source, "test")
		must(t, err)
		if c := run.Summary.Counts; c.Update != 1 || c.Disable != 1 || c.Faults != 1 || c.Units != 1 {
			t.Errorf("%+v", c)
		}
		faults, err := s.Faults(t.Context(), run.ID)
		if err != nil || len(faults) != 1 || faults[0].Line != 11 || faults[0].Account != "user9" {
			t.Errorf("%+v %v", faults, err)
		}
		entries, err := s.History(t.Context(), a.PersonID, 10)
		if err != nil || len(entries) != 2 || entries[0].Fields[0].Field != "unit" && entries[0].Fields[0].Field != "title" || entries[0].Actor != "sync:hr" {
			t.Errorf("%+v %v", entries, err)
		}
		must(t, s.PrunePlans(t.Context(), y.now.Add(time.Hour)))
		if left, err := s.Progress(t.Context(), run.ID); err != nil || left.Done != 0 {
			t.Errorf("%+v %v", left, err)
		}
	})
}

func TestSync_AsksAndIsConfirmedByName(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		rows := fedRows(200)
		y.write(t, rows...)
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		y.write(t, rows[:190]...)
		run, err := y.Do(t.Context(), y.source, "test")
		if !errors.Is(err, sync.ErrAsks) || run.State != sync.Asking {
			t.Fatalf("%+v %v", run, err)
		}
		a, err := s.Account(t.Context(), "user199")
		must(t, err)
		if p, _ := s.Person(t.Context(), a.PersonID); p.State != idp.PersonEnabled {
			t.Fatal("disabled without being asked")
		}
		if _, err := y.Confirm(t.Context(), y.source, "nonsense", "test"); !errors.Is(err, sync.ErrOutdated) {
			t.Errorf("%v", err)
		}
		// The same plan made again has the same name.
		again, err := y.Plan(t.Context(), y.source, "test")
		if err != nil || again.Plan != run.Plan {
			t.Errorf("%v %v", again, err)
		}
		done, err := y.Confirm(t.Context(), y.source, run.Plan, "test")
		if err != nil || done.State != sync.Done {
			t.Fatalf("%+v %v", done, err)
		}
		if p, _ := s.Person(t.Context(), a.PersonID); p.State != idp.PersonDisabled {
			t.Error("not disabled")
		}
		if _, err := y.Confirm(t.Context(), y.source, run.Plan, "test"); !errors.Is(err, sync.ErrOutdated) {
			t.Errorf("twice: %v", err)
		}
	})
}

// stopping fails after some changes, as a process that is killed does.
type stopping struct {
	*Store
	left int
}

func (s *stopping) Apply(ctx ctxt, run *sync.Run, c *directory.Change, at time.Time) error {
	if c.Unit == nil {
		if s.left--; s.left < 0 {
			return idp.ErrUnavailable
		}
	}
	return s.Store.Apply(ctx, run, c, at)
}

func TestSync_InterruptedRunsGoOn(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		y.write(t, fedRows(500)...)
		guarded := &lockedPeople{People: &stopping{s, 200}}
		y.People = guarded
		if _, err := y.Do(t.Context(), y.source, "test"); !errors.Is(err, idp.ErrUnavailable) {
			t.Fatal(err)
		}
		if n := personCount(t, s); n != 200 {
			t.Errorf("%d people", n)
		}
		y.People = s
		// The feed is gone: what was planned is finished all the same.
		must(t, os.Remove(y.path))
		if _, err := y.Do(t.Context(), y.source, "test"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
		if n := personCount(t, s); n != 500 {
			t.Errorf("%d people", n)
		}
	})
}

// meddling changes somebody between the plan and its application.
type meddling struct {
	*Store
	meddle func()
}

func (m *meddling) Apply(ctx ctxt, run *sync.Run, c *directory.Change, at time.Time) error {
	m.meddle()
	return m.Store.Apply(ctx, run, c, at)
}

func TestSync_StaleChangesAreNotApplied(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		rows := fedRows(20)
		y.write(t, rows...)
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		y.write(t, append([]string{strings.Replace(rows[0], "科員", "科長", 1)}, rows[1:]...)...)
		planned, err := y.Plan(t.Context(), y.source, "test")
		must(t, err)
		a, err := s.Account(t.Context(), "user0")
		must(t, err)
		y.People = &meddling{s, func() { must(t, s.SetState(t.Context(), a.PersonID, idp.PersonDisabled, y.tick().Add(time.Second))) }}
		run, err := y.Confirm(t.Context(), y.source, planned.Plan, "test")
		if err != nil || run.Summary.Failed != 1 {
			t.Fatalf("%+v %v", run, err)
		}
		if p, _ := s.Person(t.Context(), a.PersonID); p.Title != "科員" || p.State != idp.PersonDisabled {
			t.Errorf("%+v", p)
		}
		h, _ := s.History(t.Context(), a.PersonID, 9)
		for _, e := range h {
			if e.Kind == string(directory.ChangeUpdate) {
				t.Errorf("history of what never was: %+v", h)
			}
		}
	})
}

func TestSync_TwoNodesAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s, other := d.open(t), d.open(t)
		y := newSyncer(t, s)
		y.write(t, fedRows(400)...)
		answers := together(4, func(i int) error {
			r := *y.Runner
			r.Holder, r.Now = "node"+strconv.Itoa(i), time.Now
			if i%2 == 1 {
				r.People, r.Runs, r.Leases = other, other, other
			}
			return r.IfDue(t.Context(), time.Hour, y.source)
		})
		for _, err := range answers {
			must(t, err)
		}
		runs, err := s.Runs(t.Context(), "hr", 10)
		if err != nil || len(runs) != 1 || runs[0].State != sync.Done || runs[0].Summary.Failed != 0 {
			t.Errorf("%+v %v", runs, err)
		}
		if n := personCount(t, s); n != 400 {
			t.Errorf("%d people", n)
		}
	})
}

func TestLease(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		take := func(holder string, at time.Time) bool {
			mine, err := s.TakeLease(t.Context(), "x", holder, at, at.Add(time.Minute))
			must(t, err)
			return mine
		}
		if !take("a", noon) || take("b", noon.Add(59*time.Second)) || !take("a", noon.Add(30*time.Second)) || !take("b", noon.Add(90*time.Second)) {
			t.Error("lease")
		}
		must(t, s.DropLease(t.Context(), "x", "a"))
		if holder, _ := s.LeaseHolder(t.Context(), "x", noon.Add(91*time.Second)); holder != "b" {
			t.Errorf("held by %q", holder)
		}
	})
}

func TestSingleNames(t *testing.T) {
	n := 2000
	if os.Getenv("STORE_CITY") != "" {
		n = 80_000
	}
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		started := time.Now()
		names, err := directory.DrawSingleNames(t.Context(), s, n, noon)
		must(t, err)
		t.Logf("%d names in %v", n, time.Since(started))
		seen := map[string]bool{}
		for _, name := range names {
			if seen[name] || !directory.FitSingleName(name) {
				t.Fatalf("%q twice or unfit", name)
			}
			seen[name] = true
			if n > 5000 {
				continue
			}
			if free, err := s.ClaimName(t.Context(), name, noon); err != nil || free {
				t.Fatalf("%q given again: %v", name, err)
			}
		}
	})
}
