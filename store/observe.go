package store

import (
	"context"
	"slices"
	"strings"

	idp "taipeion.internal/idp"
)

// one, all, checked and write are the engine's, and tell the observers what happened:
// after the commit, so that nobody hears of what did not, and before the caller
// goes on.

func (s *Store) one(ctx context.Context, one statement, dest ...any) (int64, error) {
	n, err := s.engine.one(ctx, one, dest...)
	if s.onEnd != nil && ends(one.query) {
		s.onEnd()
	}
	return n, err
}

func (s *Store) all(ctx context.Context, list []statement) error {
	err := s.engine.all(ctx, list)
	s.tell(list, err)
	return err
}

func (s *Store) checked(ctx context.Context, checks []check, rest []statement) error {
	err := s.engine.checked(ctx, checks, rest)
	if s.onEvent != nil || s.onEnd != nil {
		list := make([]statement, 0, len(checks)+len(rest))
		for _, c := range checks {
			list = append(list, c.statement)
		}
		s.tell(append(list, rest...), err)
	}
	return err
}

func (s *Store) write(ctx context.Context, fn func(runner) error) error {
	if s.onEvent == nil && s.onEnd == nil {
		return s.engine.write(ctx, fn)
	}
	var kept []statement
	err := s.engine.write(ctx, func(r runner) error {
		kept = kept[:0] // it may be run again from its start
		return fn(noting{r, &kept})
	})
	s.tell(kept, err)
	return err
}

// tell is called with an error too: after a lost connection nobody knows what
// was kept, and to forget for nothing costs a read.
func (s *Store) tell(list []statement, err error) {
	if s.onEnd != nil && slices.ContainsFunc(list, func(one statement) bool { return ends(one.query) }) {
		s.onEnd()
	}
	if err != nil || s.onEvent == nil {
		return
	}
	for _, one := range list {
		if one.query != insertEvent {
			continue
		}
		kind, _ := one.args[2].(string)
		result, _ := one.args[3].(string)
		s.onEvent(idp.Event{Kind: kind, Result: result})
	}
}

// ends tells whether the statement may make untrue what is remembered of a
// session or a person.
func ends(q query) bool {
	for _, verb := range [...]query{"UPDATE sessions ", "UPDATE persons ", "INSERT INTO persons "} {
		if strings.HasPrefix(string(q), string(verb)) {
			return q != touchSession && q != holdSession && q != holdPerson
		}
	}
	return false
}

// noting remembers the statements that keep events, or end something.
type noting struct {
	runner
	kept *[]statement
}

func (n noting) exec(s statement) (int64, error) {
	rows, err := n.runner.exec(s)
	if err == nil && s.query == insertEvent || ends(s.query) {
		*n.kept = append(*n.kept, s)
	}
	return rows, err
}

func (n noting) row(s statement, dest ...any) error {
	err := n.runner.row(s, dest...)
	if ends(s.query) {
		*n.kept = append(*n.kept, s)
	}
	return err
}

func (n noting) rows(s statement, each func(scan) error) error {
	err := n.runner.rows(s, each)
	if ends(s.query) {
		*n.kept = append(*n.kept, s)
	}
	return err
}
