package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	idp "taipeion.internal/idp"
)

// Backend looks at passwords. Local is the one in our own store; ad.Directory
// is one elsewhere.
//
// Check returns nil for the right password, ErrWrong for a wrong one, and an
// error with ErrNotLooked where the directory certainly did not look: the try
// is then given back. ErrDisabled and ErrMustChange say that the password was
// right and opens nothing; a *LockedError, that it was not looked at. Whatever
// else goes wrong counts as a look.
//
// An account without a PersonID is nobody's: Check then takes as long as for a
// wrong password, asks the directory about no real entry's password, and never
// returns nil.
type Backend interface {
	Check(ctx context.Context, account idp.Account, password string) error
}

// Setter is a Backend whose passwords we can set.
type Setter interface {
	// ChangeOf changes the account's password as its owner does, who knows the
	// old one; ErrRules if the directory's own rules refuse the new one,
	// ErrUncertain if it may have taken it all the same. Any other error says that
	// it is as it was.
	ChangeOf(ctx context.Context, account idp.Account, old, password string) error
	// SetOf sets it as an administrator does; mustChange asks for another one at
	// the next login.
	SetOf(ctx context.Context, account idp.Account, password string, mustChange bool) error
}

// Marker is a Setter that tells by its own clock when a password was set. Its times
// are held against each other, never against ours.
type Marker interface {
	// SetMarked is SetOf, and returns the directory's time of it, as the server that
	// did it tells; zero if it does not tell.
	SetMarked(ctx context.Context, account idp.Account, password string, mustChange bool) (time.Time, error)
	// ChangedSince tells whether the account has a password that was set after that
	// time of the directory's, and need not be changed at the next login.
	ChangedSince(ctx context.Context, account idp.Account, mark time.Time) (bool, error)
}

// Locker is a Backend with a lock of its own.
type Locker interface {
	// LockedUntil returns the end of the directory's lock; zero if there is none.
	LockedUntil(ctx context.Context, account idp.Account) (time.Time, error)
	// Unlock opens the directory's lock; none is no error.
	Unlock(ctx context.Context, account idp.Account) error
}

// What a Backend says of a password.
var (
	ErrWrong     = errors.New("the password is wrong")
	ErrNotLooked = errors.New("the password was not looked at")
	ErrDisabled  = errors.New("the account is disabled") // or expired, or outside its hours or places
	// ErrUnreachable says that no server of a directory answers.
	ErrUnreachable = fmt.Errorf("a directory does not answer: %w", idp.ErrUnavailable)
	ErrMustChange  = errors.New("the password has to be changed first")
	ErrRules       = errors.New("the directory's own rules refuse the password")
	ErrUncertain   = errors.New("whether the directory has done it is not known")
)

// MustChangeError is ErrMustChange, with whose password it was. It opens nothing
// but the change.
type MustChangeError struct{ Account idp.Account }

func (e *MustChangeError) Error() string { return ErrMustChange.Error() }

// Unwrap makes it the refusal of a closed account for whoever can't change it.
func (e *MustChangeError) Unwrap() []error {
	return []error{ErrMustChange, &Refusal{Reason: idp.ReasonDisabled}}
}

// LockedError says that the directory's own lock is closed. A zero Until: it
// opens by hand only.
type LockedError struct{ Until time.Time }

func (e *LockedError) Error() string { return "the account is locked in its directory" }

// Unwrap makes it an ErrNotLooked: a locked directory does not look.
func (e *LockedError) Unwrap() error { return ErrNotLooked }

// Route sends accounts to a backend: those of the kinds, in the agencies.
type Route struct {
	Name     string
	Backend  Backend
	Kinds    []idp.AccountKind
	Agencies []string // codes; none: all
}

// Local looks at the argon2id hashes of our own store.
type Local struct {
	Accounts Accounts
	Hasher   *Hasher
}

// Check costs the same whether there is such a person or not.
func (l Local) Check(ctx context.Context, account idp.Account, password string) error {
	hash, err := l.Accounts.PasswordHash(ctx, account.PersonID)
	if err != nil && (account.PersonID != "" || !errors.Is(err, idp.ErrNotFound)) {
		return fmt.Errorf("%w: read password hash: %w", ErrNotLooked, err)
	}
	right, err := l.Hasher.Verify(ctx, hash, password)
	switch {
	case err != nil:
		return fmt.Errorf("%w: verify password: %w", ErrNotLooked, err)
	case !right:
		return ErrWrong
	}
	return nil
}

