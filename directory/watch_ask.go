package directory

import (
	"context"
	"fmt"

	idp "taipeion.internal/idp"
)

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
		found, err := w.ask(ctx, people, false, &unasked)
		if err != nil {
			return err
		}
		for _, id := range people {
			yield(id, found[id])
		}
		after = people[len(people)-1]
	}
}

// ask asks the directories about the people's accounts, anywhere: each server of
// them. One that does not answer is noted in unasked.
func (w *Watch) ask(ctx context.Context, people []string, anywhere bool, unasked *error) (map[string]watched, error) {
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
		open, shut, err := look(ctx, b, accounts, anywhere)
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
		if err != nil {
			continue
		}
		for _, a := range shut {
			s := found[a.PersonID]
			s.shut++
			found[a.PersonID] = s
		}
		for _, a := range open {
			s := found[a.PersonID]
			s.open = true
			found[a.PersonID] = s
		}
	}
	return found, nil
}

// look asks one directory which of the accounts are open, and which are there and
// closed.
func look(ctx context.Context, b Watched, accounts []idp.Account, anywhere bool) (open, shut []idp.Account, err error) {
	if t, ok := b.(Thorough); ok && anywhere {
		return t.Anywhere(ctx, accounts)
	}
	if open, err = b.Open(ctx, accounts); err != nil {
		return nil, nil, err
	}
	if s, ok := b.(Shutter); ok && len(open) < len(accounts) {
		shut, err = s.Shut(ctx, accounts)
	}
	return open, shut, err
}
