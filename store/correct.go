package store

import (
	"bytes"
	"context"
	"errors"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	correctable query = `UPDATE persons SET updated_at = $2 WHERE id = $1 AND NOT shared AND state <> 'departed'
		AND EXISTS (SELECT 1 FROM settings WHERE key = 'phase' AND value <> 'coexist')`
	formerly    query = `SELECT name, id_tail, COALESCE(national_id_hash, $2) FROM persons WHERE id = $1`
	correctName query = `UPDATE persons SET name = $2 WHERE id = $1`
)

// Correct implements directory.Corrections.
func (s *Store) Correct(ctx context.Context, c directory.Correction, events ...idp.Event) error {
	err := s.write(ctx, func(r runner) error {
		n, err := r.exec(with(correctable, c.PersonID, micros(c.At)))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrConflict
		}
		if err := s.byHand(r, c.Hand, c.PersonID, c.At); err != nil {
			return err
		}
		var name, tail string
		var hash []byte
		if err := r.row(with(formerly, c.PersonID, []byte{}), &name, &tail, &hash); err != nil {
			return err
		}
		var list []statement
		var fields []directory.FieldChange
		note := func(what string) {
			list = append(list, with(noteAdmin, directory.NewID(), c.PersonID, what, c.Actor, micros(c.At), c.Operator))
		}
		if c.Name != "" && c.Name != name {
			list = append(list, with(correctName, c.PersonID, c.Name), telling(c.PersonID, directory.NewID(), c.At))
			fields = append(fields, directory.FieldChange{Field: "name", Old: name, New: c.Name})
			note(directory.ChangedName)
		}
		if c.Identity != nil && !bytes.Equal(c.Identity.Hash, hash) {
			list = append(list, with(updateIdentity, c.PersonID, c.Identity.Sealed, c.Identity.Hash, c.Identity.Tail))
			fields = append(fields, directory.FieldChange{Field: "national_id", Old: tail, New: c.Identity.Tail})
			note(directory.ChangedNationalID)
		}
		if len(fields) == 0 {
			return directory.ErrNothing
		}
		if c.Reason != "" {
			fields = append(fields, directory.FieldChange{Field: "reason", New: c.Reason})
		}
		list = append(list, with(noteChange, c.PersonID, "correct/"+directory.NewID(), micros(c.At), c.Actor, "correct", text(fields)))
		for _, st := range append(list, inserts(events)...) {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}
