package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

func try(name, person string, after time.Duration) directory.Try {
	return directory.Try{NameKey: "name " + name, PersonKey: "person " + person, At: noon.Add(after), Rules: policy.CityLockout()}
}

func reserve(t testing.TB, s *Store, what directory.Try) *directory.Reservation {
	t.Helper()
	res, err := s.Reserve(t.Context(), what)
	must(t, err)
	return res
}

func state(t testing.TB, s *Store, key string, after time.Duration) (time.Time, int) {
	t.Helper()
	until, n, err := s.LockedUntil(t.Context(), key, noon.Add(after), policy.CityLockout())
	must(t, err)
	return until, n
}

func TestReserve_LocksAtTheFifth(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for i := range 5 {
			res := reserve(t, s, try("a", "p", time.Duration(i)*time.Second))
			if !res.May() || res.LocksName != (i == 4) || res.LocksPerson != (i == 4) {
				t.Fatalf("try %d: %+v", i, res)
			}
		}
		until := noon.Add(4*time.Second + 15*time.Minute)
		for _, after := range []time.Duration{4 * time.Second, time.Minute, 14*time.Minute + 59*time.Second, 15*time.Minute + 4*time.Second - time.Microsecond} {
			res := reserve(t, s, try("a", "p", after))
			if res.May() || !res.NameLockedUntil.Equal(until) || res.LocksName || res.LocksPerson {
				t.Fatalf("after %v: %+v", after, res)
			}
		}
		if got, n := state(t, s, "name a", time.Minute); !got.Equal(until) || n != 5 {
			t.Fatalf("locked until %v after %d: tries while locked must change nothing", got, n)
		}
		// It opens by itself, and what was before does not add up.
		if res := reserve(t, s, try("a", "p", 15*time.Minute+4*time.Second)); !res.May() || res.LocksName || res.LocksPerson {
			t.Fatalf("opened: %+v", res)
		}
	})
}

func TestReserve_TheWindowSlides(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		at := func(m float64) directory.Try { return try("a", "p", time.Duration(m*float64(time.Minute))) }
		// Four failures, then one when the first is just out of the window, then
		// one when five are within it.
		for _, m := range []float64{0, 5, 9, 14, 15, 19.9} {
			if res := reserve(t, s, at(m)); !res.May() || res.LocksPerson != (m == 19.9) {
				t.Fatalf("at %v: %+v", m, res)
			}
		}
		if res := reserve(t, s, at(20)); res.May() {
			t.Fatalf("%+v", res)
		}
	})
}

func TestReserve_EveryNumberOfFailures(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for limit := 1; limit <= policy.MaxTries; limit++ {
			for i := 1; i <= limit+1; i++ {
				what := try(fmt.Sprint(limit), fmt.Sprint(limit), time.Duration(i))
				what.Rules.MaxFailures = limit
				res := reserve(t, s, what)
				if res.May() != (i <= limit) || res.LocksName != (i == limit) || res.LocksPerson != (i == limit) {
					t.Fatalf("limit %d, try %d: %+v", limit, i, res)
				}
			}
		}
		for _, limit := range []int{0, -1, policy.MaxTries + 1} {
			what := try("x", "x", 0)
			what.Rules.MaxFailures = limit
			if _, err := s.Reserve(t.Context(), what); err == nil {
				t.Errorf("limit %d", limit)
			}
		}
	})
}

// Whichever of the two keys comes first in the order of locking.
func TestReserve_NameAndPerson(t *testing.T) {
	for _, order := range []string{"name first", "person first"} {
		t.Run(order, func(t *testing.T) {
			storeTest(t, func(t *testing.T, s *Store) {
				of := func(name string, after time.Duration) directory.Try {
					what := try(name, "p", after)
					if order == "person first" {
						what.NameKey, what.PersonKey = "z "+name, "a p"
					}
					return what
				}
				for i := range 5 {
					reserve(t, s, of("one", time.Duration(i)))
				}
				// Another spelling: the person is locked and left alone, the name counts on.
				person := of("two", 0).PersonKey
				before, n := state(t, s, person, time.Second)
				for i := range 5 {
					res := reserve(t, s, of("two", time.Duration(10+i)))
					if res.May() || !res.NameLockedUntil.IsZero() || !res.PersonLockedUntil.Equal(before) || res.LocksPerson || res.LocksName != (i == 4) {
						t.Fatalf("%d: %+v", i, res)
					}
				}
				if res := reserve(t, s, of("two", 20)); res.NameLockedUntil.IsZero() {
					t.Fatalf("%+v", res)
				}
				if until, after := state(t, s, person, time.Second); !until.Equal(before) || after != n {
					t.Fatalf("the person's counter moved: %v %d", until, after)
				}
				// The person's lock ends; the second name's, set later, still holds, and a
				// try under it counts for nobody.
				late := 15*time.Minute + 5*time.Nanosecond
				must(t, s.Unlock(t.Context(), []string{person}))
				if res := reserve(t, s, of("two", late-time.Minute)); res.May() {
					t.Fatalf("%+v", res)
				}
				if _, n := state(t, s, person, late); n != 0 {
					t.Fatalf("a locked name counted %d for the person", n)
				}
			})
		})
	}
}

