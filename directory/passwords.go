package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
)

// ErrUnbound says that the person has no TPEAD account that is bound: there is
// no password to change.
var ErrUnbound = errors.New("no account whose password could be changed")

// Leaked knows leaked passwords by their SHA-1.
type Leaked interface {
	Has(password string) (bool, error)
}

// Told is what a person is told by mail.
type Told struct {
	Kind   string // byOwner, byCard, byAdministrator
	Person idp.Person
	At     time.Time
}

// How a password is changed: kinds of events, and of what its person is told.
const (
	byOwner         = "password.change"
	byCard          = "password.card"
	byAdministrator = "password.reset"
)

// Passwords changes passwords: by their owner, by the bound card, by an
// administrator. The password of the bound TPEAD account is changed, and that of
// the mailbox follows; the portal's never.
type Passwords struct {
	Gate      *Gate
	Keeper    PasswordKeeper
	Intents   PasswordIntents
	Rules     policy.PasswordRules
	Leaked    Leaked    // nil: no list
	Mail      []Mailbox // where the mailboxes are
	Phases    Phases    // which TPEAD accounts are bound; nil: all are
	Seal      func(plain []byte, context string) []byte
	Open      func(sealed []byte, context string) ([]byte, error)
	Letters   func(t Told) []outbox.Message // kept with the change; nil: nobody is told
	StartLife time.Duration                 // of a start password; 24 h if 0
	Now       func() time.Time
	Logger    *slog.Logger
}

// Changed says what a change did.
type Changed struct {
	Person  *idp.Person
	Account string   // whose password it is
	Mail    []string // mailboxes that follow in a short while
	Own     []string // what may not be in it, where something was
	Given   bool     // it is the first one of an account that the city made, by the portal's password
}

// how says who changes a password, and by which right.
type how struct {
	kind     string // of the event
	old      string // proved; empty: set as an administrator does
	session  string // goes on
	actor    string
	operator string // who typed it
	detail   string
	start    bool // a start password
	first    bool // of an account whose password nobody knows, and of no other
}

// Target is the account whose password is changed: the one that is bound to the
// person's portal account, else the single account; any that logs in, the single one
// first, when the portal is off. ErrUnbound if there is none.
func (p *Passwords) Target(ctx context.Context, personID string) (*idp.Account, error) {
	accounts, err := p.Gate.accountsOf(ctx, personID)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return p.target(ctx, accounts)
}

func (p *Passwords) target(ctx context.Context, accounts []idp.Account) (*idp.Account, error) {
	var single *idp.Account
	for _, kind := range []idp.AccountKind{idp.AccountSingle, idp.AccountTPEAD} {
		for i, a := range accounts {
			if a.Kind != kind || a.Closed {
				continue
			}
			if kind == idp.AccountSingle && single == nil {
				single = &accounts[i]
			}
			bound, err := p.bound(ctx, a)
			if err != nil {
				return nil, fmt.Errorf("read binding: %w", err)
			}
			if bound {
				return &accounts[i], nil
			}
		}
	}
	if single == nil {
		return nil, ErrUnbound
	}
	return single, nil
}

// bound tells whether the phase has the account's password be the person's.
func (p *Passwords) bound(ctx context.Context, account idp.Account) (bool, error) {
	if p.Phases == nil {
		return true, nil
	}
	if h := holderOf(ctx, account.PersonID); h != nil {
		if n := h.name(account.Name); n != nil {
			return h.Phase.Changes(n.Facts), nil
		}
	}
	phase, facts, err := p.Phases.NameFacts(ctx, account.Name)
	return phase.Changes(facts), err
}

// Own lists what may not be in the person's password.
func (p *Passwords) Own(ctx context.Context, person *idp.Person) ([]string, error) {
	accounts, err := p.Gate.Accounts.AccountsOf(ctx, person.ID)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return own(person, accounts), nil
}

func own(person *idp.Person, accounts []idp.Account) []string {
	names := []string{person.Name, person.Username, person.Email, person.Phone}
	for _, a := range accounts {
		names = append(names, a.Name)
	}
	return names
}

// ChangeOwn changes a password by its owner, who is logged in and gives the old
// one. A *policy.FaultsError says what is wrong with the new one, a *Refusal
// what is wrong with the old one. The session goes on, every other one ends.
func (p *Passwords) ChangeOwn(ctx context.Context, person *idp.Person, old, password, session string) (*Changed, error) {
	account, err := p.Target(ctx, person.ID)
	if err != nil {
		return nil, err
	}
	if err := p.young(ctx, person.ID); err != nil {
		return nil, err
	}
	if err := p.check(ctx, person, password); err != nil {
		return nil, err
	}
	proved, err := p.Gate.CheckPassword(ctx, account.Name, old)
	var must *MustChangeError
	switch {
	case errors.As(err, &must) && must.Account.PersonID == person.ID:
	case err != nil:
		return nil, err
	case proved.ID != person.ID:
		return nil, fmt.Errorf("the account %s is another person's: %w", account.Name, idp.ErrConflict)
	}
	return p.set(ctx, person, account, password, how{kind: byOwner, old: old, session: session})
}

