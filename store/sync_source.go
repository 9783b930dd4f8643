package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	sourceOf  query = `SELECT source FROM persons WHERE id = $1`
	setSource query = `UPDATE persons SET source = $2, updated_at = $3 WHERE id = $1`
	// What the former source gave goes with it.
	dropPostsOf query = `DELETE FROM posts WHERE person_id = $1 AND source = $2`
)

// SetSource hands a person over to another source, with the event and the history;
// idp.ErrNotFound for nobody.
func (s *Store) SetSource(ctx context.Context, personID, source string, at time.Time, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		var was string
		if err := r.row(with(sourceOf, personID), &was); err != nil {
			return err
		}
		if was == source {
			return keep(r, events)
		}
		for _, change := range []statement{with(setSource, personID, source, micros(at)), with(dropPostsOf, personID, was)} {
			if _, err := r.exec(change); err != nil {
				return err
			}
		}
		fields := withReason([]directory.FieldChange{{Field: "source", Old: was, New: source}}, events)
		if err := noteChanges(r, personID, "source", at, events, fields); err != nil {
			return err
		}
		return keep(r, events)
	})
}
