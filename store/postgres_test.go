package store

import (
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// A database that goes away is unavailability, and nothing else; when it is
// back, so are we.
func TestPostgres_LosesItsConnections(t *testing.T) {
	d := freshPostgres(t)
	s, operator := d.open(t), d.open(t)
	addPerson(t, s, "p1")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 20 {
			var n int64
			operator.read(t.Context(), func(r runner) error {
				return r.row(with(`SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid()`), &n)
			})
			time.Sleep(10 * time.Millisecond)
		}
	}()
	answers := together(16, func(worker int) error {
		for i := int64(worker); ; i += 16 {
			select {
			case <-stop:
				return nil
			default:
			}
			_, _, readErr := s.Session(t.Context(), []byte("none"))
			for _, err := range []error{s.CreateGrant(t.Context(), codeGrant(i)), readErr} {
				if err != nil && !errors.Is(err, idp.ErrUnavailable) && !errors.Is(err, idp.ErrNotFound) {
					return err
				}
			}
		}
	})
	if _, failed := split(answers); len(failed) > 0 {
		t.Fatal(failed[0])
	}
	deadline := time.Now().Add(10 * time.Second)
	for s.Record(t.Context(), idp.Event{At: noon}) != nil || s.Ping(t.Context()) != nil {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
}

// Transactions that wait for one another are run again, not answered with an
// error: two sessions' ends and their grants in opposite order.
func TestPostgres_RunsADeadlockAgain(t *testing.T) {
	s := freshPostgres(t).open(t)
	for _, k := range []string{"a", "b"} {
		must(t, s.NoteSource(t.Context(), "s", k, noon))
	}
	met := make(chan struct{}, 2)
	errs := together(2, func(i int) error {
		order := [][]string{{"a", "b"}, {"b", "a"}}[i]
		first := true
		return s.write(t.Context(), func(r runner) error {
			for step, k := range order {
				if _, err := r.exec(with(noteSource, "s", k, int64(i))); err != nil {
					return err
				}
				if step == 0 && first {
					first = false
					met <- struct{}{}
					for len(met) < 2 {
						time.Sleep(time.Millisecond)
					}
				}
			}
			return nil
		})
	})
	if succeeded, failed := split(errs); succeeded != 2 {
		t.Fatal(failed)
	}
	if s.Stats().Retries == 0 {
		t.Fatal("they did not meet")
	}
}
