package directory

import (
	"context"
	"fmt"

	idp "taipeion.internal/idp"
)

// Drift is an account that is not the same here and in its directory.
type Drift struct {
	Agency  string `json:"agency"`
	Name    string `json:"name"`
	Account string `json:"account"`
	Field   string `json:"field,omitempty"` // what is shown otherwise; empty: whether it is open
	Here    string `json:"here"`
	There   string `json:"there"`

	PersonID string `json:"-"`
}

const driftOpen = "open"

// driftAtOnce is how many accounts are asked about at once.
const driftAtOnce = 500

// Held is an account with its person's state.
type Held struct {
	Account idp.Account
	Name    string
	Agency  string
	Open    bool

	AgencyName, Unit, Title string
}

// Holdings lists the accounts that directories may have.
type Holdings interface {
	// DirectoryAccounts gives every TPEAD and single account in turn, but for those
	// of whom a directory is still to be told something.
	DirectoryAccounts(ctx context.Context, yield func(Held) error) error
}

// FindDrift holds our accounts against their directories, and changes nothing:
// who may log in here and not there, or there and not here, and of whom something
// else is shown there.
func FindDrift(ctx context.Context, g *Gate, kept Holdings) ([]Drift, error) {
	found := []Drift{}
	var some []Held
	ask := func() error {
		more, err := drifted(ctx, g, some)
		found, some = append(found, more...), some[:0]
		return err
	}
	err := kept.DirectoryAccounts(ctx, func(h Held) error {
		if some = append(some, h); len(some) < driftAtOnce {
			return nil
		}
		return ask()
	})
	if err == nil {
		err = ask()
	}
	return found, err
}

func drifted(ctx context.Context, g *Gate, some []Held) (found []Drift, err error) {
	asked := map[Watched][]idp.Account{}
	watched := map[string]bool{}
	for _, h := range some {
		b, err := g.backend(ctx, h.Account)
		if err != nil {
			return nil, err
		}
		if w, ok := b.(Watched); ok {
			asked[w], watched[h.Account.Name] = append(asked[w], h.Account), true
		}
	}
	open := map[string]bool{}
	for w, accounts := range asked {
		still, err := w.Open(ctx, accounts)
		if err != nil {
			return nil, fmt.Errorf("ask who is open: %w", err)
		}
		for _, a := range still {
			open[a.Name] = true
		}
	}
	state := map[bool]string{true: driftOpen, false: "closed or missing"}
	var both []Held
	for _, h := range some {
		if h.Open && open[h.Account.Name] {
			both = append(both, h)
		}
		if watched[h.Account.Name] && h.Open != open[h.Account.Name] {
			found = append(found, Drift{
				Agency: h.Agency, Name: h.Name, Account: h.Account.Name, Here: state[h.Open], There: state[open[h.Account.Name]],
				PersonID: h.Account.PersonID,
			})
		}
	}
	more, err := describedOtherwise(ctx, g, both)
	return append(found, more...), err
}
