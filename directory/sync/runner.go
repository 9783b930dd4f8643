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
	Holder string // this process and no other, for the lease
	Logger *slog.Logger
	// How long a lease lasts without being renewed, and how long a source may take to
	// be read; 0: a minute, ten minutes.
	LeaseTime, ReadTime time.Duration
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
	readTime  = 10 * time.Minute
	planLife  = 24 * time.Hour
	keepPlans = 7 * 24 * time.Hour
)

// Plan reads the source and keeps a plan, without changing anybody.
func (r *Runner) Plan(ctx context.Context, s Source, actor string) (*Run, error) {
	run, _, err := r.plan(ctx, s, actor, shown)
	return run, err
}

// Do goes on with an interrupted run, and then makes a plan and applies it.
// ErrAsks: it has to be confirmed, and nobody was changed by it.
func (r *Runner) Do(ctx context.Context, s Source, actor string) (run *Run, err error) {
	err = r.alone(ctx, s, func(ctx context.Context) error {
		if run, err = r.goOn(ctx, s); err != nil {
			return err
		}
		run, err = r.fresh(ctx, s, actor, "")
		return err
	})
	return run, err
}

// Confirm applies a plan that was shown, by its name, if the source says the same
// still: it is read again, since what was asked about an hour ago may have been a
// feed cut short. ErrOutdated: there was no such plan in the last day, or it would
// be another one now, which the run that comes with the error is about.
func (r *Runner) Confirm(ctx context.Context, s Source, name, actor string) (run *Run, err error) {
	if name == "" {
		return nil, ErrOutdated
	}
	err = r.alone(ctx, s, func(ctx context.Context) error {
		if run, err = r.goOn(ctx, s); err != nil {
			return err
		}
		asked, err := r.Runs.NewestRun(ctx, s.Name, name, Asking, Planned)
		if errors.Is(err, idp.ErrNotFound) || err == nil && r.Now().Sub(asked.StartedAt) > planLife {
			return ErrOutdated
		}
		if err != nil {
			return err
		}
		if run, err = r.fresh(ctx, s, actor, name); err != nil {
			return err
		}
		asked.State = Replaced
		return r.Runs.PutRun(ctx, asked)
	})
	return run, err
}

// goOn finishes what an interrupted run left. Its plan was approved then.
func (r *Runner) goOn(ctx context.Context, s Source) (*Run, error) {
	for {
		left, err := r.Runs.NewestRun(ctx, s.Name, "", Applying)
		if errors.Is(err, idp.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		r.Logger.InfoContext(ctx, "going on with an interrupted synchronisation", "source", s.Name, "run", left.ID)
		if err := r.apply(ctx, left); err != nil {
			return left, err
		}
	}
}

// fresh makes a plan and applies it, unless it asks; one that was confirmed by its
// name is applied all the same, and any other is not.
func (r *Runner) fresh(ctx context.Context, s Source, actor, confirmed string) (*Run, error) {
	run, p, err := r.plan(ctx, s, actor, func(p *plan.Plan) RunState {
		switch {
		case confirmed == "" && len(p.Asks) > 0:
			return Asking
		case confirmed != "" && confirmed != p.ID:
			return shown(p)
		case len(p.Changes) == 0:
			return Done
		}
		return Applying
	})
	switch {
	case err != nil:
		return run, err
	case confirmed != "" && confirmed != p.ID:
		return run, fmt.Errorf("%w: what the source says now makes the plan %s", ErrOutdated, p.ID)
	case run.State == Asking:
		r.Logger.WarnContext(ctx, "synchronisation stopped: the plan has to be confirmed", "source", s.Name, "plan", p.ID, "why", p.Asks)
		return run, fmt.Errorf("%w: plan %s: %s", ErrAsks, p.ID, strings.Join(p.Asks, "; "))
	case run.State == Done:
		return run, nil
	}
	p = nil // it is kept: its memory is not needed any more
	return run, r.apply(ctx, run)
}

// shown is the state of a plan that nobody applies yet.
func shown(p *plan.Plan) RunState {
	if len(p.Asks) > 0 {
		return Asking
	}
	return Planned
}

// plan reads and plans, and keeps the plan in the state that next gives it.
func (r *Runner) plan(ctx context.Context, s Source, actor string, next func(*plan.Plan) RunState) (*Run, *plan.Plan, error) {
	run := &Run{ID: newID(r.Now()), Source: s.Name, Actor: actor, StartedAt: r.Now()}
	if err := r.Runs.PrunePlans(ctx, r.Now().Add(-keepPlans)); err != nil {
		return nil, nil, fmt.Errorf("prune plans: %w", err)
	}
	p, err := r.make(ctx, s)
	if err != nil {
		run.State, run.EndedAt, run.Summary.Error = Failed, r.Now(), err.Error()
		return run, nil, errors.Join(fmt.Errorf("source %s: %w", s.Name, err), r.Runs.PutRun(context.WithoutCancel(ctx), run))
	}
	// Kept as a plan first: only a plan that is whole is ever applied.
	state := next(p)
	run.Plan, run.Summary = p.ID, Summary{Counts: p.Counts, Asks: p.Asks}
	changes, err := r.notKept(ctx, run, p, state)
	if err != nil {
		return nil, nil, err
	}
	run.State = Replaced
	if state != Applying {
		run.EndedAt = r.Now()
	}
	if err := r.Runs.PutRun(ctx, run); err != nil {
		return nil, nil, err
	}
	r.tell("keep plan", 0, len(changes))
	if err := r.Runs.PutPlan(ctx, run.ID, changes, p.Faults); err != nil {
		return nil, nil, fmt.Errorf("keep plan: %w", err)
	}
	run.State = state
	return run, p, r.Runs.PutRun(ctx, run)
}

// notKept are the changes to be kept: none of a plan that waits to be looked at and
// is kept already. One that asks every hour is kept once a day.
func (r *Runner) notKept(ctx context.Context, run *Run, p *plan.Plan, state RunState) ([]directory.Change, error) {
	if state != Asking && state != Planned {
		return p.Changes, nil
	}
	before, err := r.Runs.NewestRun(ctx, run.Source, p.ID, Asking, Planned)
	if errors.Is(err, idp.ErrNotFound) {
		return p.Changes, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the same plan: %w", err)
	}
	like, at := before.ID, before.StartedAt
	if before.Summary.Like != "" {
		like, at = before.Summary.Like, before.Summary.LikeAt
	}
	if r.Now().Sub(at) > planLife {
		return p.Changes, nil
	}
	run.Summary.Like, run.Summary.LikeAt = like, at
	return nil, nil
}

func (r *Runner) make(ctx context.Context, s Source) (*plan.Plan, error) {
	r.tell("read "+s.Name, 0, 0)
	f, o, err := r.read(ctx, s)
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
	r.tell("plan", 0, f.Total)
	return plan.Make(f.Rows, f.Faults, state, o), nil
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
