package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Rival is one of several accounts of the directory that a person has, of which
// they keep one.
type Rival struct {
	Name  string
	Kind  idp.AccountKind
	Bound bool // to a portal account
}

// Choices keeps which of their accounts people keep.
type Choices interface {
	// Rivals lists a person's open TPEAD and single accounts if they have to choose:
	// there are several, and one at most is bound to a portal account. Else none.
	Rivals(ctx context.Context, personID string) ([]Rival, error)
	// KeepOne keeps that account and disables the others, has their directory told,
	// and lets the binding follow, in one transaction; idp.ErrConflict if there is
	// nothing to choose any more, or the account is not one of those, or the portal
	// is not off.
	KeepOne(ctx context.Context, personID, keep string, at time.Time, events ...idp.Event) error
	// Claim makes an account that only the directory knows the person's;
	// idp.ErrConflict if it is anybody's, or was.
	Claim(ctx context.Context, personID, name string, at time.Time, events ...idp.Event) error
}

// ErrPortalOn says that the portal is not off yet: accounts are bound, not chosen.
var ErrPortalOn = errors.New("the portal is not off yet")

func (b *Binder) portalOff(ctx context.Context) error {
	phase, err := b.Phases.Phase(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read phase: %w", err)
	case phase == policy.PhaseCoexist:
		return ErrPortalOn
	}
	return nil
}

// MustChoose lists the accounts of which the person has to keep one, since the
// portal is off; nil if there is nothing to choose.
func (b *Binder) MustChoose(ctx context.Context, personID string) ([]Rival, error) {
	if err := b.portalOff(ctx); err != nil {
		if errors.Is(err, ErrPortalOn) {
			err = nil
		}
		return nil, err
	}
	rivals, err := b.Choices.Rivals(ctx, personID)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return rivals, nil
}

// Keep keeps one account, whose password proves that it opens, and disables the
// others. ErrPortalOn, a BindFault, a *Refusal, or idp.ErrConflict.
func (b *Binder) Keep(ctx context.Context, person *idp.Person, keep Credentials) error {
	if keep.Name == "" || keep.Password == "" {
		return BindIncomplete
	}
	if err := b.portalOff(ctx); err != nil {
		return err
	}
	account, err := b.prove(ctx, Credentials{b.Gate.Names.Normalize(keep.Name), keep.Password}, "")
	if err != nil {
		return err
	}
	if account.PersonID != person.ID {
		return BindOtherPerson
	}
	return b.Choices.KeepOne(ctx, person.ID, account.Name, b.Now(), b.event(ctx, person.ID, "account.keep", account.Name))
}

// Claim makes a TPEAD account that was never bound the person's, by its password,
// so that they can choose. Errors are those of Keep.
func (b *Binder) Claim(ctx context.Context, person *idp.Person, tpead Credentials) error {
	if tpead.Name == "" || tpead.Password == "" {
		return BindIncomplete
	}
	if err := b.portalOff(ctx); err != nil {
		return err
	}
	account, err := b.prove(ctx, Credentials{b.Gate.Names.Normalize(tpead.Name), tpead.Password}, person.ID)
	switch {
	case err != nil:
		return err
	case account.Kind != idp.AccountTPEAD && account.Kind != idp.AccountSingle:
		return BindKind
	case account.PersonID != person.ID:
		return BindOtherPerson
	}
	if _, err := b.Gate.Accounts.Account(ctx, account.Name); !errors.Is(err, idp.ErrNotFound) {
		return err // theirs already: it is in the list
	}
	err = b.Choices.Claim(ctx, person.ID, account.Name, b.Now(), b.event(ctx, person.ID, "account.claim", account.Name))
	if errors.Is(err, idp.ErrConflict) {
		return BindTaken
	}
	return err
}

// mainFirst refuses a second portal account before the main one is bound: a
// person's one TPEAD account goes with the main one, the other gets a new one.
func (b *Binder) mainFirst(ctx context.Context, portal *idp.Account) error {
	accounts, err := b.Gate.Accounts.AccountsOf(ctx, portal.PersonID)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, a := range accounts {
		if a.Kind != idp.AccountPortal || a.Closed {
			continue
		}
		if a.Name == portal.Name {
			return nil
		}
		_, err := b.Store.BindingOf(ctx, a.Name)
		switch {
		case errors.Is(err, idp.ErrNotFound):
			return BindMain
		case err != nil:
			return fmt.Errorf("read binding: %w", err)
		}
		return nil // the main one is bound
	}
	return nil
}
