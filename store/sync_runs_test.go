package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	gosync "sync"
	"syscall"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/sync"
)

func (s *Store) count(t *testing.T, q query, args ...any) (n int64) {
	t.Helper()
	must(t, s.read(t.Context(), func(r runner) error { return r.row(with(q, args...), &n) }))
	return n
}

// A plan that asks every hour is kept once, and each run is on record.
func TestSync_TheSameQuestionIsKeptOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		rows := fedRows(200)
		y.write(t, rows...)
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		before := s.count(t, "SELECT COUNT(*) FROM sync_changes")
		y.write(t, append(rows[:150:150], "user199")...)
		var first, last *sync.Run
		for i := range 5 {
			run, err := y.Do(t.Context(), y.source, "test")
			if !errors.Is(err, sync.ErrAsks) {
				t.Fatal(err)
			}
			if i == 0 {
				first = run
			}
			last = run
		}
		if _, err := y.Plan(t.Context(), y.source, "test"); err != nil {
			t.Fatal(err)
		}
		if n := s.count(t, "SELECT COUNT(*) FROM sync_changes") - before; n != 49 {
			t.Errorf("%d changes are kept", n)
		}
		if n := s.count(t, "SELECT COUNT(*) FROM sync_runs WHERE state = 'asking'"); n != 6 || last.Plan != first.Plan || last.Summary.Like != first.ID {
			t.Errorf("%d runs: %+v", n, last)
		}
		if f, err := s.Faults(t.Context(), last.ID); err != nil || len(f) != 1 {
			t.Errorf("%+v %v", f, err)
		}
		// After a day it is kept anew: the first is going to be pruned.
		y.mu.Lock()
		y.now = y.now.Add(25 * time.Hour)
		y.mu.Unlock()
		if _, err := y.Confirm(t.Context(), y.source, last.Plan, "test"); !errors.Is(err, sync.ErrOutdated) {
			t.Errorf("a plan of yesterday: %v", err)
		}
		anew, err := y.Do(t.Context(), y.source, "test")
		if !errors.Is(err, sync.ErrAsks) || anew.Summary.Like != "" {
			t.Errorf("%+v %v", anew, err)
		}
		done, err := y.Confirm(t.Context(), y.source, anew.Plan, "test")
		if err != nil || done.State != sync.Done || s.disabledPeople(t) != 49 {
			t.Errorf("%+v %v", done, err)
		}
	})
}

// Plans go after a week, also when no run ever ends well, and what a killed process
// left of one.
func TestSync_OldPlansArePruned(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		rows := fedRows(100)
		y.write(t, rows...)
		_, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		must(t, s.PutRun(t.Context(), &sync.Run{ID: "killed", Source: "hr", State: sync.Replaced, StartedAt: y.tick()}))
		must(t, s.PutPlan(t.Context(), "killed", []directory.Change{{Kind: directory.ChangeUpdate, PersonID: "x"}}, nil))
		must(t, s.PutRun(t.Context(), &sync.Run{ID: "on", Source: "other", State: sync.Applying, StartedAt: y.tick()}))
		must(t, s.PutPlan(t.Context(), "on", []directory.Change{{Kind: directory.ChangeUpdate, PersonID: "x"}}, nil))
		must(t, os.Remove(y.path))
		y.mu.Lock()
		y.now = y.now.Add(8 * 24 * time.Hour)
		y.mu.Unlock()
		if _, err := y.Do(t.Context(), y.source, "test"); err == nil {
			t.Fatal("no feed")
		}
		if n := s.count(t, "SELECT COUNT(*) FROM sync_changes WHERE run_id <> 'on'"); n != 0 {
			t.Errorf("%d old changes", n)
		}
		if n := s.count(t, "SELECT COUNT(*) FROM sync_changes WHERE run_id = 'on'"); n != 1 {
			t.Error("the changes of a run that is under way are gone")
		}
	})
}