func TestReserve_OneKeyForBoth(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for i := range 6 {
			what := try("a", "", time.Duration(i))
			what.PersonKey = what.NameKey
			res := reserve(t, s, what)
			if res.May() != (i < 5) || res.LocksName != (i == 4) {
				t.Fatalf("%d: %+v", i, res)
			}
		}
	})
}

// 500 at once over two nodes: exactly five are looked at, and a right password
// among them is not shown once another try has locked.
func TestT072_ParallelTriesGetExactlyFiveLooks(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		answers := together(500, func(i int) *directory.Reservation {
			return reserve(t, nodes[i%2], try(fmt.Sprint(i%3), "p", time.Duration(i)*time.Microsecond))
		})
		looks, locks := []*directory.Reservation{}, 0
		for _, res := range answers {
			if res.May() {
				looks = append(looks, res)
			}
			if res.LocksPerson {
				locks++
			}
		}
		if len(looks) != 5 || locks != 1 {
			t.Fatalf("%d looks, %d locks", len(looks), locks)
		}
		for _, res := range looks {
			err := nodes[0].Succeed(t.Context(), res, idp.Event{At: noon, Kind: "login"})
			if res.LocksPerson {
				continue
			}
			if !errors.Is(err, idp.ErrConflict) {
				t.Fatalf("a success after another try's lock: %v", err)
			}
		}
	})
}

func TestSucceed_Clears(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		// The very try that set the lock was right: its own lock goes.
		var res *directory.Reservation
		for i := range 5 {
			res = reserve(t, s, try("a", "p", time.Duration(i)))
		}
		must(t, s.Succeed(t.Context(), res, idp.Event{At: noon, Kind: "login"}))
		for _, key := range []string{"name a", "person p"} {
			if until, n := state(t, s, key, time.Second); !until.IsZero() || n != 0 {
				t.Fatalf("%s: %v %d", key, until, n)
			}
		}
		// Cleared already by somebody else: no conflict.
		must(t, s.Succeed(t.Context(), res))
		events, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(events) != 1 {
			t.Fatal(len(events))
		}
	})
}

func TestSucceed_NotUnderAnothersLock(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		right := reserve(t, s, try("a", "p", 0))
		for i := range 4 {
			reserve(t, s, try("b", "p", time.Duration(i+1)*time.Second)) // locks the person, not the name a
		}
		if err := s.Succeed(t.Context(), right, idp.Event{At: noon, Kind: "login"}); !errors.Is(err, idp.ErrConflict) {
			t.Fatal(err)
		}
		if until, n := state(t, s, "person p", 5*time.Second); until.IsZero() || n != 5 {
			t.Fatalf("the lock: %v %d", until, n)
		}
		if _, n := state(t, s, "name a", 5*time.Second); n != 1 {
			t.Fatalf("the name was cleared without the person: %d", n)
		}
		events, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(events) != 0 {
			t.Fatal("the event of a success that was not shown")
		}
		// An operator unlocks, somebody fails once more: that is no lock.
		must(t, s.Unlock(t.Context(), []string{"person p", "name a"}, idp.Event{At: noon, Kind: "unlock", Detail: "asked by telephone"}))
		reserve(t, s, try("a", "p", 6*time.Second))
		must(t, s.Succeed(t.Context(), right))
	})
}

