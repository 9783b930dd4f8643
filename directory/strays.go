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

// Listed is one of a directory's entries that may be somebody's account.
type Listed struct {
	ID          string // what stays when all else changes: objectGUID, entryUUID
	Name        string
	DisplayName string
	Place       string // the container it is in
	Closed      bool   // disabled or expired
	Service     bool   // a machine's, a service's or one of the system's own
	CreatedAt   time.Time
	LastLoginAt time.Time // as far as the directory tells; zero: never, or it does not
}

// Lister is a Backend that lists what it has.
type Lister interface {
	Backend
	// Entries gives all entries within the filter, some at a time; unread counts those
	// of them that could not be read.
	Entries(ctx context.Context, yield func(some []Listed, unread int) error) error
	// String is the name that its entries are remembered under.
	String() string
}

// Namesake is an account of ours with the name of an entry.
type Namesake struct {
	Account idp.Account // Agency is where its entry is looked for
	Entries []string    // the identities that are remembered of it, in any directory
	Pending bool        // its directory is still to make it
}

// Owners knows whose a directory's entries are.
type Owners interface {
	// EntryOwners gives the account that each of the identities of a directory is
	// remembered for; of the others nothing.
	EntryOwners(ctx context.Context, directory string, identities []string) (map[string]string, error)
	// Namesakes gives our accounts of those names.
	Namesakes(ctx context.Context, names []string) (map[string]Namesake, error)
}

// Stray is an account that only a directory has: no account here is that entry.
type Stray struct {
	Directory   string    `json:"directory"`
	Account     string    `json:"account"`
	Name        string    `json:"name"`
	Place       string    `json:"place"`
	Open        bool      `json:"open"`
	Service     bool      `json:"service"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	LastLoginAt time.Time `json:"last_login_at,omitzero"`
	// Namesake says what the account of the same name here is; empty: there is none.
	Namesake string `json:"namesake,omitempty"`
}

// What the account here is whose name a stray has.
const (
	namesakeOther     = "is another entry"
	namesakeElsewhere = "is not in this directory"
	namesakeUnknown   = "was given here, and its entry is not known"
)

// StrayCount counts what was gone through.
type StrayCount struct {
	Entries  int `json:"entries"`
	People   int `json:"people"`   // strays that may be people's
	Services int `json:"services"` // strays that are machines', services' or the system's
	Unread   int `json:"unread"`   // entries that could not be read
}

// Strays finds the accounts that only directories have. It changes nothing.
type Strays struct {
	Gate     *Gate
	Owners   Owners
	Progress func(directory string, entries int) // nil: nobody is told
}

// Find goes through every directory that TPEAD or single accounts are in, page by
// page. One that does not answer hides no other: that is the error.
func (s *Strays) Find(ctx context.Context, yield func(Stray) error) (StrayCount, error) {
	var n StrayCount
	var unasked error
	done := map[Lister]bool{}
	for _, r := range s.Gate.Routes {
		l, ok := r.Backend.(Lister)
		people := slices.Contains(r.Kinds, idp.AccountTPEAD) || slices.Contains(r.Kinds, idp.AccountSingle)
		if !ok || !people || done[l] {
			continue
		}
		done[l] = true
		here := 0
		err := l.Entries(ctx, func(some []Listed, unread int) error {
			here, n.Entries, n.Unread = here+len(some)+unread, n.Entries+len(some)+unread, n.Unread+unread
			if s.Progress != nil {
				s.Progress(l.String(), here)
			}
			return s.page(ctx, l, some, &n, yield)
		})
		if ctx.Err() != nil {
			return n, err
		}
		if err != nil {
			unasked = errors.Join(unasked, fmt.Errorf("list the entries of %s: %w", l, err))
		}
	}
	return n, unasked
}

func (s *Strays) page(ctx context.Context, l Lister, some []Listed, n *StrayCount, yield func(Stray) error) error {
	var ids, names []string
	for _, e := range some {
		ids = append(ids, e.ID)
		if name := policy.NormalizeName(e.Name); name != "" {
			names = append(names, name)
		}
	}
	known, err := s.Owners.EntryOwners(ctx, l.String(), ids)
	if err != nil {
		return fmt.Errorf("read whose entries they are: %w", err)
	}
	ours, err := s.Owners.Namesakes(ctx, names)
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	for _, e := range some {
		if _, had := known[e.ID]; had {
			continue
		}
		stray := Stray{
			Directory: l.String(), Account: e.Name, Name: e.DisplayName, Place: e.Place, Open: !e.Closed, Service: e.Service,
			CreatedAt: e.CreatedAt, LastLoginAt: e.LastLoginAt,
		}
		if same, ok := ours[policy.NormalizeName(e.Name)]; ok {
			var its bool
			if its, stray.Namesake = s.is(l, same, e); its {
				continue
			}
		}
		if e.Service {
			n.Services++
		} else {
			n.People++
		}
		if err := yield(stray); err != nil {
			return err
		}
	}
	return nil
}

// is tells whether an entry is the account of its name here, and if not, why. It is
// found by its name as a login finds it: while no identity is remembered.
func (s *Strays) is(l Lister, same Namesake, e Listed) (its bool, why string) {
	switch {
	case slices.Contains(same.Entries, e.ID): // remembered under another name of this directory
		return true, ""
	case s.Gate.routed(same.Account.Kind, func() string { return same.Account.Agency }) != Backend(l):
		return false, namesakeElsewhere
	case len(same.Entries) > 0:
		return false, namesakeOther
	case same.Account.Given && !same.Pending:
		return false, namesakeUnknown
	}
	return true, ""
}
