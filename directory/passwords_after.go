package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// After is what a right password does not open: Gate.After. Ages and start
// passwords are those of the account whose password is changed here. A password
// that the portal keeps has neither; by it the owner sets the first password of a
// bound account, as long as nobody is known to know that. Whoever has proved one
// to the account's directory knows it.
func (p *Passwords) After(ctx context.Context, account idp.Account, here bool) error {
	if account.Kind == idp.AccountPortal {
		target, err := p.Target(ctx, account.PersonID)
		if errors.Is(err, ErrUnbound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotLooked, err)
		}
		same, err := p.sameHash(ctx, here, *target)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotLooked, err)
		}
		if !same {
			if target.MustSet {
				return ErrMustChange
			}
			return nil
		}
	}
	if !here {
		if account.MustSet { // it was set there, by its administrators, or here and not noted
			known := p.event(ctx, account.PersonID, how{kind: "password.known", detail: account.Name})
			if err := p.Keeper.PasswordKnown(ctx, account.PersonID, account.Name, known); err != nil {
				return fmt.Errorf("%w: note that the password is known: %w", ErrNotLooked, err)
			}
		}
		p.settled(ctx, account)
		return nil // its directory has said so by itself
	}
	standing, err := p.Keeper.PasswordStanding(ctx, account.PersonID)
	switch {
	case err != nil:
		return fmt.Errorf("%w: read standing: %w", ErrNotLooked, err)
	case p.ended(standing):
		return fmt.Errorf("%w: the start password has ended", ErrDisabled)
	case standing.MustChange, p.Rules.Due(standing.ChangedAt, p.Now()):
		return ErrMustChange
	}
	return nil
}

// resetSpreads is how long a controller may go without hearing of a reset, where the
// directory does not tell when passwords were changed.
const resetSpreads = 15 * time.Minute

// settled forgets the start password of an account whose directory has taken a
// password without asking for another one, if its owner has changed it there, at the
// PC: it may as well be a controller that has not heard of the start password.
func (p *Passwords) settled(ctx context.Context, account idp.Account) {
	standing, err := p.Keeper.PasswordStanding(ctx, account.PersonID)
	if err == nil && (!standing.MustChange || standing.ResetAt.IsZero()) {
		return
	}
	var target *idp.Account
	if err == nil {
		target, err = p.Target(ctx, account.PersonID)
	}
	if err == nil && target.Name == account.Name {
		changed, tells := false, false
		if changed, tells, err = p.changedThere(ctx, account, standing); err == nil && !tells {
			changed = !p.Now().Before(standing.ResetAt.Add(resetSpreads))
		}
		if changed {
			err = p.Keeper.PasswordSettled(ctx, account.PersonID, standing.ChangedAt)
		}
	}
	if err != nil && !errors.Is(err, ErrUnbound) {
		p.Logger.WarnContext(ctx, "a start password that was changed elsewhere is still noted", "error", err) // the next login forgets it
	}
}

// changedThere tells whether a start password was changed in its directory since it
// was set, if the directory tells: by what it said of the start password and what it
// says now, both by its own clock.
func (p *Passwords) changedThere(ctx context.Context, account idp.Account, standing *PasswordStanding) (changed, tells bool, err error) {
	if standing.ToldAt.IsZero() {
		return false, false, nil
	}
	backend, err := p.Gate.backend(ctx, account)
	if err != nil {
		return false, false, err
	}
	m, tells := backend.(Marker)
	if !tells {
		return false, false, nil
	}
	if changed, err = m.ChangedSince(ctx, account, standing.ToldAt); err != nil {
		return false, true, fmt.Errorf("ask when the password was changed: %w", err)
	}
	return changed, true, nil
}

// young tells whether the password was changed too short a while ago to be changed
// again; one that an administrator set never was.
func (p *Passwords) young(ctx context.Context, personID string) error {
	standing, err := p.Keeper.PasswordStanding(ctx, personID)
	if err != nil {
		return fmt.Errorf("read standing: %w", err)
	}
	if !standing.MustChange && p.Rules.Young(standing.ChangedAt, p.Now()) && standing.ResetAt != standing.ChangedAt {
		return &policy.FaultsError{Faults: []policy.Fault{policy.FaultYoung}}
	}
	return nil
}

// sameHash tells whether our own store, which has one hash for each person, looks
// at both passwords: then they are one.
func (p *Passwords) sameHash(ctx context.Context, here bool, target idp.Account) (bool, error) {
	if !here {
		return false, nil
	}
	backend, err := p.Gate.backend(ctx, target)
	_, there := backend.(Local)
	return there, err
}

// sharing lists the accounts that get the password of one of them: our own store
// has one for each person, a directory one for each account.
func (p *Passwords) sharing(ctx context.Context, account *idp.Account, all []idp.Account) ([]string, error) {
	backend, err := p.Gate.backend(ctx, *account)
	if err != nil {
		return nil, err
	}
	names := []string{account.Name}
	if _, here := backend.(Local); !here {
		return names, nil
	}
	for _, a := range all {
		same, err := p.sameHash(ctx, true, a)
		if err != nil {
			return nil, err
		}
		if same && a.Name != account.Name {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

// first finds whose password is changed at the login, and by which right.
func (p *Passwords) first(ctx context.Context, proved *idp.Account, old string) (*idp.Account, *how, error) {
	h := &how{kind: byOwner, old: old, detail: "at the login"}
	account := proved
	if proved.Kind == idp.AccountPortal {
		var err error
		if account, err = p.Target(ctx, proved.PersonID); err != nil {
			return nil, nil, err
		}
		backend, err := p.Gate.backend(ctx, *proved)
		if err != nil {
			return nil, nil, err
		}
		_, here := backend.(Local)
		same, err := p.sameHash(ctx, here, *account)
		switch {
		case err != nil:
			return nil, nil, err
		case !same && !account.MustSet:
			// Somebody knows the bound account's password: the portal's is no right to it.
			return nil, nil, &Refusal{Reason: idp.ReasonDisabled}
		case !same:
			h.old, h.first = "", true
			return account, h, nil
		}
	}
	standing, err := p.Keeper.PasswordStanding(ctx, proved.PersonID)
	if err != nil {
		return nil, nil, fmt.Errorf("read standing: %w", err)
	}
	if p.ended(standing) {
		// It may be old by now, and not the start password.
		changed, _, err := p.changedThere(ctx, *account, standing)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
		}
		if !changed {
			return nil, nil, &Refusal{Reason: idp.ReasonDisabled}
		}
	}
	return account, h, nil
}

// ended tells whether a start password's time is over.
func (p *Passwords) ended(s *PasswordStanding) bool {
	return s.MustChange && !s.EndsAt.IsZero() && !p.Now().Before(s.EndsAt)
}
