package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

const countNames query = `SELECT COUNT(*) FROM used_names`

func namesKept(t *testing.T, s *Store) (n int64) {
	t.Helper()
	must(t, s.read(t.Context(), func(r runner) error { return r.row(with(countNames), &n) }))
	return n
}

func claimed(r runner, names ...string) error {
	for _, name := range names {
		if _, err := r.exec(with(claimName, name, micros(noon))); err != nil {
			return err
		}
	}
	return nil
}

// TestWrite_UndoesWhatItDid has writes fail after their first statement: alone in a
// commit, as its first, and after others that are kept.
func TestWrite_UndoesWhatItDid(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		late := errors.New("too late")
		write := func(i int) error {
			return s.write(t.Context(), func(r runner) error {
				if err := claimed(r, fmt.Sprint("name", i)); err != nil || i%3 != 0 {
					return err
				}
				return late
			})
		}
		errs := append([]error{write(0)}, together(119, func(i int) error { return write(i + 1) })...)
		for i, err := range errs {
			if (i%3 == 0) != errors.Is(err, late) || i%3 != 0 && err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		if n := namesKept(t, s); n != 80 {
			t.Errorf("%d are kept", n)
		}
	})
}

// TestWrite_NothingIsKeptBesideAFullDisk fills a commit by hand. SQLite may have ended
// the transaction by itself when the disk is full, and what came after would be kept
// in pieces.
func TestWrite_NothingIsKeptBesideAFullDisk(t *testing.T) {
	s := freshSQLite(t).open(t)
	var pages int64
	must(t, s.write(t.Context(), func(r runner) error { return r.row(with(`PRAGMA max_page_count = 1`), &pages) })) // no more than there are
	queue := s.engine.(*liteEngine).queue
	first := errors.New("the first one fails")
	begun := make(chan struct{})
	answers := make(chan error, 3)
	submit := func(waiting int, run func(r runner) error) {
		go func() { answers <- s.write(t.Context(), run) }()
		for len(queue) < waiting {
			time.Sleep(time.Millisecond)
		}
	}
	release := make(chan struct{})
	submit(0, func(r runner) error {
		close(begun)
		<-release
		return first
	})
	<-begun
	submit(1, func(r runner) error {
		return claimed(r, "small", strings.Repeat("a name that needs pages of its own ", 10_000))
	})
	submit(2, func(r runner) error { return claimed(r, "one", "two") })
	close(release)
	var full int
	for range 3 {
		if err := <-answers; errors.Is(err, idp.ErrUnavailable) {
			full++
		} else if !errors.Is(err, first) {
			t.Error(err)
		}
	}
	if n := namesKept(t, s); full != 2 || n != 0 {
		t.Errorf("%d were told that it can't be kept, and %d names are", full, n)
	}
	// With room again the writer goes on.
	must(t, s.write(t.Context(), func(r runner) error { return r.row(with(`PRAGMA max_page_count = 1000000`), &pages) }))
	must(t, s.write(t.Context(), func(r runner) error { return claimed(r, "one", "two") }))
	if n := namesKept(t, s); n != 2 {
		t.Errorf("%d", n)
	}
}
