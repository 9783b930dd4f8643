package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	idp "taipeion.internal/idp"
)

// Watched is a Backend that tells which accounts are still open in it.
type Watched interface {
	// Open returns those of the accounts that may log in there. An error says
	// nothing of any account.
	Open(ctx context.Context, accounts []idp.Account) ([]idp.Account, error)
}

// Shutter is a Watched that tells an account that is closed from one that is not
// there.
type Shutter interface {
	// Shut returns those of the accounts that are there, and closed.
	Shut(ctx context.Context, accounts []idp.Account) ([]idp.Account, error)
}

// Thorough is a Watched of several servers, which may not have heard the same.
type Thorough interface {
	// Anywhere asks each server that answers. It returns the accounts that are there
	// and closed on one of them, and those of the others that are open on one; an
	// error if none answers.
	Anywhere(ctx context.Context, accounts []idp.Account) (open, shut []idp.Account, err error)
}

// Live is what a Watch needs of the store.
type Live interface {
	// LivePeople lists people who have a session or tokens, by ID, after one; not
	// those who are closed already.
	LivePeople(ctx context.Context, after string, now time.Time, limit int) ([]string, error)
	// ClosedPeople lists those of ClosePerson, by ID, after one.
	ClosedPeople(ctx context.Context, after string, limit int) ([]string, error)
	// VanishedPeople counts those of ClosePerson since then with an event of that detail.
	VanishedPeople(ctx context.Context, since time.Time, detail string) (int, error)
	// MissPerson notes that a person was not found in their directory, and returns when
	// that was first so, without having been found since; a look before since is
	// forgotten, as there was none for too long.
	MissPerson(ctx context.Context, personID string, at, since time.Time) (first time.Time, err error)
	// MissedPeople lists those that were missed at first or before, and lately at last
	// or after, by ID, after one; not those who are closed already, or of whom a
	// directory is still to be told.
	MissedPeople(ctx context.Context, after string, first, last time.Time, limit int) ([]string, error)
	// FindPerson undoes MissPerson; there may be nothing to undo.
	FindPerson(ctx context.Context, personID string) error
	// ClosePerson makes a person disabled until ReopenPerson, and ends all their
	// sessions and all tokens, also those that outlive sessions.
	ClosePerson(ctx context.Context, personID string, at time.Time, events ...idp.Event) error
	// ReopenPerson undoes ClosePerson; idp.ErrConflict if there was nothing to undo.
	ReopenPerson(ctx context.Context, personID string, events ...idp.Event) error
}

// Watch turns away people whose account was disabled or removed in its directory
// since they logged in, by whatever they logged in, and lets them in again when it
// is open.
type Watch struct {
	Gate   *Gate
	Live   Live
	Leases Leases
	// Most is how many may vanish from their directories in a day: more look like a
	// directory that lost people by mistake, and end nobody's session. Whose account is
	// there and closed is always believed.
	Most   func(live int) int
	Now    func() time.Time
	Logger *slog.Logger
}

// watchAtOnce is how many people are asked about at once.
const watchAtOnce = 200

const (
	watchLease = "directory/watch"
	againLease = "directory/watch/again"
)

// AFewOf is a Watch's usual limit: three, or a fiftieth of all.
func AFewOf(live int) int { return max(3, live/50) }

// Why a person was closed: details of events.
const (
	closedThere = "disabled in its directory"
	notThere    = "not found in its directory"
)

// Run sweeps until ctx ends, on one node of all: whoever vanishes from a directory
// is turned away within every, also where the node that was sweeping ended.
func (w *Watch) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := w.IfDue(ctx, every); err != nil && ctx.Err() == nil {
			w.Logger.ErrorContext(ctx, "who is logged in was not held against the directories", "error", err.Error())
		}
	}
}

// IfDue sweeps if nobody did lately, and else looks once more at whom a sweep did not
// find. The leases are nobody's: they are how long ago somebody did.
func (w *Watch) IfDue(ctx context.Context, every time.Duration) (ended int, err error) {
	mine, err := w.Leases.TakeLease(ctx, watchLease, rand.Text(), w.Now(), w.Now().Add(every*2/5))
	switch {
	case err != nil:
		return 0, err
	case mine:
		ended, err = w.Sweep(ctx, every)
	default:
		ended, err = w.again(ctx, every)
	}
	if ended > 0 {
		w.Logger.WarnContext(ctx, "people vanished from their directory", "people", ended)
	}
	return ended, err
}

// apart is how long after the first look the second is at the earliest. A sweep is
// at most half of every after the last one; with this, and a tick of each, all of it
// is within every.
func apart(every time.Duration) time.Duration { return every / 5 }

