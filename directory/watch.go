package directory

import (
	"context"
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

// Live is what a Watch needs of the store.
type Live interface {
	// LivePeople lists people who have a session or tokens, by ID, after one.
	LivePeople(ctx context.Context, after string, now time.Time, limit int) ([]string, error)
	// EndPerson ends all sessions of a person and all tokens, also those that
	// outlive sessions.
	EndPerson(ctx context.Context, personID string, at time.Time, events ...idp.Event) error
}

// Watch ends the sessions and tokens of people whose account was disabled or
// removed in its directory since they logged in.
type Watch struct {
	Gate *Gate
	Live Live
	// Most is how many may lose their sessions in one go: more look like a
	// directory that lost people by mistake, and end nobody's.
	Most   func(live int) int
	Now    func() time.Time
	Logger *slog.Logger
}

// watchAtOnce is how many people are asked about at once.
const watchAtOnce = 200

// AFewOf is a Watch's usual limit: twenty, or a fiftieth of all.
func AFewOf(live int) int { return max(20, live/50) }

// Sweep goes through all who are logged in, once. Several nodes may do so at
// the same time.
func (w *Watch) Sweep(ctx context.Context) (ended int, err error) {
	after, live := "", 0
	var gone []string
	for {
		people, err := w.Live.LivePeople(ctx, after, w.Now(), watchAtOnce)
		if err != nil {
			return 0, fmt.Errorf("list who is logged in: %w", err)
		}
		found, err := w.closed(ctx, people)
		if err != nil {
			return 0, err
		}
		gone, live = append(gone, found...), live+len(people)
		if len(people) < watchAtOnce {
			break
		}
		after = people[len(people)-1]
	}
	if len(gone) > w.Most(live) {
		w.Logger.ErrorContext(ctx, "so many accounts vanished from their directory that nobody's session is ended", "gone", len(gone), "live", live)
		return 0, nil
	}
	for _, id := range gone {
		e := idp.Event{At: w.Now(), Kind: "directory.closed", Result: "ok", PersonID: id, Detail: "disabled or removed in its directory"}
		if err := w.Live.EndPerson(ctx, id, w.Now(), e); err != nil {
			return ended, fmt.Errorf("end a person's sessions: %w", err)
		}
		ended++
	}
	return ended, nil
}

// closed lists those of the people who have accounts in watched directories,
// and none that is open.
func (w *Watch) closed(ctx context.Context, people []string) ([]string, error) {
	asked := map[Watched][]idp.Account{}
	watched, open := map[string]bool{}, map[string]bool{}
	for _, id := range people {
		accounts, err := w.Gate.Accounts.AccountsOf(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		for _, a := range accounts {
			b, err := w.Gate.backend(ctx, a)
			if err != nil {
				return nil, err
			}
			if b, ok := b.(Watched); ok {
				asked[b], watched[id] = append(asked[b], a), true
			}
		}
	}
	for b, accounts := range asked {
		still, err := b.Open(ctx, accounts)
		if err != nil {
			return nil, fmt.Errorf("ask who is open: %w", err)
		}
		for _, a := range still {
			open[a.PersonID] = true
		}
	}
	var gone []string
	for _, id := range people {
		if watched[id] && !open[id] {
			gone = append(gone, id)
		}
	}
	return gone, nil
}
