package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	idp "taipeion.internal/idp"
)

// AccountState is what the helpdesk sees of a person's login.
type AccountState struct {
	Person      *idp.Person
	Accounts    []idp.Account
	Failures    int       // within the window
	LockedUntil time.Time // zero: not locked, neither here nor in a directory
	Unasked     bool      // a directory did not answer: its lock is not in LockedUntil
}

// ErrReason says that an unlock needs a reason.
var ErrReason = errors.New("a reason is required")

// State finds the person behind any spelling of a name; idp.ErrNotFound.
func (g *Gate) State(ctx context.Context, name string) (*AccountState, error) {
	account, err := g.Accounts.Account(ctx, g.Names.Normalize(name))
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	s := &AccountState{}
	if s.Person, err = g.Accounts.Person(ctx, account.PersonID); err != nil {
		return nil, fmt.Errorf("find person: %w", err)
	}
	if s.Accounts, err = g.Accounts.AccountsOf(ctx, account.PersonID); err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	// A spelling can be locked by itself, where the person is not.
	for _, key := range g.keysOf(s) {
		until, failures, err := g.Tries.LockedUntil(ctx, key, g.Now(), g.Rules)
		if err != nil {
			return nil, fmt.Errorf("read lock: %w", err)
		}
		if until.After(s.LockedUntil) {
			s.LockedUntil = until
		}
		s.Failures = max(s.Failures, failures)
	}
	if err := g.askLockers(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

// keysOf lists the counters of a person, of their one-time codes and of all their
// names.
func (g *Gate) keysOf(s *AccountState) []string {
	keys := []string{g.personKey(s.Person.ID)}
	if g.Codes != nil {
		keys = append(keys, g.Codes(s.Person.ID))
	}
	for _, a := range s.Accounts {
		keys = append(keys, g.nameKey(g.Names.Normalize(a.Name)))
	}
	return keys
}

// askLockers makes the locks of the person's directories part of the state: a
// person's lock is one.
func (g *Gate) askLockers(ctx context.Context, s *AccountState) error {
	lockers, err := g.lockers(ctx, s.Accounts)
	if err != nil {
		return err
	}
	for _, l := range lockers {
		until, err := l.LockedUntil(ctx, l.account)
		if errors.Is(err, idp.ErrNotFound) {
			continue
		}
		if err != nil {
			g.Logger.WarnContext(ctx, "a directory does not tell its lock", "error", err)
			s.Unasked = true
			continue
		}
		if until.After(s.LockedUntil) {
			s.LockedUntil = until
		}
	}
	return nil
}

// openLockers opens the locks of the person's directories.
func (g *Gate) openLockers(ctx context.Context, accounts []idp.Account) error {
	lockers, err := g.lockers(ctx, accounts)
	if err != nil {
		return err
	}
	for _, l := range lockers {
		if err := l.Unlock(ctx, l.account); err != nil && !errors.Is(err, idp.ErrNotFound) {
			return fmt.Errorf("unlock in the directory: %w", err)
		}
	}
	return nil
}

// Unlock opens a locked person before the time, on record: the person's counters,
// those of all their names, and the locks of their directories, these first: if
// one can't be opened, none of ours is. Unlocking who is not locked is no error.
func (g *Gate) Unlock(ctx context.Context, name, actor, reason string) (*AccountState, error) {
	reason, err := Reason(reason)
	if err != nil {
		return nil, err
	}
	s, err := g.State(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := g.Accounts.MayUnlock(ctx, actor, s.Person.ID); err != nil {
		return nil, fmt.Errorf("unlock: %w", err)
	}
	if err := g.openLockers(ctx, s.Accounts); err != nil {
		return nil, err
	}
	e := idp.Event{
		At: g.Now(), Kind: "account.unlock", Result: "ok", PersonID: s.Person.ID, Actor: actor,
		Detail: strings.TrimSpace(reason), RequestID: idp.OriginFrom(ctx).RequestID,
	}
	if err := g.Tries.Unlock(ctx, g.keysOf(s), e); err != nil {
		return nil, fmt.Errorf("unlock: %w", err)
	}
	s.LockedUntil, s.Failures, s.Unasked = time.Time{}, 0, false
	return s, nil
}

// UnlockName opens a name that no account here has, on record: attempts to bind a
// TPEAD account that nobody has claimed yet lock it by its name alone.
// idp.ErrNotFound if nobody failed on it; idp.ErrConflict if it is a person's.
// Its directory's own lock stays: an account that is nobody's here is not ours to open.
func (g *Gate) UnlockName(ctx context.Context, name, actor, reason string) error {
	reason, err := Reason(reason)
	if err != nil {
		return err
	}
	normal := g.Names.Normalize(name)
	switch _, err = g.Accounts.Account(ctx, normal); {
	case err == nil:
		return fmt.Errorf("the name is a person's: %w", idp.ErrConflict)
	case !errors.Is(err, idp.ErrNotFound):
		return fmt.Errorf("find account: %w", err)
	}
	keys := []string{g.nameKey(normal), g.key("nobody", normal)}
	tried := false
	for _, key := range keys {
		until, failures, err := g.Tries.LockedUntil(ctx, key, g.Now(), g.Rules)
		if err != nil {
			return fmt.Errorf("read lock: %w", err)
		}
		tried = tried || failures > 0 || !until.IsZero()
	}
	if !tried {
		return fmt.Errorf("find account: %w", idp.ErrNotFound)
	}
	e := idp.Event{
		At: g.Now(), Kind: "account.unlock", Result: "ok", Actor: actor,
		Detail: normal + ": " + strings.TrimSpace(reason), RequestID: idp.OriginFrom(ctx).RequestID,
	}
	if err := g.Tries.Unlock(ctx, keys, e); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// PersonLocked returns the end of a person's lock here, zero if there is none.
// Cards and phones ask it where Rules.All is set; they go on when a directory
// is away, so none is asked.
func (g *Gate) PersonLocked(ctx context.Context, personID string) (time.Time, error) {
	until, _, err := g.Tries.LockedUntil(ctx, g.personKey(personID), g.Now(), g.Rules)
	if err != nil {
		return time.Time{}, fmt.Errorf("read lock: %w", err)
	}
	return until, nil
}