// Sweep goes through all who are logged in and all who are closed, once, and
// returns how many lost their sessions. Whose account is there and closed loses them
// at once. Whose account is not found, or not within the filter, is only noted: the
// entry may be on its way to this controller. Who was not found a while ago either is
// looked for on every controller. Of a directory that does not answer nothing is
// concluded: that is the error.
func (w *Watch) Sweep(ctx context.Context, every time.Duration) (ended int, err error) {
	doubted := map[string]bool{}
	err = w.missed(ctx, w.Now(), w.Now().Add(-2*every), func(id string) { doubted[id] = true })
	if err != nil {
		return 0, err
	}
	live := 0
	var shut, gone, found []string
	unasked := w.each(ctx, func(after string) ([]string, error) {
		return w.Live.LivePeople(ctx, after, w.Now(), watchAtOnce)
	}, func(id string, s watched) {
		switch live++; {
		case s.closed() && s.shut == s.asked:
			shut = append(shut, id)
		case s.closed():
			gone = append(gone, id)
		case doubted[id] && !s.unknown:
			found = append(found, id)
		}
	})
	if ended, err = w.close(ctx, shut, closedThere); err != nil {
		return ended, err
	}
	for _, id := range found {
		if err := w.Live.FindPerson(ctx, id); err != nil {
			return ended, fmt.Errorf("note who was found: %w", err)
		}
	}
	var twice []string
	for _, id := range gone {
		first, err := w.Live.MissPerson(ctx, id, w.Now(), w.Now().Add(-2*every))
		if err != nil {
			return ended, fmt.Errorf("note who was not found: %w", err)
		}
		if !first.After(w.Now().Add(-apart(every))) {
			twice = append(twice, id)
		}
	}
	more, err := w.confirm(ctx, twice, func() (int, error) { return live, nil })
	return ended + more, errors.Join(unasked, err, w.reopen(ctx))
}

// again looks once more at whom the last sweep did not find. Later sweeps do so too.
func (w *Watch) again(ctx context.Context, every time.Duration) (ended int, err error) {
	var people []string
	err = w.missed(ctx, w.Now().Add(-apart(every)), w.Now().Add(-every/2), func(id string) { people = append(people, id) })
	if err != nil || len(people) == 0 {
		return 0, err
	}
	mine, err := w.Leases.TakeLease(ctx, againLease, rand.Text(), w.Now(), w.Now().Add(every/20))
	if err != nil || !mine {
		return 0, err
	}
	return w.confirm(ctx, people, func() (live int, err error) {
		for after := ""; ; {
			some, err := w.Live.LivePeople(ctx, after, w.Now(), 5*watchAtOnce)
			if err != nil || len(some) == 0 {
				return live, err
			}
			live, after = live+len(some), some[len(some)-1]
		}
	})
}

// missed gives those who were not found.
func (w *Watch) missed(ctx context.Context, first, last time.Time, yield func(id string)) error {
	for after := ""; ; {
		some, err := w.Live.MissedPeople(ctx, after, first, last, watchAtOnce)
		if err != nil {
			return fmt.Errorf("list who was not found: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
		for _, id := range some {
			yield(id)
		}
		after = some[len(some)-1]
	}
}

// confirm is the second look at people who were not found: on every controller that
// answers. Who is nowhere is turned away, unless so many are: then nobody is asked
// about a second time either, which would keep from the others for long.
func (w *Watch) confirm(ctx context.Context, people []string, live func() (int, error)) (ended int, err error) {
	if people, err = w.few(ctx, people, live); err != nil {
		return 0, err
	}
	var shut, gone []string
	var unasked error
	for part := range slices.Chunk(people, watchAtOnce) {
		found, err := w.ask(ctx, part, true, &unasked)
		if err != nil {
			return 0, err
		}
		for _, id := range part {
			switch s := found[id]; {
			case s.unknown:
			case s.closed() && s.shut == s.asked:
				shut = append(shut, id)
			case s.closed():
				gone = append(gone, id)
			default:
				if err := w.Live.FindPerson(ctx, id); err != nil {
					return 0, fmt.Errorf("note who was found: %w", err)
				}
			}
		}
	}
	if ended, err = w.close(ctx, shut, closedThere); err != nil {
		return ended, err
	}
	more, err := w.close(ctx, gone, notThere)
	return ended + more, errors.Join(unasked, err)
}

// few gives nobody where too many vanished.
func (w *Watch) few(ctx context.Context, gone []string, live func() (int, error)) ([]string, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	before, err := w.Live.VanishedPeople(ctx, w.Now().Add(-24*time.Hour), notThere)
	if err != nil {
		return nil, fmt.Errorf("count who vanished: %w", err)
	}
	all, err := live()
	if err != nil {
		return nil, fmt.Errorf("count who is logged in: %w", err)
	}
	if before+len(gone) > w.Most(all+before) {
		w.Logger.ErrorContext(ctx, "so many accounts vanished from their directory that nobody's session is ended", "gone", len(gone), "today", before, "live", all)
		return nil, nil
	}
	return gone, nil
}

// close turns people away.
func (w *Watch) close(ctx context.Context, people []string, why string) (ended int, err error) {
	for _, id := range people {
		e := idp.Event{At: w.Now(), Kind: "directory.closed", Result: "ok", PersonID: id, Detail: why}
		if err := w.Live.ClosePerson(ctx, id, w.Now(), e); err != nil {
			return ended, fmt.Errorf("end a person's sessions: %w", err)
		}
		ended++
	}
	return ended, nil
}

// reopen lets those in again whose account is open.
func (w *Watch) reopen(ctx context.Context) error {
	var back []string
	err := w.each(ctx, func(after string) ([]string, error) {
		return w.Live.ClosedPeople(ctx, after, watchAtOnce)
	}, func(id string, s watched) {
		if s.open || s.asked == 0 && !s.unknown {
			back = append(back, id)
		}
	})
	for _, id := range back {
		e := idp.Event{At: w.Now(), Kind: "directory.opened", Result: "ok", PersonID: id, Detail: "open in its directory again"}
		if err := w.Live.ReopenPerson(ctx, id, e); err != nil && !errors.Is(err, idp.ErrConflict) {
			return fmt.Errorf("let a person in again: %w", err)
		}
	}
	return err
}
