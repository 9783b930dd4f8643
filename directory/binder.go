package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Bound is how a person's portal account 「員工愛上網帳號」 stands to their TPEAD
// account.
type Bound struct {
	Portal, TPEAD string // bound to each other; empty: not
	None          bool   // the person said that there is no TPEAD account
}

// OwnBindings is Bindings as a person sees their own.
type OwnBindings interface {
	Bindings
	// BoundOf returns the person's newest binding; none is no error.
	BoundOf(ctx context.Context, personID string) (*Bound, error)
	// SayWithout notes that the person has no TPEAD account.
	SayWithout(ctx context.Context, personID string, at time.Time, events ...idp.Event) error
}

// BindFault says why accounts are not bound although both passwords were right;
// its values are keys of the words.
type BindFault string

// The faults.
const (
	BindIncomplete  BindFault = "incomplete"   // something was not entered
	BindOtherPerson BindFault = "other_person" // not those of the person who is logged in
	BindTaken       BindFault = "taken"        // bound to another account
	BindSame        BindFault = "same"         // bound to each other already
	BindShared      BindFault = "shared"       // 公用帳號
	BindKind        BindFault = "kind"         // not one of each kind
	BindRenamed     BindFault = "renamed"      // to a single account already
	BindClosed      BindFault = "closed"       // one of the two is disabled
	BindMain        BindFault = "main"         // the main portal account comes first
	BindOwn         BindFault = "own"          // no proof of the person's own
	BindOtherName   BindFault = "other_name"   // its directory shows another person's name
	BindPast        BindFault = "past"         // only a single account can be kept
)

func (f BindFault) Error() string { return "not bound: " + string(f) }

// ErrPortalOff says that the phase has no portal accounts any more.
var ErrPortalOff = errors.New("the portal is off")

// Binder binds portal accounts to TPEAD accounts, by both passwords.
type Binder struct {
	Gate   *Gate
	Store  OwnBindings
	Phases Phases
	Now    func() time.Time

	Choices Choices // of those who have several accounts
}

// Credentials are an account's name and password.
type Credentials struct{ Name, Password string }

// Bind binds the person's two accounts. Both passwords go through the gate, which
// counts each; the second is not looked at if the first is wrong. The session goes on. A BindFault, a
// *Refusal, or ErrPortalOff.
func (b *Binder) Bind(ctx context.Context, person *idp.Person, session string, portal, tpead Credentials) error {
	if portal.Name == "" || portal.Password == "" || tpead.Name == "" || tpead.Password == "" {
		return BindIncomplete
	}
	portal.Name, tpead.Name = b.Gate.Names.Normalize(portal.Name), b.Gate.Names.Normalize(tpead.Name)
	phase, have, err := b.Phases.NameFacts(ctx, portal.Name)
	if err != nil {
		return fmt.Errorf("read phase: %w", err)
	}
	if phase != policy.PhaseCoexist {
		return ErrPortalOff
	}
	account, err := b.prove(ctx, portal, "")
	if err != nil {
		return err
	}
	switch {
	case have.Kind != idp.AccountPortal:
		return BindKind
	case have.Shared:
		return BindShared
	case account.PersonID != person.ID:
		return BindOtherPerson
	case have.Renamed:
		return BindRenamed
	case have.Closed:
		return BindClosed
	}
	other, err := b.prove(ctx, tpead, person.ID)
	if err != nil {
		return err
	}
	return b.bind(ctx, person, session, account, other)
}

