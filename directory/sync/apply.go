package sync

import (
	"context"
	"errors"
	"fmt"
	gosync "sync"
	"sync/atomic"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	page    = 2000 // changes read at once
	workers = 96   // changes under way: the store commits those together that arrive together
)

// apply makes the changes of a run that still wait, agencies and units first.
func (r *Runner) apply(ctx context.Context, run *Run) error {
	before, err := r.Runs.Progress(ctx, run.ID)
	if err != nil {
		return err
	}
	of := before.Waiting + before.Done + before.Failed
	var done atomic.Int64
	done.Store(int64(before.Done + before.Failed))
	for from := int64(0); ; {
		list, err := r.Runs.Changes(ctx, run.ID, from, true, page)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		// Units need their agencies, and people both.
		for _, some := range ranked(list) {
			if err := r.many(ctx, run, some, func() { r.tell("apply", int(done.Add(1)), of) }); err != nil {
				return err
			}
		}
		from = list[len(list)-1].Seq + 1
	}
	return r.finish(ctx, run)
}

// ranked puts what others need before them.
func ranked(list []KeptChange) (parts [3][]KeptChange) {
	for _, c := range list {
		switch {
		case c.Unit != nil && c.Unit.Name == "":
			parts[0] = append(parts[0], c)
		case c.Unit != nil:
			parts[1] = append(parts[1], c)
		default:
			parts[2] = append(parts[2], c)
		}
	}
	return parts
}

func (r *Runner) many(ctx context.Context, run *Run, list []KeptChange, told func()) error {
	var next atomic.Int64
	errs := make([]error, workers)
	var all gosync.WaitGroup
	for w := range min(workers, len(list)) {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				if errs[w] = r.one(ctx, run, &list[i].Change); errs[w] != nil {
					next.Store(int64(len(list)))
					return
				}
				told()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// one makes one change. What can't be done is noted, and stops nothing; that the
// store does not answer stops the run, which goes on later.
func (r *Runner) one(ctx context.Context, run *Run, c *directory.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := r.People.Apply(ctx, run, c, r.Now())
	switch {
	case err == nil, errors.Is(err, idp.ErrUsed):
		return nil
	case ctx.Err() != nil || errors.Is(err, idp.ErrUnavailable):
		return err
	}
	reason := "the store refused it"
	switch {
	case errors.Is(err, ErrStale):
		reason = "the person was changed since the plan was made: the next run looks again"
	case errors.Is(err, idp.ErrConflict):
		reason = "a name or the national ID is another person's"
	}
	r.Logger.WarnContext(ctx, "a change was not possible", "run", run.ID, "line", c.Line, "permanent", permanent(err), "error", err)
	return r.People.FailChange(ctx, run.ID, c.Seq, reason)
}

func (r *Runner) finish(ctx context.Context, run *Run) error {
	p, err := r.Runs.Progress(ctx, run.ID)
	if err != nil {
		return err
	}
	run.State, run.EndedAt, run.Summary.Failed = Done, r.Now(), p.Failed
	if err := r.Runs.PutRun(ctx, run); err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	r.Logger.InfoContext(ctx, "synchronised", "source", run.Source, "run", run.ID, "done", p.Done, "failed", p.Failed,
		"faults", run.Summary.Counts.Faults, "seconds", int(run.EndedAt.Sub(run.StartedAt)/time.Second))
	return nil
}
