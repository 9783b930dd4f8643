package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// onlySingle: of person p nothing but a single account opens a login.
	onlySingle query = `(p.renamed_at > 0 OR EXISTS (SELECT 1 FROM settings WHERE key = 'phase' AND value = 'single'))`
	rivals     query = `SELECT a.name, a.kind, EXISTS (SELECT 1 FROM bindings b WHERE b.tpead = a.name),
			a.claimed AND NOT EXISTS (SELECT 1 FROM bindings b WHERE b.tpead = a.name), a.kind <> 'single' AND ` + onlySingle + `
		FROM accounts a JOIN persons p ON p.id = a.person_id
		WHERE a.person_id = $1 AND a.kind IN ('tpead', 'single') AND a.state = 'active' ORDER BY a.position, a.name`
	// Its row is locked first: of two choices at once the second sees what the first did.
	lockChooser query = `UPDATE persons SET username = $2, updated_at = $3 WHERE id = $1 AND state = 'enabled'
		AND EXISTS (SELECT 1 FROM settings WHERE key = 'phase' AND value <> 'coexist')`
	// The kind of a single account goes with its person, who gets another one.
	dropRivals query = `UPDATE accounts SET state = 'disabled', kind = 'tpead', must_set = FALSE
		WHERE person_id = $1 AND name <> $2 AND kind IN ('tpead', 'single') AND state = 'active'
		AND EXISTS (SELECT 1 FROM accounts k WHERE k.name = $2 AND k.person_id = $1 AND k.kind IN ('tpead', 'single') AND k.state = 'active'
			AND (k.kind = 'single' OR NOT EXISTS (SELECT 1 FROM persons p WHERE p.id = $1 AND ` + onlySingle + `)))
		AND (SELECT COUNT(*) FROM bindings WHERE person_id = $1) <= 1 RETURNING name`
	// What was proved twice is theirs, as if a feed had given it.
	ownNow  query = `UPDATE accounts SET claimed = FALSE WHERE person_id = $1 AND name = $2`
	ownOnly query = ownNow + ` AND NOT EXISTS (SELECT 1 FROM accounts o WHERE o.person_id = $1 AND o.name <> $2
		AND o.kind IN ('tpead', 'single') AND o.state = 'active')`
	followBinding query = `UPDATE bindings SET tpead = $3 WHERE person_id = $1 AND tpead = $2`
	// Whoever proved the password of what they keep need not set one.
	needNotSet query = `UPDATE password_standing SET must_change = FALSE WHERE person_id = $1 AND changed_at = 0 AND reset_at = 0
		AND NOT EXISTS (SELECT 1 FROM accounts WHERE person_id = $1 AND must_set AND state = 'active')`
)

// Rivals implements directory.Choices.
func (s *Store) Rivals(ctx context.Context, personID string) ([]directory.Rival, error) {
	var found []directory.Rival
	bound := 0
	err := s.read(ctx, func(r runner) error {
		found, bound = nil, 0
		return r.rows(with(rivals, personID), func(scan scan) error {
			var one directory.Rival
			if err := scan(&one.Name, &one.Kind, &one.Bound, &one.Claimed, &one.Past); err != nil {
				return err
			}
			if one.Bound {
				bound++
			}
			found = append(found, one)
			return nil
		})
	})
	if err != nil || len(found) < 2 || bound > 1 {
		return nil, err
	}
	return found, nil
}

// KeepOne implements directory.Choices.
func (s *Store) KeepOne(ctx context.Context, personID, kept string, at time.Time, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		n, err := r.exec(with(lockChooser, personID, kept, micros(at)))
		if err != nil {
			return err
		}
		var dropped []string
		err = r.rows(with(dropRivals, personID, kept), func(scan scan) error {
			var name string
			if err := scan(&name); err != nil {
				return err
			}
			dropped = append(dropped, name)
			return nil
		})
		if err != nil {
			return err
		}
		if n == 0 || len(dropped) == 0 {
			return idp.ErrConflict
		}
		fields := []directory.FieldChange{{Field: "kept", New: kept}}
		list := []statement{with(needNotSet, personID), with(ownNow, personID, kept)}
		for _, name := range dropped {
			fields = append(fields, directory.FieldChange{Field: "disabled", Old: name})
			list = append(list, with(followBinding, personID, name, kept),
				with(addEffect, personID, "keep/"+directory.NewID(), "disable", name, "", micros(at)))
		}
		list = append(list, with(noteChange, personID, "keep/"+directory.NewID(), micros(at), "person:"+personID, "keep", text(fields)))
		for _, st := range list {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		return s.keepTold(r, kept, events)
	})
}

// Claim implements directory.Choices.
func (s *Store) Claim(ctx context.Context, personID, name string, at time.Time, events ...idp.Event) error {
	fields := []directory.FieldChange{{Field: "account", New: name}}
	err := s.write(ctx, func(r runner) error {
		for _, e := range events {
			if err := hold(r, e.SessionID); err != nil {
				return err
			}
		}
		n, err := r.exec(with(takeTPEAD, personID, name))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrConflict
		}
		for _, st := range []statement{
			with(useName, name, micros(at)), with(ownOnly, personID, name),
			with(noteChange, personID, "claim/"+directory.NewID(), micros(at), "person:"+personID, "claim", text(fields)),
		} {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		return s.keepTold(r, name, events)
	})
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}
