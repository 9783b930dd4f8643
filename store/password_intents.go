package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	addIntent query = `INSERT INTO password_intents (person_id, id, account, body, secret, made_at, due_at, ends_at, tries, lease, fault)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', '')`
	takeIntents query = `UPDATE password_intents SET lease = $1, due_at = $3, tries = tries + 1
		WHERE due_at <= $2 AND id IN (SELECT id FROM password_intents WHERE due_at <= $2 AND (person_id = $5 OR $5 = '') ORDER BY due_at, id LIMIT $4)
		RETURNING person_id, id, account, body, secret, made_at, due_at, ends_at, tries, lease, fault`
	mustBeSet   query = `SELECT COUNT(*) FROM accounts WHERE person_id = $1 AND name = $2 AND must_set AND state = 'active'`
	intentLater query = `UPDATE password_intents SET due_at = $3, fault = $4, lease = '-' WHERE id = $1 AND lease = $2`
	dropIntent  query = `DELETE FROM password_intents WHERE id = $1 AND lease = $2`
	takeOver    query = `DELETE FROM password_intents WHERE id = $1`
	endIntent   query = `DELETE FROM password_intents WHERE id = $1 AND lease = $2 RETURNING person_id`
)

// intentBody is what an intent keeps as one text. The secrets in it are sealed.
type intentBody struct {
	New   directory.NewPassword `json:"new"`
	Event idp.Event             `json:"event"`
}

// BeginPassword implements directory.PasswordIntents.
func (s *Store) BeginPassword(ctx context.Context, i directory.Intent) error {
	err := s.write(ctx, func(r runner) error {
		if _, err := r.exec(with(addIntent, i.PersonID, i.ID, i.Account, text(intentBody{i.New, i.Event}), notNil(i.Secret),
			micros(i.MadeAt), micros(i.DueAt), micros(i.EndsAt))); err != nil {
			return err
		}
		if i.New.Reset {
			// From here on it is done, whatever becomes of the role: the directory is next.
			if err := s.byHand(r, directory.Hand{Actor: i.New.Actor, Operator: i.New.Operator}, i.PersonID, i.MadeAt); err != nil {
				return err
			}
			// From now on the directory may have an administrator's password.
			if _, err := r.exec(with(noteAdmin, i.ID, i.PersonID, directory.ChangedPassword, i.New.Actor, micros(i.MadeAt), i.New.Operator)); err != nil {
				return err
			}
		}
		if i.New.First == "" {
			return nil
		}
		// Nobody else is at this person's password now.
		var unknown int64
		if err := r.row(with(mustBeSet, i.PersonID, i.New.First), &unknown); err != nil {
			return err
		}
		if unknown == 0 {
			return idp.ErrUsed
		}
		return nil
	})
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}

// TakeIntents implements directory.PasswordIntents.
func (s *Store) TakeIntents(ctx context.Context, personID, lease string, now, until time.Time, limit int) ([]directory.Intent, error) {
	var found []directory.Intent
	err := s.write(ctx, func(r runner) error {
		found = nil
		return r.rows(with(takeIntents, lease, micros(now), micros(until), int64(limit), personID), func(scan scan) error {
			var i directory.Intent
			var body intentBody
			if err := scan(&i.PersonID, &i.ID, &i.Account, document{&body}, &i.Secret, moment{&i.MadeAt}, moment{&i.DueAt}, moment{&i.EndsAt},
				&i.Tries, &i.Lease, &i.Fault); err != nil {
				return err
			}
			i.New, i.Event = body.New, body.Event
			found = append(found, i)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// IntentLater implements directory.PasswordIntents. Whoever began it is not at it
// any more.
func (s *Store) IntentLater(ctx context.Context, id, lease string, due time.Time, fault string) error {
	return s.conditional(ctx, with(intentLater, id, lease, micros(due), fault), idp.ErrConflict, nil)
}

// DropIntent implements directory.PasswordIntents.
func (s *Store) DropIntent(ctx context.Context, id, lease string, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		ended, err := r.exec(with(dropIntent, id, lease))
		if err != nil {
			return err
		}
		if ended == 0 {
			return idp.ErrConflict
		}
		if lease == "" {
			if _, err := r.exec(with(forgetAdmin, id)); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
}

// GiveUpIntent implements directory.PasswordIntents.
func (s *Store) GiveUpIntent(ctx context.Context, id, lease string, at time.Time, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		var personID string
		if err := r.row(with(endIntent, id, lease), &personID); err != nil {
			if errors.Is(translate(err), idp.ErrNotFound) {
				return idp.ErrConflict
			}
			return err
		}
		for _, st := range []statement{with(endPersonSessions, personID, micros(at)), with(endPersonGrants, personID, micros(at))} {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
}
