package sync

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/plan"
	"taipeion.internal/idp/policy"
)

// Source is one feed of people.
type Source struct {
	Name     string
	People   feed.Records
	Mapping  feed.Mapping
	Agencies feed.Records // code, name, parent; nil: from the rows of people
	Scope    []string     // the agencies that it may speak of; none: all
	Limits   plan.Limits
}

// Runner synchronises.
type Runner struct {
	People People
	Runs   Runs
	Leases directory.Leases
	Names  policy.Names
	Key    func(context string, data []byte) []byte
	Seal   func(plain []byte, context string) []byte
	Now    func() time.Time
	Holder string // this process, for the lease
	Logger *slog.Logger
	// Progress is told what is done, often; nil: nobody is.
	Progress func(step string, done, of int)
}

var (
	// ErrRunning says that another process is synchronising the source.
	ErrRunning = errors.New("a run of this source is under way elsewhere")
	// ErrAsks says that the plan has to be confirmed.
	ErrAsks = errors.New("the plan has to be confirmed")
	// ErrOutdated says that a plan can't be confirmed any more.
	ErrOutdated = errors.New("there is no such plan to confirm, or it is outdated: make a new one")
)

const (
	leaseTime = time.Minute
	planLife  = 24 * time.Hour
	keepPlans = 7 * 24 * time.Hour
)

// Plan reads the source and keeps a plan, without changing anybody.
func (r *Runner) Plan(ctx context.Context, s Source, actor string) (*Run, error) {
	run, _, err := r.plan(ctx, s, actor, func(p *plan.Plan) RunState {
		if len(p.Asks) > 0 {
			return Asking
		}
		return Planned
	})
	return run, err
}

// Do goes on with an interrupted run, and then makes a plan and applies it.
// ErrAsks: it has to be confirmed, and nobody was changed by it.
func (r *Runner) Do(ctx context.Context, s Source, actor string) (run *Run, err error) {
	err = r.alone(ctx, s, func(ctx context.Context) error {
		if run, err = r.goOn(ctx, s); err != nil {
			return err
		}
		run, err = r.fresh(ctx, s, actor)
		return err
	})
	return run, err
}

// Confirm applies a kept plan by its name, if the source says the same still: it is
// read again. ErrOutdated: the plan would be another one now, or it is too old.
func (r *Runner) Confirm(ctx context.Context, s Source, name, actor string) (run *Run, err error) {
	err = r.alone(ctx, s, func(ctx context.Context) error {
		if _, err := r.goOn(ctx, s); err != nil {
			return err
		}
		runs, err := r.Runs.Runs(ctx, s.Name, 100)
		if err != nil {
			return err
		}
		for i := range runs {
			found := &runs[i]
			switch {
			case found.State == Done && found.Summary.Counts.Changed() > 0:
				return ErrOutdated // newest first: whatever is older is older than this
			case (found.State == Asking || found.State == Planned) && found.Plan == name && name != "":
				if r.Now().Sub(found.StartedAt) > planLife {
					return ErrOutdated
				}
				if err := r.still(ctx, s, name); err != nil {
					return err
				}
				run = found
				run.State, run.Actor = Applying, actor
				if err := r.Runs.PutRun(ctx, run); err != nil {
					return err
				}
				return r.apply(ctx, run)
			}
		}
		return ErrOutdated
	})
	return run, err
}

// still makes the plan once more: what was asked about an hour ago may have been a
// feed cut short.
func (r *Runner) still(ctx context.Context, s Source, name string) error {
	p, err := r.make(ctx, s)
	if err != nil {
		return fmt.Errorf("source %s: %w", s.Name, err)
	}
	if p.ID != name {
		return fmt.Errorf("%w: the source says something else now", ErrOutdated)
	}
	return nil
}

// goOn finishes what an interrupted run left. Its plan was approved then.
func (r *Runner) goOn(ctx context.Context, s Source) (*Run, error) {
	runs, err := r.Runs.Runs(ctx, s.Name, 100)
	if err != nil {
		return nil, err
	}
	for i := range runs {
		if runs[i].State != Applying {
			continue
		}
		r.Logger.InfoContext(ctx, "going on with an interrupted synchronisation", "source", s.Name, "run", runs[i].ID)
		if err := r.apply(ctx, &runs[i]); err != nil {
			return &runs[i], err
		}
	}
	return nil, nil
}

func (r *Runner) fresh(ctx context.Context, s Source, actor string) (*Run, error) {
	run, p, err := r.plan(ctx, s, actor, func(p *plan.Plan) RunState {
		switch {
		case len(p.Asks) > 0:
			return Asking
		case len(p.Changes) == 0:
			return Done
		}
		return Applying
	})
	if err != nil {
		return run, err
	}
	if len(p.Asks) > 0 {
		r.Logger.WarnContext(ctx, "synchronisation stopped: the plan has to be confirmed", "source", s.Name, "plan", p.ID, "why", p.Asks)
		return run, fmt.Errorf("%w: plan %s: %s", ErrAsks, p.ID, strings.Join(p.Asks, "; "))
	}
	if run.State == Done {
		return run, nil
	}
	p = nil // it is kept: its memory is not needed any more
	return run, r.apply(ctx, run)
}

