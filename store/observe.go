package store

import (
	"context"

	idp "taipeion.internal/idp"
)

// all and write are the engine's, and tell the observer of the events that
// were kept: after the commit, so that nobody hears of what did not happen.

func (s *Store) all(ctx context.Context, list []statement) error {
	err := s.engine.all(ctx, list)
	if err == nil && s.onEvent != nil {
		s.tell(list)
	}
	return err
}

func (s *Store) write(ctx context.Context, fn func(runner) error) error {
	if s.onEvent == nil {
		return s.engine.write(ctx, fn)
	}
	var kept []statement
	err := s.engine.write(ctx, func(r runner) error {
		kept = kept[:0] // it may be run again from its start
		return fn(noting{r, &kept})
	})
	if err == nil {
		s.tell(kept)
	}
	return err
}

func (s *Store) tell(list []statement) {
	for _, one := range list {
		if one.query != insertEvent {
			continue
		}
		kind, _ := one.args[2].(string)
		result, _ := one.args[3].(string)
		s.onEvent(idp.Event{Kind: kind, Result: result})
	}
}

// noting remembers the statements that keep events.
type noting struct {
	runner
	kept *[]statement
}

func (n noting) exec(s statement) (int64, error) {
	rows, err := n.runner.exec(s)
	if err == nil && s.query == insertEvent {
		*n.kept = append(*n.kept, s)
	}
	return rows, err
}
