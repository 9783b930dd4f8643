package sync

import (
	"context"
	"errors"
	"time"
)

// Every synchronises each source when it is due, on one node of many, until ctx
// ends.
func (r *Runner) Every(ctx context.Context, every time.Duration, sources []Source) {
	look := min(every/10, time.Minute)
	tick := time.NewTicker(max(look, time.Second))
	defer tick.Stop()
	for {
		for _, s := range sources {
			if err := r.IfDue(ctx, every, s); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "synchronisation", "source", s.Name, "error", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// IfDue runs if the last run is long enough ago, or was interrupted. That another
// node does it, or that the plan asks, is no error.
func (r *Runner) IfDue(ctx context.Context, every time.Duration, s Source) error {
	due, err := r.due(ctx, every, s)
	if err != nil || !due {
		return err
	}
	err = r.alone(ctx, s, func(ctx context.Context) error {
		// Another node may have done it between our look and our lease.
		if due, err := r.due(ctx, every, s); err != nil || !due {
			return err
		}
		if _, err := r.goOn(ctx, s); err != nil {
			return err
		}
		_, err := r.fresh(ctx, s, "node:"+r.Holder, "")
		return err
	})
	if errors.Is(err, ErrRunning) || errors.Is(err, ErrAsks) {
		return nil
	}
	return err
}

func (r *Runner) due(ctx context.Context, every time.Duration, s Source) (bool, error) {
	runs, err := r.Runs.Runs(ctx, s.Name, 50)
	if err != nil {
		return false, err
	}
	for _, run := range runs {
		switch run.State {
		case Applying:
			return true, nil // interrupted, unless another holds the lease
		case Planned, Replaced:
		default:
			return !r.Now().Before(run.StartedAt.Add(every)), nil
		}
	}
	return true, nil
}
