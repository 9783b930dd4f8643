package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// world is two nodes on one database, with a doer that tests steer.
type world struct {
	*testing.T
	dbs   [2]*store.Store
	boxes [2]*outbox.Box

	mu   sync.Mutex
	now  time.Time
	done map[string]int // by subject
	fail map[string]error
	hang chan struct{}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Do counts what it is asked.
func (w *world) Do(_ context.Context, m outbox.Message) error {
	w.mu.Lock()
	w.done[m.Subject]++
	err, hang := w.fail[m.Subject], w.hang
	w.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if err != nil && err.Error() == "panic" {
		panic("a doer that trips")
	}
	return err
}

func (w *world) count(subject string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done[subject]
}

func onBoth(t *testing.T, test func(w *world)) {
	t.Helper()
	for name, options := range map[string]func(t *testing.T) store.Options{
		"sqlite":   func(t *testing.T) store.Options { return storetest.SQLite(t) },
		"postgres": func(t *testing.T) store.Options { return storetest.PostgreSQL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), done: map[string]int{}, fail: map[string]error{}}
			o := options(t)
			o.Now = w.clock
			for i := range w.dbs {
				db, err := store.Open(t.Context(), o)
				w.must(err)
				t.Cleanup(func() { db.Close() })
				w.dbs[i] = db
				w.boxes[i] = &outbox.Box{Store: db, Doers: map[string]outbox.Doer{outbox.KindMail: w}, Now: w.clock, Every: 5 * time.Millisecond}
			}
			w.must(w.dbs[0].PutPerson(t.Context(), directory.Record{
				Person:         idp.Person{ID: "p", Subject: "s", Name: "n", Agency: idp.Agency{Code: "1", Name: "a"}, State: idp.PersonEnabled},
				NationalIDHash: []byte("h"),
			}))
			test(w)
		})
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// post keeps a message with a change, as the product does.
func (w *world) post(subject string) {
	w.Helper()
	m := outbox.NewMail("a@example.gov.tw", subject, "text", w.clock())
	e := &devicebind.Enrolment{ID: []byte(m.ID), PersonID: "p", SessionID: m.ID, CreatedAt: w.clock(), EndsAt: w.clock()}
	w.must(w.dbs[0].CreateEnrolment(w.Context(), e, devicebind.With{Mail: []outbox.Message{m}}))
}

func (w *world) once(i int) int {
	w.Helper()
	n, err := w.boxes[i].Once(w.Context())
	w.must(err)
	return n
}

func TestBox_DoesOnce(t *testing.T) {
	onBoth(t, func(w *world) {
		for i := range 40 {
			w.post(fmt.Sprint(i))
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for {
					if n, err := w.boxes[i%2].Once(w.Context()); n == 0 || err != nil {
						return
					}
				}
			})
		}
		all.Wait()
		for i := range 40 {
			if n := w.count(fmt.Sprint(i)); n != 1 {
				w.Fatalf("message %d done %d times", i, n)
			}
		}
		w.later(100 * time.Hour)
		if w.once(0) != 0 {
			w.Fatal("something is left")
		}
	})
}

// A process that is killed after it took a message says nothing any more.
func TestBox_KilledWhileAtIt(t *testing.T) {
	onBoth(t, func(w *world) {
		w.post("a")
		taken, err := w.dbs[0].TakeMessages(w.Context(), "dead", w.clock(), w.clock().Add(time.Minute), 10)
		w.must(err)
		if len(taken) != 1 || w.once(1) != 0 {
			w.Fatal("somebody else took what is leased")
		}
		w.later(time.Minute + time.Second)
		if w.once(1) != 1 || w.count("a") != 1 {
			w.Fatal("nobody took it over")
		}
		// The dead one wakes up.
		for _, late := range []error{w.dbs[0].MessageDone(w.Context(), taken[0].ID, "dead"), w.dbs[0].MessageLater(w.Context(), taken[0].ID, "dead", w.clock()),
			w.dbs[0].MessageGivenUp(w.Context(), taken[0].ID, "dead", w.clock())} {
			if !errors.Is(late, idp.ErrConflict) {
				w.Fatal(late)
			}
		}
	})
}

func TestBox_BacksOff(t *testing.T) {
	onBoth(t, func(w *world) {
		w.fail["a"] = errors.New("refused for now")
		w.post("a")
		w.post("b")
		w.once(0)
		last := time.Duration(0)
		for try := 2; try <= 6; try++ {
			start := w.clock()
			for w.count("a") < try {
				w.later(time.Second)
				w.once(try % 2)
			}
			waited := w.clock().Sub(start)
			if waited < 10*time.Second || waited < last*3/2 || waited > 5*time.Minute {
				w.Fatalf("before try %d it waited %v, before that %v", try, waited, last)
			}
			last = waited
		}
		if w.count("b") != 1 {
			w.Fatal("one message held another up")
		}
	})
}

func TestBox_GivesUp(t *testing.T) {
	onBoth(t, func(w *world) {
		w.fail["never"] = fmt.Errorf("no such mailbox: %w", outbox.ErrPermanent)
		w.fail["old"] = errors.New("not today")
		w.fail["trips"] = errors.New("panic")
		for _, m := range []string{"never", "old", "trips"} {
			w.post(m)
		}
		w.once(0)
		w.later(73 * time.Hour)
		w.once(1)
		w.later(100 * time.Hour)
		if w.once(0) != 0 || w.count("never") != 1 || w.count("old") != 2 || w.count("trips") != 2 {
			w.Fatal(w.done)
		}
		deleted, err := w.dbs[0].Prune(w.Context(), w.clock().Add(31*24*time.Hour))
		w.must(err)
		if deleted < 3 {
			w.Fatal(deleted)
		}
	})
}

func TestBox_RunFinishesWhatIsUnderWay(t *testing.T) {
	onBoth(t, func(w *world) {
		w.post("a")
		w.hang = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.boxes[0].Run(ctx); close(done) }()
		for w.count("a") == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
		close(w.hang)
		<-done
		w.later(time.Hour)
		if w.once(1) != 0 {
			w.Fatal("it was not settled")
		}
	})
}
