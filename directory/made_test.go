package directory_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// showing is a scripted directory that shows whose an account is.
type showing struct{ *scripted }

func (s showing) Describe(_ context.Context, a idp.Account, _ directory.Description) error {
	return s.do("describe", a)
}

func (s showing) Differs(context.Context, idp.Account, directory.Description) ([]directory.FieldChange, error) {
	return nil, nil
}

// passShowing is pass with a directory that shows.
func (w *telling) passShowing(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	teller := &directory.Teller{
		Effects: w.st, Doors: w.st, Now: func() time.Time { return w.now }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Gate: &directory.Gate{Accounts: w.st, Routes: []directory.Route{{Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}, Backend: showing{w.dir}}}},
	}
	for {
		n, err := teller.Once(w.t.Context())
		w.must(err)
		if n == 0 {
			return
		}
	}
}

func (w *telling) provision() (name string) {
	w.t.Helper()
	w.must(w.st.PutPerson(w.t.Context(), directory.Record{
		Person:   idp.Person{ID: "p2", Subject: "p2", Name: "陳小美", State: idp.PersonEnabled, UpdatedAt: noon},
		Accounts: []idp.Account{{Name: "chen", Kind: idp.AccountPortal}}, NationalIDHash: []byte("h2"),
	}))
	jobs := &directory.Job{Store: w.st, Now: func() time.Time { return w.now }, Actor: "test"}
	w.must(jobs.Provision(w.t.Context(), func(o directory.Outcome) { name = o.Account }))
	return name
}

// TestTeller_MakesAnAccountThatItCantDescribe: what an entry shows is no reason to
// give its person another name, or none.
func TestTeller_MakesAnAccountThatItCantDescribe(t *testing.T) {
	for _, fault := range []error{idp.ErrNotFound, idp.ErrConflict, errors.New("a schema of its own")} {
		w := newTelling(t)
		name := w.provision()
		w.dir.refuse["describe"] = fault
		w.passShowing(time.Second)
		w.passShowing(0)
		if _, facts, err := w.st.NameFacts(t.Context(), name); err != nil || facts.Kind != idp.AccountSingle || facts.Closed {
			t.Errorf("%v: %+v %v", fault, facts, err)
		}
		if told := strings.Join(w.dir.told, ", "); strings.Count(told, "make ") != 1 || !strings.Contains(told, "make "+name) {
			t.Errorf("%v: told %s", fault, told)
		}
		w.dir.refuse = nil
		list, err := w.st.ListEffects(t.Context(), "p2", false, 9)
		if err != nil || len(list) != 1 || list[0].Kind != directory.EffectUpdate || list[0].Account != name {
			t.Fatalf("%v: %+v %v", fault, list, err)
		}
		w.must(w.st.RetryEffect(t.Context(), list[0].ID, w.now))
		w.passShowing(time.Hour)
		if w.counts() != "0 waiting, 0 failed" {
			t.Errorf("%v: %s", fault, w.counts())
		}
	}
}

// TestMend_MakesAnAccountThatCouldNotBeMade: it can't be opened before.
func TestMend_MakesAnAccountThatCouldNotBeMade(t *testing.T) {
	w := newTelling(t)
	name := w.provision()
	w.dir.refuse["make"] = idp.ErrNotFound
	w.pass(time.Second)
	if w.counts() != "0 waiting, 1 failed" {
		t.Fatal(w.counts())
	}
	w.dir.refuse = nil
	drift := []directory.Drift{{Account: name, Here: "open", There: "closed or missing", PersonID: "p2"}}
	if _, err := directory.Mend(t.Context(), w.st, drift, "operator:test"); err != nil {
		t.Fatal(err)
	}
	w.now = time.Now() // the store's own clock
	w.pass(time.Hour)
	_, facts, err := w.st.NameFacts(t.Context(), name)
	if err != nil || facts.Kind != idp.AccountSingle || facts.Closed || w.counts() != "0 waiting, 0 failed" {
		t.Errorf("%+v %v %s", facts, err, w.counts())
	}
	drift[0].PersonID = "p1"
	if _, err := directory.Mend(t.Context(), w.st, drift, "operator:test"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("another person's account: %v", err)
	}
}

// TestTeller_ClosingOvertakesARename where we know the entry: a rename that is
// refused keeps nobody's account open.
func TestTeller_ClosingOvertakesARename(t *testing.T) {
	for _, known := range []bool{false, true} {
		w := newTelling(t)
		jobs := &directory.Job{Store: w.st, Now: func() time.Time { return w.now }, Actor: "test"}
		var name string
		w.must(jobs.Rename(t.Context(), func(o directory.Outcome) { name = o.Account }))
		if known {
			w.must(w.st.KeepIdentity(t.Context(), "tpead", idp.Account{Name: name, PersonID: "p1"}, "entry", w.now))
			w.dir.closed[name] = false // by its identity it is found by any name
		}
		w.dir.refuse["rename"] = errors.New("unwilling to perform")
		w.pass(time.Second)
		w.set(idp.PersonDisabled)
		w.pass(time.Second)
		if w.dir.closed[name] != known {
			t.Errorf("known %v: closed %v", known, w.dir.closed)
		}
	}
}

// TestTeller_ShowsWhatWasChangedWhileDisabled once the person is enabled again.
func TestTeller_ShowsWhatWasChangedWhileDisabled(t *testing.T) {
	w := newTelling(t)
	w.set(idp.PersonDisabled)
	w.passShowing(time.Second)
	w.dir.told = nil
	w.set(idp.PersonEnabled)
	w.passShowing(time.Second)
	if told := strings.Join(w.dir.told, ", "); !strings.Contains(told, "describe geaa-1") {
		t.Errorf("told %s", told)
	}
}