func TestGiveBack_AsIfItHadNotBeen(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		var all []*directory.Reservation
		for i := range 5 {
			all = append(all, reserve(t, s, try("a", "p", time.Duration(i)*time.Second)))
		}
		// The third: without it there would be no lock.
		must(t, s.GiveBack(t.Context(), all[2]))
		for _, key := range []string{"name a", "person p"} {
			if until, n := state(t, s, key, time.Minute); !until.IsZero() || n != 4 {
				t.Fatalf("%s: %v %d", key, until, n)
			}
		}
		must(t, s.GiveBack(t.Context(), all[2])) // twice is once
		if _, n := state(t, s, "person p", time.Minute); n != 4 {
			t.Fatal(n)
		}
		// The fifth now locks again; it gives its own lock back.
		res := reserve(t, s, try("a", "p", 10*time.Second))
		if !res.LocksPerson {
			t.Fatalf("%+v", res)
		}
		must(t, s.GiveBack(t.Context(), res))
		if until, n := state(t, s, "person p", time.Minute); !until.IsZero() || n != 4 {
			t.Fatalf("%v %d", until, n)
		}
		// What was never counted can't be given back.
		for i := range 3 {
			res = reserve(t, s, try("a", "p", time.Duration(20+i)*time.Second))
		}
		if res.May() {
			t.Fatalf("%+v", res)
		}
		must(t, s.GiveBack(t.Context(), res))
		if until, n := state(t, s, "person p", time.Minute); until.IsZero() || n != 5 {
			t.Fatalf("%v %d", until, n)
		}
	})
}

func TestGiveBack_KeepsALockThatOthersEarned(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		early := reserve(t, s, try("a", "p", 0))
		for i := range 5 {
			// At sixteen minutes the early one is out of the window: five without it.
			reserve(t, s, try("b", "p", 15*time.Minute+time.Duration(i+1)*time.Second))
		}
		must(t, s.GiveBack(t.Context(), early))
		if until, n := state(t, s, "person p", 15*time.Minute+10*time.Second); until.IsZero() || n != 5 {
			t.Fatalf("%v %d", until, n)
		}
	})
}

func TestGiveBack_InTheSameMicrosecond(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		res := reserve(t, s, try("a", "p", 0))
		reserve(t, s, try("a", "p", 0))
		must(t, s.GiveBack(t.Context(), res))
		if _, n := state(t, s, "person p", time.Second); n != 1 {
			t.Fatal(n)
		}
	})
}

// An outage: all are counted before, all are given back, at once.
func TestGiveBack_RacedLeavesNothing(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		together(64, func(i int) error {
			res := reserve(t, s, try(fmt.Sprint(i%2), "p", time.Duration(i)*time.Microsecond))
			must(t, s.GiveBack(t.Context(), res))
			return nil
		})
		if until, n := state(t, s, "person p", time.Second); !until.IsZero() || n != 0 {
			t.Fatalf("%v %d", until, n)
		}
	})
}

func TestSources(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for i := range 20 {
			must(t, s.NoteSource(t.Context(), "192.0.2.1", fmt.Sprint("name", i%10), noon.Add(time.Duration(i)*time.Second)))
			must(t, s.NoteSource(t.Context(), "192.0.2.2", "name", noon))
		}
		for want, ask := range map[int]struct {
			since time.Duration
			limit int
		}{10: {0, 100}, 3: {0, 3}, 4: {16 * time.Second, 100}, 0: {time.Hour, 100}} {
			n, err := s.SourceNames(t.Context(), "192.0.2.1", noon.Add(ask.since), ask.limit)
			if err != nil || n != want {
				t.Errorf("%+v: %d %v", ask, n, err)
			}
		}
	})
}

// Nobody is let in because the counters can't be asked.
func TestT081_AClosedStoreRefuses(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		res := reserve(t, s, try("a", "p", 0))
		must(t, s.Close())
		must(t, s.Close())
		again, reserveErr := s.Reserve(t.Context(), try("a", "p", 0))
		_, _, lockedErr := s.LockedUntil(t.Context(), "person p", noon, policy.CityLockout())
		_, hashErr := s.PasswordHash(t.Context(), "p1")
		_, _, sessionErr := s.Session(t.Context(), []byte("t"))
		for name, err := range map[string]error{"reserve": reserveErr, "locked": lockedErr, "succeed": s.Succeed(t.Context(), res), "hash": hashErr,
			"session": sessionErr, "one": s.TouchSession(t.Context(), "s", noon), "ping": s.Ping(t.Context())} {
			if !errors.Is(err, idp.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if again != nil {
			t.Errorf("%+v", again)
		}
	})
}
