package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
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

// Live is what a Watch needs of the store.
type Live interface {
	// LivePeople lists people who have a session or tokens, by ID, after one; not
	// those who are closed already.
	LivePeople(ctx context.Context, after string, now time.Time, limit int) ([]string, error)
	// ClosedPeople lists those of ClosePerson, by ID, after one.
	ClosedPeople(ctx context.Context, after string, limit int) ([]string, error)
	// VanishedPeople counts those of ClosePerson since then with an event of that detail.
	VanishedPeople(ctx context.Context, since time.Time, detail string) (int, error)
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

const watchLease = "directory/watch"

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

// IfDue sweeps if nobody did lately. The lease is nobody's: it is how long ago
// somebody did.
func (w *Watch) IfDue(ctx context.Context, every time.Duration) (ended int, err error) {
	mine, err := w.Leases.TakeLease(ctx, watchLease, rand.Text(), w.Now(), w.Now().Add(every*2/5))
	if err != nil || !mine {
		return 0, err
	}
	ended, err = w.Sweep(ctx)
	if ended > 0 {
		w.Logger.WarnContext(ctx, "people vanished from their directory", "people", ended)
	}
	return ended, err
}

// Sweep goes through all who are logged in and all who are closed, once, and
// returns how many lost their sessions. Of a directory that does not answer
// nothing is concluded: that is the error.
func (w *Watch) Sweep(ctx context.Context) (ended int, err error) {
	live := 0
	var shut, gone []string
	unasked := w.each(ctx, func(after string) ([]string, error) {
		return w.Live.LivePeople(ctx, after, w.Now(), watchAtOnce)
	}, func(id string, s watched) {
		switch live++; {
		case s.closed() && s.shut == s.asked:
			shut = append(shut, id)
		case s.closed():
			gone = append(gone, id)
		}
	})
	if len(gone) > 0 {
		before, err := w.Live.VanishedPeople(ctx, w.Now().Add(-24*time.Hour), notThere)
		if err != nil {
			return 0, fmt.Errorf("count who vanished: %w", err)
		}
		if before+len(gone) > w.Most(live+before) {
			w.Logger.ErrorContext(ctx, "so many accounts vanished from their directory that nobody's session is ended", "gone", len(gone), "today", before, "live", live)
			gone = nil
		}
	}
	if ended, err = w.close(ctx, shut, closedThere); err != nil {
		return ended, err
	}
	vanished, err := w.close(ctx, gone, notThere)
	if ended += vanished; err != nil {
		return ended, err
	}
	return ended, errors.Join(unasked, w.reopen(ctx))
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

// watched is what directories say of a person.
type watched struct {
	asked   int  // accounts in directories that answered
	shut    int  // those of them that are there, and closed
	open    bool // one of them is open
	unknown bool // a directory did not answer
}

func (s watched) closed() bool { return s.asked > 0 && !s.open && !s.unknown }

// each gives everybody of a list, page by page, with what directories say.
func (w *Watch) each(ctx context.Context, list func(after string) ([]string, error), yield func(id string, s watched)) error {
	var unasked error
	for after := ""; ; {
		people, err := list(after)
		if err != nil {
			return fmt.Errorf("list people: %w", err)
		}
		if len(people) == 0 {
			return unasked
		}
		found, err := w.ask(ctx, people, &unasked)
		if err != nil {
			return err
		}
		for _, id := range people {
			yield(id, found[id])
		}
		after = people[len(people)-1]
	}
}

// ask asks the directories about the people's accounts. One that does not answer
// is noted in unasked.
func (w *Watch) ask(ctx context.Context, people []string, unasked *error) (map[string]watched, error) {
	by := map[Watched][]idp.Account{}
	for _, id := range people {
		accounts, err := w.Gate.Accounts.AccountsOf(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		for _, a := range accounts {
			if a.Closed && a.MustSet {
				continue // given here, and not made there: that it is missing says nothing of its person
			}
			b, err := w.Gate.backend(ctx, a)
			if err != nil {
				return nil, err
			}
			if b, ok := b.(Watched); ok {
				by[b] = append(by[b], a)
			}
		}
	}
	found := map[string]watched{}
	for b, accounts := range by {
		still, err := b.Open(ctx, accounts)
		if err != nil && *unasked == nil {
			*unasked = fmt.Errorf("ask who is open: %w", err)
		}
		for _, a := range accounts {
			s := found[a.PersonID]
			if err != nil {
				s.unknown = true
			} else {
				s.asked++
			}
			found[a.PersonID] = s
		}
		var shut []idp.Account
		if s, ok := b.(Shutter); ok && err == nil && len(still) < len(accounts) {
			if shut, err = s.Shut(ctx, accounts); err != nil {
				return nil, fmt.Errorf("ask who is closed: %w", err)
			}
		}
		for _, a := range shut {
			s := found[a.PersonID]
			s.shut++
			found[a.PersonID] = s
		}
		for _, a := range still {
			s := found[a.PersonID]
			s.open = s.open || err == nil
			found[a.PersonID] = s
		}
	}
	return found, nil
}
