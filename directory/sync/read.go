package sync

import (
	"context"
	"fmt"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/plan"
)

// read reads a source, within a time. A file system that hangs can't be
// interrupted: it is left behind, and what it gives later is nobody's.
func (r *Runner) read(ctx context.Context, s Source) (*feed.Feed, plan.Options, error) {
	most := r.ReadTime
	if most == 0 {
		most = readTime
	}
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it was not read within %s: %w", most, context.DeadlineExceeded))
	defer cancel()
	type answer struct {
		f   *feed.Feed
		o   plan.Options
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		f, o, err := r.readAll(ctx, s)
		answers <- answer{f, o, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil && ctx.Err() != nil {
			a.err = context.Cause(ctx)
		}
		return a.f, a.o, a.err
	case <-ctx.Done():
		return nil, plan.Options{}, context.Cause(ctx)
	}
}

func (r *Runner) readAll(ctx context.Context, s Source) (*feed.Feed, plan.Options, error) {
	o := plan.Options{
		Source: s.Name, Known: s.Mapping.Known(), Names: r.Names, Key: r.Key, Seal: r.Seal, NewID: directory.NewID,
		Limits: s.Limits, HasUnits: s.Agencies != nil,
	}
	f, err := feed.Read(ctx, s.People, s.Mapping)
	if err != nil {
		return nil, o, err
	}
	o.TotalRows = f.Total
	if s.Agencies != nil {
		if o.Agencies, o.Also, err = feed.ReadAgencies(ctx, s.Agencies); err != nil {
			return nil, o, fmt.Errorf("agencies: %w", err)
		}
	}
	if len(s.Scope) > 0 {
		o.Scope = map[string]bool{}
		for _, agency := range s.Scope {
			o.Scope[agency] = true
		}
	}
	return f, o, nil
}