// plan reads and plans, and keeps the plan in the state that next gives it.
func (r *Runner) plan(ctx context.Context, s Source, actor string, next func(*plan.Plan) RunState) (*Run, *plan.Plan, error) {
	run := &Run{ID: newID(r.Now()), Source: s.Name, Actor: actor, StartedAt: r.Now()}
	p, err := r.make(ctx, s)
	if err != nil {
		run.State, run.EndedAt, run.Summary.Error = Failed, r.Now(), err.Error()
		return run, nil, errors.Join(fmt.Errorf("source %s: %w", s.Name, err), r.Runs.PutRun(context.WithoutCancel(ctx), run))
	}
	// Kept as a plan first: only a plan that is whole is ever applied.
	state := next(p)
	run.Plan, run.Summary = p.ID, Summary{Counts: p.Counts, Asks: p.Asks}
	run.State = Replaced
	if state != Applying {
		run.EndedAt = r.Now()
	}
	if err := r.Runs.PutRun(ctx, run); err != nil {
		return nil, nil, err
	}
	r.tell("keep plan", 0, len(p.Changes))
	if err := r.Runs.PutPlan(ctx, run.ID, p.Changes, p.Faults); err != nil {
		return nil, nil, fmt.Errorf("keep plan: %w", err)
	}
	run.State = state
	return run, p, r.Runs.PutRun(ctx, run)
}

func (r *Runner) make(ctx context.Context, s Source) (*plan.Plan, error) {
	r.tell("read "+s.Name, 0, 0)
	f, err := feed.Read(ctx, s.People, s.Mapping)
	if err != nil {
		return nil, err
	}
	state := plan.State{}
	last, err := r.Runs.NewestRun(ctx, s.Name, "", Done)
	switch {
	case err == nil:
		state.LastRow, state.Torn = last.Summary.Counts.Rows, last.Summary.Counts.TornKnown
	case !errors.Is(err, idp.ErrNotFound):
		return nil, fmt.Errorf("read the last run: %w", err)
	}
	if err := r.People.Standings(ctx, func(p *directory.Standing) error {
		state.People = append(state.People, p)
		return ctx.Err()
	}); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	if state.Units, err = r.People.Units(ctx); err != nil {
		return nil, fmt.Errorf("read agencies: %w", err)
	}
	if state.Bound, state.Retired, err = r.People.Names(ctx); err != nil {
		return nil, fmt.Errorf("read bindings: %w", err)
	}
	o := plan.Options{
		Source: s.Name, Known: s.Mapping.Known(), Names: r.Names, Key: r.Key, Seal: r.Seal, NewID: directory.NewID,
		Limits: s.Limits, TotalRows: f.Total, HasUnits: s.Agencies != nil,
	}
	if s.Agencies != nil {
		var faults []directory.Fault
		if o.Agencies, faults, err = feed.ReadAgencies(ctx, s.Agencies); err != nil {
			return nil, fmt.Errorf("agencies: %w", err)
		}
		o.Also = faults
	}
	if len(s.Scope) > 0 {
		o.Scope = map[string]bool{}
		for _, agency := range s.Scope {
			o.Scope[agency] = true
		}
	}
	r.tell("plan", 0, f.Total)
	return plan.Make(f.Rows, f.Faults, state, o), nil
}

// alone holds the source's lease while fn runs; fn's context ends if the lease is
// lost.
func (r *Runner) alone(ctx context.Context, s Source, fn func(context.Context) error) error {
	name := LeaseName(s.Name)
	mine, err := r.Leases.TakeLease(ctx, name, r.Holder, r.Now(), r.Now().Add(leaseTime))
	if err != nil {
		return fmt.Errorf("take lease: %w", err)
	}
	if !mine {
		return ErrRunning
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(leaseTime / 4)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			mine, err := r.Leases.TakeLease(ctx, name, r.Holder, r.Now(), r.Now().Add(leaseTime))
			if err == nil && !mine {
				cancel(fmt.Errorf("the lease was lost: %w", ErrRunning))
			}
		}
	}()
	err = fn(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-ended
	return errors.Join(err, r.Leases.DropLease(context.WithoutCancel(ctx), name, r.Holder))
}

// LeaseName is the lease of a source.
func LeaseName(source string) string { return "sync/" + source }

func (r *Runner) tell(step string, done, of int) {
	if r.Progress != nil {
		r.Progress(step, done, of)
	}
}

// newID is in the order of time.
func newID(now time.Time) string {
	var b [5]byte
	rand.Read(b[:])
	return now.UTC().Format("20060102-150405") + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// permanent tells whether trying a change again is of no use.
func permanent(err error) bool {
	return errors.Is(err, ErrStale) || errors.Is(err, idp.ErrConflict)
}