// nobody is whom a password is held against when it may be held against none.
var nobody = idp.Account{Name: "nobody", Kind: idp.AccountSingle}

// backend is who looks at an account's passwords: the first route that fits,
// else our own store. A name that is nobody's goes the way of a single account,
// which is the way of nearly everybody.
func (g *Gate) backend(ctx context.Context, account idp.Account) (Backend, error) {
	var failed error
	b := g.routed(account.Kind, func() string {
		if account.Agency != "" || account.PersonID == "" {
			return account.Agency // moved or not, it is where it was made
		}
		if h := holderOf(ctx, account.PersonID); h != nil {
			return h.Agency
		}
		person, err := g.Accounts.Person(ctx, account.PersonID)
		if err != nil {
			failed = fmt.Errorf("find agency: %w", err)
			return ""
		}
		return person.Agency.Code
	})
	if failed != nil {
		return nil, failed
	}
	if b == nil {
		b = Local{g.Accounts, g.Hasher}
	}
	return b, nil
}

// routed is the first route's that fits, nil if none does. The agency is asked for
// at most once, and only where it decides.
func (g *Gate) routed(kind idp.AccountKind, agencyOf func() string) Backend {
	agency, asked := "", false
	for _, r := range g.Routes {
		if !slices.Contains(r.Kinds, kind) {
			continue
		}
		if len(r.Agencies) == 0 {
			return r.Backend
		}
		if !asked {
			agency, asked = agencyOf(), true
		}
		if agency != "" && slices.Contains(r.Agencies, agency) {
			return r.Backend
		}
	}
	return nil
}

// otherNames gives the counters of the person's other names that have the same
// password: those that our own store looks at. Whoever knows one password takes back
// no guess at another.
func (g *Gate) otherNames(ctx context.Context, account *idp.Account, nameKey string) ([]string, error) {
	if here, err := g.here(ctx, *account); err != nil || !here {
		return nil, err
	}
	accounts, err := g.accountsOf(ctx, account.PersonID)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, a := range accounts {
		here, err := g.here(ctx, a)
		if err != nil {
			return nil, err
		}
		if key := g.nameKey(g.Names.Normalize(a.Name)); here && key != nameKey {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

type holderKey struct{}

// holding is the context of a try: which names there are, bound to what and in which
// agency, is not read again. Who the person is, in what state, and what their password
// is are read when they are asked for: a directory may have taken its time.
func holding(ctx context.Context, h *Holder) context.Context {
	return context.WithValue(ctx, holderKey{}, h)
}

// holderOf is what was read of the person in this try; nil: nothing.
func holderOf(ctx context.Context, personID string) *Holder {
	h, _ := ctx.Value(holderKey{}).(*Holder)
	if h == nil || h.PersonID == "" || h.PersonID != personID {
		return nil
	}
	return h
}

func (g *Gate) accountsOf(ctx context.Context, personID string) ([]idp.Account, error) {
	h := holderOf(ctx, personID)
	if h == nil {
		return g.Accounts.AccountsOf(ctx, personID)
	}
	accounts := make([]idp.Account, len(h.Names))
	for i, n := range h.Names {
		accounts[i] = n.Account
	}
	return accounts, nil
}

// here tells whether our own store looks at the account's password.
func (g *Gate) here(ctx context.Context, account idp.Account) (bool, error) {
	backend, err := g.backend(ctx, account)
	_, here := backend.(Local)
	return here, err
}

// locker is one lock of a person outside our own store.
type locker struct {
	Locker
	account idp.Account
}

// lockers lists where a person may be locked besides here.
func (g *Gate) lockers(ctx context.Context, accounts []idp.Account) ([]locker, error) {
	var found []locker
	for _, a := range accounts {
		if a.Kind == idp.AccountMail {
			continue
		}
		b, err := g.backend(ctx, a)
		if err != nil {
			return nil, err
		}
		if l, ok := b.(Locker); ok {
			found = append(found, locker{l, a})
		}
	}
	return found, nil
}
