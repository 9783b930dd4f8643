package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Rival is one of several accounts of the directory that a person has, of which
// they keep one.
type Rival struct {
	Name    string
	Kind    idp.AccountKind
	Bound   bool // to a portal account
	Claimed bool // added by the person, who has to prove again who they are to keep it
	Past    bool // a TPEAD account of whom only a single one opens anything: it can't be kept
}

// Choices keeps which of their accounts people keep.
type Choices interface {
	// Rivals lists a person's open TPEAD and single accounts if they have to choose:
	// there are several, and one at most is bound to a portal account. Else none.
	Rivals(ctx context.Context, personID string) ([]Rival, error)
	// KeepOne keeps that account and disables the others, has their directory told,
	// and lets the binding follow, in one transaction; idp.ErrConflict if there is
	// nothing to choose any more, or the account is not one of those or past, or the
	// portal is not off.
	KeepOne(ctx context.Context, personID, keep string, at time.Time, events ...idp.Event) error
	// Claim makes an account that only the directory knows the person's; it opens
	// nothing before it is kept, unless it is their only one. idp.ErrConflict if it is
	// anybody's, or was. The session that the events name holds as for Bind.
	Claim(ctx context.Context, personID, name string, at time.Time, events ...idp.Event) error
}

// ErrPortalOn says that the portal is not off yet: accounts are bound, not chosen.
var ErrPortalOn = errors.New("the portal is not off yet")

// Proof is how a person proves again that they are who is logged in: by the name
// and password of an account of theirs that opens a login, or by their card.
type Proof struct {
	Card    bool   // was read a short while ago
	Session string // in which it is shown
	Credentials
}

// NameShower is a Backend that tells what name an account's entry shows.
type NameShower interface {
	// ShownName returns it; idp.ErrNotFound if there is no such entry.
	ShownName(ctx context.Context, account idp.Account) (string, error)
}

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
	if !slices.ContainsFunc(rivals, func(r Rival) bool { return !r.Past }) {
		return nil, nil // they get a single account first
	}
	return rivals, nil
}

// Keep keeps one account, whose password proves that it opens, and disables the
// others. One that was only claimed is not theirs by its password alone: own proves
// who they are. ErrPortalOn, a BindFault, a *Refusal, or idp.ErrConflict.
func (b *Binder) Keep(ctx context.Context, person *idp.Person, own Proof, keep Credentials) error {
	if keep.Name == "" || keep.Password == "" {
		return BindIncomplete
	}
	if err := b.portalOff(ctx); err != nil {
		return err
	}
	keep.Name = b.Gate.Names.Normalize(keep.Name)
	phase, have, err := b.Phases.NameFacts(ctx, keep.Name)
	if err != nil {
		return fmt.Errorf("read phase: %w", err)
	}
	if have.Claimed && !have.Bound {
		if err := b.themselves(ctx, person, own); err != nil {
			return err
		}
	}
	account, err := b.prove(ctx, keep, "")
	switch {
	case err != nil:
		return err
	case account.PersonID != person.ID:
		return BindOtherPerson
	case have.Kind == idp.AccountTPEAD && (have.Renamed || phase == policy.PhaseSingle):
		return BindPast
	}
	return b.Choices.KeepOne(ctx, person.ID, account.Name, b.Now(), b.event(ctx, person.ID, "account.keep", account.Name))
}

// themselves asks for the person's own proof. An account that they only claimed is
// none, nor one that the phase lets nobody log in by.
func (b *Binder) themselves(ctx context.Context, person *idp.Person, own Proof) error {
	if own.Card {
		return nil
	}
	if own.Name == "" || own.Password == "" {
		return BindOwn
	}
	own.Name = b.Gate.Names.Normalize(own.Name)
	phase, have, err := b.Phases.NameFacts(ctx, own.Name)
	if err != nil {
		return fmt.Errorf("read phase: %w", err)
	}
	account, err := b.prove(ctx, own.Credentials, "")
	switch {
	case err != nil:
		return err
	case account.PersonID != person.ID:
		return BindOtherPerson
	case !phase.Admits(have):
		return BindOwn
	}
	return nil
}

// shownAs refuses an account that nobody has here, if its directory shows another
// name than the person's. It is asked before the password is: a right one is
// remembered with whom it was looked at for.
func (b *Binder) shownAs(ctx context.Context, person *idp.Person, name string) error {
	if _, err := b.Gate.Accounts.Account(ctx, name); !errors.Is(err, idp.ErrNotFound) {
		return err
	}
	account := idp.Account{Name: name, Kind: idp.AccountTPEAD, PersonID: person.ID}
	backend, err := b.Gate.backend(ctx, account)
	if err != nil {
		return err
	}
	shower, ok := backend.(NameShower)
	if !ok {
		return nil
	}
	shown, err := shower.ShownName(ctx, account)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil // as any wrong name
	case err != nil:
		return fmt.Errorf("%w: ask for the name shown: %w", idp.ErrUnavailable, err)
	case policy.PersonName(shown) != policy.PersonName(person.Name):
		return BindOtherName
	}
	return nil
}

// Claim makes a TPEAD account that was never bound the person's, so that they can
// choose: by their own proof and its password, as for a binding. Errors are those
// of Keep.
func (b *Binder) Claim(ctx context.Context, person *idp.Person, own Proof, tpead Credentials) error {
	if tpead.Name == "" || tpead.Password == "" {
		return BindIncomplete
	}
	if err := b.portalOff(ctx); err != nil {
		return err
	}
	if err := b.themselves(ctx, person, own); err != nil {
		return err
	}
	tpead.Name = b.Gate.Names.Normalize(tpead.Name)
	if err := b.shownAs(ctx, person, tpead.Name); err != nil {
		return err
	}
	account, err := b.prove(ctx, tpead, person.ID)
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
	claimed := b.event(ctx, person.ID, "account.claim", account.Name)
	claimed.SessionID = own.Session
	err = b.Choices.Claim(ctx, person.ID, account.Name, b.Now(), claimed)
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
