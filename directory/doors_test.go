package directory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// scripted is a directory of a few accounts that does what a test says.
type scripted struct {
	closed map[string]bool
	refuse map[string]error // by method
	told   []string
}

func (s *scripted) Check(context.Context, idp.Account, string) error { return directory.ErrWrong }

func (s *scripted) do(what string, a idp.Account) error {
	s.told = append(s.told, what+" "+a.Name)
	return s.refuse[what]
}

func (s *scripted) MakeAccount(_ context.Context, a idp.Account, _ string) error {
	err := s.do("make", a)
	if err == nil {
		s.closed[a.Name] = false
	}
	return err
}

func (s *scripted) RenameAccount(_ context.Context, a idp.Account, former string) error {
	err := s.do("rename", a)
	if err == nil {
		s.closed[a.Name] = s.closed[former]
		delete(s.closed, former)
	}
	return err
}

func (s *scripted) SwitchAccount(_ context.Context, a idp.Account, open bool) error {
	err := s.do(map[bool]string{true: "open", false: "close"}[open], a)
	if err == nil {
		s.closed[a.Name] = !open
	}
	return err
}

func (s *scripted) Closed(_ context.Context, a idp.Account) (bool, error) {
	closed, there := s.closed[a.Name]
	if !there {
		return false, idp.ErrNotFound
	}
	return closed, nil
}

// telling is a person with a TPEAD account, and a directory that is told.
type telling struct {
	t   *testing.T
	st  *store.Store
	dir *scripted
	now time.Time
}

func newTelling(t *testing.T) *telling {
	st, err := store.Open(t.Context(), storetest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	w := &telling{t: t, st: st, dir: &scripted{closed: map[string]bool{"geaa-1": false}, refuse: map[string]error{}}, now: noon}
	w.must(st.PutPerson(t.Context(), directory.Record{
		Person:   idp.Person{ID: "p1", Subject: "p1", Name: "王大明", State: idp.PersonEnabled, UpdatedAt: noon},
		Accounts: []idp.Account{{Name: "geaa-1", Kind: idp.AccountTPEAD}}, NationalIDHash: []byte("h"),
	}))
	return w
}

func (w *telling) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time pass, and everything that is due be told.
func (w *telling) pass(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	teller := &directory.Teller{
		Effects: w.st, Doors: w.st, Now: func() time.Time { return w.now }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Gate: &directory.Gate{Accounts: w.st, Routes: []directory.Route{{Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}, Backend: w.dir}}},
	}
	for {
		n, err := teller.Once(w.t.Context())
		w.must(err)
		if n == 0 {
			return
		}
	}
}

func (w *telling) set(state idp.PersonState) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	w.must(w.st.SetState(w.t.Context(), "p1", state, w.now))
}

func (w *telling) counts() string {
	w.t.Helper()
	waiting, failed, err := w.st.EffectCounts(w.t.Context())
	w.must(err)
	return fmt.Sprintf("%d waiting, %d failed", waiting, failed)
}

// Something that a directory never does holds back nobody's closing, and is no
// more tried after a while.
func TestTeller_ClosingOvertakesWhatIsRefused(t *testing.T) {
	w := newTelling(t)
	w.set(idp.PersonDisabled)
	w.pass(time.Second)
	w.set(idp.PersonEnabled)
	w.dir.refuse["open"] = errors.New("unwilling to perform")
	w.pass(time.Second)
	if w.counts() != "2 waiting, 0 failed" { // what is shown waits for it
		t.Fatal(w.counts())
	}
	w.dir.closed["geaa-1"] = false // by hand, in the directory
	w.set(idp.PersonDisabled)
	w.pass(time.Second)
	if !w.dir.closed["geaa-1"] {
		t.Error("still open")
	}
	// What was overtaken opens nothing when its turn comes.
	w.dir.refuse = map[string]error{}
	w.pass(2 * time.Hour)
	if !w.dir.closed["geaa-1"] || w.counts() != "0 waiting, 0 failed" {
		t.Errorf("open again: %s", w.counts())
	}
	w.dir.refuse["open"] = errors.New("unwilling to perform")
	w.set(idp.PersonEnabled)
	for range 30 {
		w.pass(2 * time.Hour)
	}
	if w.counts() != "0 waiting, 1 failed" {
		t.Error(w.counts())
	}
}

// A controller that is away is waited for however long it takes.
func TestTeller_WaitsForADirectoryThatIsAway(t *testing.T) {
	w := newTelling(t)
	w.dir.refuse["close"] = fmt.Errorf("no controller: %w", idp.ErrUnavailable)
	w.set(idp.PersonDisabled)
	for range 50 {
		w.pass(2 * time.Hour)
	}
	if w.counts() != "1 waiting, 0 failed" {
		t.Error(w.counts())
	}
	w.dir.refuse = nil
	w.pass(2 * time.Hour)
	if !w.dir.closed["geaa-1"] || w.counts() != "0 waiting, 0 failed" {
		t.Error(w.counts())
	}
}

// Whom the directory's own administrators closed, we don't open.
func TestTeller_OpensOnlyWhomWeClosed(t *testing.T) {
	w := newTelling(t)
	w.dir.closed["geaa-1"] = true // in the directory itself
	w.set(idp.PersonDisabled)
	w.pass(time.Second)
	w.set(idp.PersonEnabled)
	w.pass(time.Second)
	if !w.dir.closed["geaa-1"] || w.counts() != "0 waiting, 1 failed" {
		t.Errorf("%v %s", w.dir.closed, w.counts())
	}
	w.dir.closed["geaa-1"] = false
	w.set(idp.PersonDisabled)
	w.pass(time.Second)
	w.set(idp.PersonEnabled)
	w.pass(time.Second)
	if w.dir.closed["geaa-1"] {
		t.Error("we closed it, and did not open it again")
	}
	// It is not ours any more: the next closing is the directory's own.
	w.dir.closed["geaa-1"] = true
	w.set(idp.PersonEnabled)
	w.pass(time.Second)
	if !w.dir.closed["geaa-1"] {
		t.Error("opened by a note of long ago")
	}
}

// An account that is made after its person was disabled is closed.
func TestTeller_MakesNoOpenAccountForWhoIsDisabled(t *testing.T) {
	w := newTelling(t)
	w.must(w.st.PutPerson(t.Context(), directory.Record{
		Person:   idp.Person{ID: "p2", Subject: "p2", Name: "陳小美", State: idp.PersonEnabled, UpdatedAt: noon},
		Accounts: []idp.Account{{Name: "chen", Kind: idp.AccountPortal}}, NationalIDHash: []byte("h2"),
	}))
	var name string
	jobs := &directory.Job{Store: w.st, Now: func() time.Time { return w.now }, Actor: "test"}
	w.must(jobs.Provision(t.Context(), func(o directory.Outcome) { name = o.Account }))
	w.dir.refuse["make"] = fmt.Errorf("no controller: %w", idp.ErrUnavailable)
	w.pass(time.Second)
	w.now = w.now.Add(time.Second)
	w.must(w.st.SetState(t.Context(), "p2", idp.PersonDisabled, w.now))
	w.pass(time.Second)
	w.dir.refuse = nil
	w.pass(2 * time.Hour)
	if closed, there := w.dir.closed[name]; !there || !closed || w.counts() != "0 waiting, 0 failed" {
		t.Errorf("%q: %v, %s", name, w.dir.closed, w.counts())
	}
}
