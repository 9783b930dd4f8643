package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// Candidate is an account that a batch job is about.
type Candidate struct {
	PersonID   string
	PersonName string
	Agency     idp.Agency
	Unit       string
	Portal     string // provisioning: the portal account to be bound
	Former     string // renaming: the name now
	Second     bool   // the person has an account of the directory already
	Shared     bool   // a shared account 公用帳號: left out
	Bound      bool
}

// Given is what a batch job did for a candidate.
type Given struct {
	Candidate
	Account string // the new name
	At      time.Time
	Actor   string
}

// Migration keeps the accounts of the batch jobs.
type Migration interface {
	UsedNames
	// Unbound lists portal accounts of enabled people that are not bound, shared ones
	// too, in the order of their names after that one; empty agency: of all.
	Unbound(ctx context.Context, agency, after string, limit int) ([]Candidate, error)
	// Provision makes the account, binds it to the portal account, and notes that
	// the directory is to be told, in one transaction. It is the person's single
	// account, or a TPEAD account where the person has one of either. idp.ErrConflict: the portal
	// account is bound, or no longer such a person's.
	Provision(ctx context.Context, g Given) error
	// OldNames lists TPEAD accounts of enabled people of the agency without a single
	// account, one for each person, in the order of their names after that one.
	OldNames(ctx context.Context, agency, after string, limit int) ([]Candidate, error)
	// Rename gives the account its new name and makes it the person's single
	// account, in one transaction. idp.ErrConflict: it is no longer such an account.
	Rename(ctx context.Context, g Given) error
	// Bindings lists every portal account of enabled people, with whether it is
	// bound; empty agency: of all.
	Bindings(ctx context.Context, agency string, yield func(Candidate) error) error
}

// Job is a batch job that can stop at any time and go on later: what is done is
// not found again.
type Job struct {
	Store    Migration
	Gate     *Gate // whose directories have names too; nil: there are none
	Now      func() time.Time
	Actor    string
	Agency   string // only people of this one
	Limit    int    // how many at most; 0: all
	Dry      bool   // only show what would be done
	Progress func(step string, done, of int)
}

// Outcome is what became of a candidate.
type Outcome struct {
	Agency     string `json:"agency"`
	AgencyName string `json:"agency_name"`
	Unit       string `json:"unit"`
	Name       string `json:"name"`
	Former     string `json:"former"`
	Account    string `json:"account,omitempty"`
	Result     string `json:"result"`
}

// The results.
const (
	ResultDone    = "done"
	ResultPlanned = "planned"
	ResultShared  = "shared"  // left out: 公用帳號
	ResultChanged = "changed" // bound, renamed or gone meanwhile
	ResultMissing = "missing" // renaming: its directory has no such account
)

const jobPage = 500

// Provision 代建代綁 gives every unbound portal account of a person a new account of
// the directory, already in the form of a single one, and binds it. Its password
// is known to nobody. Shared accounts are left out and listed.
func (j *Job) Provision(ctx context.Context, each func(Outcome)) error {
	return j.run(ctx, "provision", j.Store.Unbound, func(c Candidate) (string, error) {
		return j.give(ctx, Given{Candidate: c, At: j.Now(), Actor: j.Actor}, j.Store.Provision)
	}, each)
}

// Rename turns old TPEAD names into single accounts. The person keeps everything
// else.
func (j *Job) Rename(ctx context.Context, each func(Outcome)) error {
	return j.run(ctx, "rename", j.Store.OldNames, func(c Candidate) (string, error) {
		return j.give(ctx, Given{Candidate: c, At: j.Now(), Actor: j.Actor}, j.Store.Rename)
	}, each)
}

func (j *Job) give(ctx context.Context, g Given, keep func(context.Context, Given) error) (name string, err error) {
	var there Registry
	if j.Gate != nil {
		if there, err = j.there(ctx, g.Candidate); err != nil {
			return "", err
		}
	}
	if g.Account, err = drawOne(ctx, j.Store, there, g.At); err != nil {
		return "", err
	}
	return g.Account, keep(ctx, g)
}

// there is the directory that the candidate's account is in, or will be in. Of one
// that will be renamed it knows then which entry it is: the new name holds there
// before it has heard of it.
func (j *Job) there(ctx context.Context, c Candidate) (Registry, error) {
	account := idp.Account{Kind: idp.AccountSingle, PersonID: c.PersonID}
	if c.Former != "" {
		now, err := j.Gate.Accounts.Account(ctx, c.Former)
		if errors.Is(err, idp.ErrNotFound) {
			return nil, fmt.Errorf("%s: %w", c.Former, idp.ErrConflict)
		}
		if err != nil {
			return nil, fmt.Errorf("read account: %w", err)
		}
		account = *now
	} else if c.Second {
		account.Kind = idp.AccountTPEAD
	}
	there, err := j.Gate.registry(ctx, account)
	if err != nil || there == nil || c.Former == "" {
		return there, err
	}
	return there, there.Hold(ctx, account)
}

type lister func(ctx context.Context, agency, after string, limit int) ([]Candidate, error)

func (j *Job) run(ctx context.Context, step string, list lister, do func(Candidate) (string, error), each func(Outcome)) error {
	after, done := "", 0
	for {
		page, err := list(ctx, j.Agency, after, jobPage)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		outcomes, err := j.page(ctx, page, do, &done)
		for _, o := range outcomes {
			each(o)
		}
		if err != nil {
			return err
		}
		if j.Progress != nil {
			j.Progress(step, done, j.Limit)
		}
		if j.Limit > 0 && done >= j.Limit {
			return nil
		}
		last := page[len(page)-1]
		after = last.Portal + last.Former
	}
}

// page does one page, many at once: the store commits those together that arrive
// together, each in a transaction of its own.
func (j *Job) page(ctx context.Context, page []Candidate, do func(Candidate) (string, error), done *int) ([]Outcome, error) {
	outcomes := make([]Outcome, len(page))
	var work []int
	for i, c := range page {
		outcomes[i] = Outcome{
			Agency: c.Agency.Code, AgencyName: c.Agency.Name, Unit: c.Unit, Name: c.PersonName, Former: c.Portal + c.Former, Result: ResultShared,
		}
		if c.Shared {
			continue
		}
		if j.Limit > 0 && *done >= j.Limit {
			outcomes = outcomes[:i]
			break
		}
		*done++
		outcomes[i].Result = ResultPlanned
		work = append(work, i)
	}
	if j.Dry {
		return outcomes, nil
	}
	err := together(ctx, personally(page, work), func(i int) error {
		name, err := do(page[i])
		switch {
		case errors.Is(err, idp.ErrConflict):
			outcomes[i].Result = ResultChanged
		case errors.Is(err, idp.ErrNotFound):
			outcomes[i].Result = ResultMissing
		case err != nil:
			return err
		default:
			outcomes[i].Account, outcomes[i].Result = name, ResultDone
		}
		return nil
	})
	return outcomes, err
}
