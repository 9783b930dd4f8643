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
	huge := strings.Repeat("a name that needs pages of its own ", 10_000)
	fails := errors.New("the first one fails")
	for name, full := range map[string]struct {
		first error // of the write before
		write func(s *Store) error
	}{
		"one statement": {nil, func(s *Store) error { return s.all(t.Context(), []statement{with(claimName, huge, micros(noon))}) }},
		"the second of two": {nil, func(s *Store) error {
			return s.write(t.Context(), func(r runner) error { return claimed(r, "small", huge) })
		}},
		"one statement that comes first": {fails, func(s *Store) error { return s.all(t.Context(), []statement{with(claimName, huge, micros(noon))}) }},
		"the first that comes to something": {fails, func(s *Store) error {
			return s.write(t.Context(), func(r runner) error { return claimed(r, "small", huge) })
		}},
	} {
		t.Run(name, func(t *testing.T) { besideAFullDisk(t, full.first, full.write) })
	}
}

func besideAFullDisk(t *testing.T, first error, full func(s *Store) error) {
	s := freshSQLite(t).open(t)
	var pages int64
	must(t, s.write(t.Context(), func(r runner) error { return r.row(with(`PRAGMA max_page_count = 1`), &pages) })) // no more than there are
	queue := s.engine.(*liteEngine).queue
	begun, release := make(chan struct{}), make(chan struct{})
	answers := make(chan error, 4)
	submit := func(waiting int, write func() error) {
		go func() { answers <- write() }()
		for len(queue) < waiting {
			time.Sleep(time.Millisecond)
		}
	}
	submit(0, func() error {
		return s.write(t.Context(), func(r runner) error {
			close(begun)
			<-release
			return errors.Join(first, claimed(r, "first"))
		})
	})
	<-begun
	submit(1, func() error { return full(s) })
	submit(2, func() error { return s.write(t.Context(), func(r runner) error { return claimed(r, "one", "two") }) })
	submit(3, func() error { return s.all(t.Context(), []statement{with(claimName, "three", micros(noon))}) })
	close(release)
	for range 4 {
		if err := <-answers; !errors.Is(err, idp.ErrUnavailable) {
			t.Errorf("told %v", err)
		}
	}
	if n := namesKept(t, s); n != 0 {
		t.Errorf("%d names are kept", n)
	}
	// With room again the writer goes on.
	must(t, s.write(t.Context(), func(r runner) error { return r.row(with(`PRAGMA max_page_count = 1000000`), &pages) }))
	must(t, s.write(t.Context(), func(r runner) error { return claimed(r, "one", "two") }))
	if n := namesKept(t, s); n != 2 {
		t.Errorf("%d", n)
	}
}