// What directories were told is forgotten after a month, what failed is not.
func TestPrune_EffectsThatAreDone(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		must(t, s.PutPerson(t.Context(), directory.Record{
			Person:   idp.Person{ID: "p1", Subject: "p1", Name: "王大明", State: idp.PersonEnabled, UpdatedAt: noon},
			Accounts: []idp.Account{{Name: "geaa-1", Kind: idp.AccountTPEAD}},
		}))
		for range 3 {
			must(t, s.SetState(t.Context(), "p1", idp.PersonDisabled, noon))
		}
		settle := []func(context.Context, string, string) error{
			func(ctx context.Context, id, lease string) error { return s.EffectDone(ctx, id, lease, "") },
			func(ctx context.Context, id, lease string) error { return s.EffectFailed(ctx, id, lease, "x") },
		}
		for _, by := range settle {
			list, err := s.TakeEffects(t.Context(), "l", noon, noon.Add(time.Hour), 1)
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v %v", list, err)
			}
			must(t, by(t.Context(), list[0].ID, "l"))
		}
		for _, at := range []struct {
			days int
			left int64
		}{{29, 3}, {31, 2}} {
			_, err := s.Prune(t.Context(), noon.AddDate(0, 0, at.days))
			must(t, err)
			if n := s.count(t, "SELECT COUNT(*) FROM directory_effects"); n != at.left {
				t.Errorf("after %d days: %d", at.days, n)
			}
		}
		if n := s.count(t, "SELECT COUNT(*) FROM directory_effects WHERE state <> 'done'"); n != 2 {
			t.Errorf("%d left", n)
		}
	})
}

// deafLeases lose their store after the lease was taken.
type deafLeases struct {
	*Store
	mu    gosync.Mutex
	taken bool
	hang  bool
}

func (l *deafLeases) TakeLease(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	l.mu.Lock()
	first := !l.taken
	l.taken = true
	l.mu.Unlock()
	if first {
		return l.Store.TakeLease(ctx, name, holder, now, until)
	}
	if l.hang {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return false, idp.ErrUnavailable
}

// slowPeople apply until their context ends.
type slowPeople struct{ *Store }

func (p slowPeople) Apply(ctx context.Context, _ *sync.Run, _ *directory.Change, _ time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("it went on without its lease")
	}
}

func TestSync_ARunThatCannotRenewItsLeaseEndsBeforeAnotherBegins(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		for _, hang := range []bool{false, true} {
			s := d.open(t)
			y := newSyncer(t, s)
			y.write(t, fedRows(3)...)
			y.Leases, y.People = &deafLeases{Store: s, hang: hang}, slowPeople{s}
			y.LeaseTime = 400 * time.Millisecond
			started := time.Now()
			_, err := y.Do(t.Context(), y.source, "test")
			if took := time.Since(started); !errors.Is(err, sync.ErrLease) || took > 20*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
			y.Leases = s
			_, err = s.one(t.Context(), with("DELETE FROM leases"))
			must(t, err)
		}
	})
}

// A source that hangs is given up.
func TestSync_ASourceThatHangsIsGivenUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		y := newSyncer(t, s)
		y.ReadTime = 200 * time.Millisecond
		y.source.People = hanging{}
		run, err := y.Do(t.Context(), y.source, "test")
		if !errors.Is(err, context.DeadlineExceeded) || run.State != sync.Failed || !strings.Contains(run.Summary.Error, "was not read within") {
			t.Errorf("%+v %v", run, err)
		}
		// What is no file is not waited for.
		path := filepath.Join(t.TempDir(), "pipe")
		must(t, syscall.Mkfifo(path, 0o600))
		y.ReadTime, y.source.People = time.Minute, feed.CSV{Path: path}
		if _, err := y.Do(t.Context(), y.source, "test"); !errors.Is(err, feed.ErrNoFile) {
			t.Errorf("%v", err)
		}
	})
}

type hanging struct{}

func (hanging) Each(context.Context, func(int, []string, string) error) error { select {} }

// A file that is written while it is read may be half of two.
func TestSync_AFileThatChangesWhileItIsReadIsNotTaken(t *testing.T) {
	y := &syncer{path: filepath.Join(t.TempDir(), "people.csv")}
	y.write(t, fedRows(3)...)
	seen := 0
	err := feed.CSV{Path: y.path}.Each(t.Context(), func(int, []string, string) error {
		if seen++; seen == 2 {
			f, err := os.OpenFile(y.path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString(fedRow(9) + "\n")
			must(t, errors.Join(err, f.Close()))
		}
		return nil
	})
	if !errors.Is(err, feed.ErrChanged) {
		t.Errorf("%v", err)
	}
	must(t, feed.CSV{Path: y.path}.Each(t.Context(), func(int, []string, string) error { return nil }))
}
