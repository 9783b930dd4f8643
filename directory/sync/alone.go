package sync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLease says that the lease could not be renewed in time: another node may have
// it by now.
var ErrLease = errors.New("the lease could not be renewed")

// alone holds the source's lease while fn runs; fn's context ends if the lease is
// lost, or may be.
func (r *Runner) alone(ctx context.Context, s Source, fn func(context.Context) error) error {
	lasts := r.LeaseTime
	if lasts == 0 {
		lasts = leaseTime
	}
	name, at := LeaseName(s.Name), r.Now()
	mine, err := r.Leases.TakeLease(ctx, name, r.Holder, at, at.Add(lasts))
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
		r.renew(ctx, name, lasts, cancel)
	}()
	err = fn(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-ended
	return errors.Join(err, r.Leases.DropLease(context.WithoutCancel(ctx), name, r.Holder))
}

// renew keeps the lease until ctx ends, and cancels before it can be anybody
// else's.
func (r *Runner) renew(ctx context.Context, name string, lasts time.Duration, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(lasts / 4)
	defer tick.Stop()
	safe := time.AfterFunc(lasts*3/4, func() { cancel(ErrLease) })
	defer safe.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, at := time.Now(), r.Now()
		try, done := context.WithTimeout(ctx, lasts/4)
		mine, err := r.Leases.TakeLease(try, name, r.Holder, at, at.Add(lasts))
		done()
		switch {
		case err == nil && !mine:
			cancel(fmt.Errorf("the lease was lost: %w", ErrRunning))
		case err == nil && safe.Stop():
			safe.Reset(lasts*3/4 - time.Since(asked))
		}
	}
}
