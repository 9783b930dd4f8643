package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	portalBoundTo query = `SELECT portal, tpead FROM bindings WHERE person_id = $1 ORDER BY bound_at DESC, portal LIMIT 1`
	saidWithout   query = `SELECT COUNT(*) FROM without_tpead WHERE person_id = $1`
	noteWithout   query = `INSERT INTO without_tpead (person_id, said_at) VALUES ($1, $2) ON CONFLICT (person_id) DO NOTHING`
)

// BoundOf implements directory.OwnBindings.
func (s *Store) BoundOf(ctx context.Context, personID string) (*directory.Bound, error) {
	var b *directory.Bound
	err := s.read(ctx, func(r runner) error {
		b = &directory.Bound{}
		err := r.row(with(portalBoundTo, personID), &b.Portal, &b.TPEAD)
		if err != nil && !errors.Is(translate(err), idp.ErrNotFound) {
			return err
		}
		var said int64
		if err := r.row(with(saidWithout, personID), &said); err != nil {
			return err
		}
		b.None = said > 0 && b.TPEAD == ""
		return nil
	})
	return b, err
}

// SayWithout implements directory.OwnBindings.
func (s *Store) SayWithout(ctx context.Context, personID string, at time.Time, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		n, err := r.exec(with(noteWithout, personID, micros(at)))
		if err != nil {
			return err
		}
		if n > 0 {
			if err := noteHeld(r, held{person: personID, kind: "account.without", at: at, field: "bound", now: "-"}, events); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
}

var _ directory.OwnBindings = (*Store)(nil)