// Asked is what the page says that asks for a new password at the login.
type Asked struct {
	Given string   // the account that gets its first password, by that of the portal account; empty: that is not why
	Own   []string // what may not be in the new one
}

// Asked tells it of a password that was right, and opens nothing but that page: why
// is the gate's answer.
func (p *Passwords) Asked(ctx context.Context, why error) (a Asked, err error) {
	var must *MustChangeError
	if !errors.As(why, &must) {
		return a, nil
	}
	person, err := p.Gate.Accounts.Person(ctx, must.Account.PersonID)
	if err != nil {
		return a, fmt.Errorf("find person: %w", err)
	}
	if a.Own, err = p.Own(ctx, person); err != nil || must.Account.Kind != idp.AccountPortal {
		return a, err
	}
	account, h, err := p.first(ctx, &must.Account, "")
	var refusal *Refusal
	switch {
	case errors.Is(err, ErrUnbound), errors.As(err, &refusal):
		return a, nil
	case err == nil && h.first:
		a.Given = account.Name
	}
	return a, err
}

// ChangeFirst changes a password that has to be changed before it opens
// anything: at the login, by name and old password. A *policy.FaultsError comes with
// whose password it would have been.
func (p *Passwords) ChangeFirst(ctx context.Context, name, old, password string) (*Changed, error) {
	_, err := p.Gate.CheckPassword(ctx, name, old)
	var must *MustChangeError
	switch {
	case err == nil:
		// It need not be changed any more: sent twice, or changed elsewhere.
		return nil, idp.ErrUsed
	case !errors.As(err, &must):
		return nil, err
	}
	person, err := p.Gate.Accounts.Person(ctx, must.Account.PersonID)
	if err != nil {
		return nil, fmt.Errorf("find person: %w", err)
	}
	if person.State != idp.PersonEnabled {
		return nil, &Refusal{Reason: idp.ReasonDisabled}
	}
	account, h, err := p.first(ctx, &must.Account, old)
	if err != nil {
		return nil, err
	}
	var faults *policy.FaultsError
	var done *Changed
	if err = p.check(ctx, person, password); err == nil {
		done, err = p.set(ctx, person, account, password, *h)
	}
	if errors.As(err, &faults) {
		done = &Changed{Person: person, Account: account.Name}
		own, fault := p.Own(ctx, person)
		if fault != nil {
			return nil, fault
		}
		done.Own = own
	}
	if done != nil {
		done.Given = h.first
	}
	return done, err
}

// SetByCard sets a forgotten password for a person whose bound card has just
// been read. It opens the person's lock: a key is no guess.
func (p *Passwords) SetByCard(ctx context.Context, person *idp.Person, password, session string) (*Changed, error) {
	account, err := p.Target(ctx, person.ID)
	if err != nil {
		return nil, err
	}
	if err := p.young(ctx, person.ID); err != nil {
		return nil, err
	}
	if err := p.check(ctx, person, password); err != nil {
		return nil, err
	}
	return p.set(ctx, person, account, password, how{kind: byCard, session: session})
}

// Reset gives an account a start password, once shown, that must be changed at
// the next login and ends by itself; the one before is dead at once.
// ErrNoRole, ErrOperator of whoever does it.
func (p *Passwords) Reset(ctx context.Context, name string, by Hand, reason string) (start string, done *Changed, err error) {
	if reason, err = Reason(reason); err != nil {
		return "", nil, err
	}
	state, err := p.Gate.State(ctx, name)
	if err != nil {
		return "", nil, err
	}
	account, err := p.target(ctx, state.Accounts)
	if err != nil {
		return "", nil, err
	}
	for {
		start = drawStart()
		if len(p.Rules.Check(start, own(state.Person, state.Accounts))) == 0 {
			break
		}
	}
	if by.Operator != "" {
		reason = "by " + by.Operator + ": " + reason
	}
	done, err = p.set(ctx, state.Person, account, start, how{kind: byAdministrator, actor: by.Actor, operator: by.Operator, detail: reason, start: true})
	if err != nil {
		return "", nil, err
	}
	return start, done, nil
}