// bind binds two accounts that were proved.
func (b *Binder) bind(ctx context.Context, person *idp.Person, session string, portal, tpead *idp.Account) error {
	switch {
	case tpead.Kind != idp.AccountTPEAD && tpead.Kind != idp.AccountSingle:
		return BindKind
	case tpead.PersonID != person.ID:
		return BindOtherPerson
	case tpead.Closed:
		return BindClosed
	}
	bound, err := b.Store.BoundOf(ctx, person.ID)
	if err != nil {
		return fmt.Errorf("read binding: %w", err)
	}
	if bound.Portal == portal.Name && bound.TPEAD == tpead.Name {
		return BindSame
	}
	if err := b.mainFirst(ctx, portal); err != nil {
		return err
	}
	n := Binding{PersonID: person.ID, Portal: portal.Name, TPEAD: tpead.Name, How: "self", At: b.Now(), Session: session}
	made := b.event(ctx, person.ID, "account.bind", portal.Name+" to "+tpead.Name)
	made.SessionID = session
	err = b.Store.Bind(ctx, n, person.Username, made)
	if errors.Is(err, idp.ErrConflict) {
		return BindTaken
	}
	return err
}

// prove looks at the password of an account, also of one that the phase does not
// admit yet because it is not bound. A name that we don't know may be an account
// of the directory that nobody has claimed: it is looked at there for claimant.
func (b *Binder) prove(ctx context.Context, c Credentials, claimant string) (*idp.Account, error) {
	accounts := b.Gate.Accounts
	account, err := accounts.Account(ctx, c.Name)
	switch {
	case errors.Is(err, idp.ErrNotFound) && claimant != "":
		candidate := idp.Account{Name: c.Name, Kind: idp.AccountTPEAD, PersonID: claimant}
		backend, err := b.Gate.backend(ctx, candidate)
		if err != nil {
			return nil, err
		}
		if _, here := backend.(Local); !here {
			// Our own store has no password of an account that it does not know.
			accounts = claimed{accounts, candidate}
			account = &candidate
		}
	case err != nil && !errors.Is(err, idp.ErrNotFound):
		return nil, fmt.Errorf("find account: %w", err)
	}
	_, err = b.Gate.proving(accounts).CheckPassword(ctx, c.Name, c.Password)
	if err != nil && !errors.Is(err, ErrMustChange) {
		return nil, err
	}
	return account, nil
}

// proving is the same gate, with its counts and its turns, for names that need
// not be login names.
func (g *Gate) proving(accounts Accounts) *Gate {
	return &Gate{
		Accounts: accounts, Tries: g.Tries, Hasher: g.Hasher, Names: g.Names, Rules: g.Rules, Sources: g.Sources,
		Routes: g.Routes, Floor: g.Floor, Key: g.Key, Record: g.Record, Now: g.Now, Logger: g.Logger, After: g.After,
		of: g,
	}
}

// claimed is our accounts and one more.
type claimed struct {
	Accounts
	one idp.Account
}

// Holder implements Accounts.
func (c claimed) Holder(ctx context.Context, name string) (*Holder, error) {
	if name == c.one.Name {
		return &Holder{Names: []HeldName{{Account: c.one}}}, nil
	}
	return c.Accounts.Holder(ctx, name)
}

// Shared tells whether the person is a shared account 公用帳號.
func (b *Binder) Shared(ctx context.Context, personID string) (bool, error) {
	accounts, err := b.Gate.Accounts.AccountsOf(ctx, personID)
	if err != nil {
		return false, fmt.Errorf("list accounts: %w", err)
	}
	for _, a := range accounts {
		_, have, err := b.Phases.NameFacts(ctx, a.Name)
		if err != nil {
			return false, fmt.Errorf("read phase: %w", err)
		}
		if have.Shared {
			return true, nil
		}
	}
	return false, nil
}

// Without notes that the person has no TPEAD account: unbound until the city
// provides one. BindShared: it never will.
func (b *Binder) Without(ctx context.Context, person *idp.Person) error {
	if shared, err := b.Shared(ctx, person.ID); err != nil {
		return err
	} else if shared {
		return BindShared
	}
	return b.Store.SayWithout(ctx, person.ID, b.Now(), b.event(ctx, person.ID, "account.without", ""))
}

func (b *Binder) event(ctx context.Context, personID, kind, detail string) idp.Event {
	o := idp.OriginFrom(ctx)
	e := idp.Event{At: b.Now(), Kind: kind, Result: "ok", PersonID: personID, RequestID: o.RequestID, Detail: detail}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	return e
}
