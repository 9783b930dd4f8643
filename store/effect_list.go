package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// What mailboxes still have to be told stands beside what directories have.
	listEffects query = `SELECT l.id, l.person_id, l.name, l.kind, l.account, l.former, l.state, l.made_at, l.due_at, l.tries, l.fault FROM (
		SELECT e.id AS id, e.person_id AS person_id, p.name AS name, e.kind AS kind, e.account AS account, e.former AS former, e.state AS state,
			e.made_at AS made_at, e.due_at AS due_at, e.tries AS tries, e.fault AS fault
			FROM directory_effects e JOIN persons p ON p.id = e.person_id WHERE e.state IN ('waiting', 'failed')
		UNION ALL SELECT d.id, d.person_id, p.name, 'mailbox', d.account, '', d.state, d.made_at, d.due_at, d.tries, d.fault
			FROM password_deliveries d JOIN persons p ON p.id = d.person_id WHERE d.state IN ('waiting', 'failed')
	) AS l WHERE (l.person_id = $1 OR $1 = '') AND (l.state = 'failed' OR NOT $2) ORDER BY l.made_at, l.id LIMIT $3`
	retryEffect query = `UPDATE directory_effects SET state = 'waiting', due_at = $2, tries = 0, lease = ''
		WHERE id = $1 AND (state = 'failed' OR state = 'waiting' AND (lease = '' OR due_at <= $2))`
	retryDelivery query = `UPDATE password_deliveries SET due_at = $2 WHERE id = $1 AND state = 'waiting' AND (lease = '' OR due_at <= $2)`
	dropEffect    query = `UPDATE directory_effects SET state = 'done', lease = '', fault = 'dropped'
		WHERE id = $1 AND (state = 'failed' OR state = 'waiting' AND (lease = '' OR due_at <= $2))`
	dropDelivery query = `DELETE FROM password_deliveries WHERE id = $1 AND (state = 'failed' OR state = 'waiting' AND (lease = '' OR due_at <= $2))`

	deliveryCounts query = `SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), 0) FROM password_deliveries WHERE state IN ('waiting', 'failed')`
	pruneEffects query = `DELETE FROM directory_effects WHERE id IN (SELECT id FROM directory_effects WHERE state = 'done' AND due_at < $1 LIMIT $2)`
)

// keepEffects is how long it is kept what directories were told.
const keepEffects = 30 * 24 * time.Hour

// ListEffects implements directory.EffectList.
func (s *Store) ListEffects(ctx context.Context, personID string, failed bool, limit int) ([]directory.KeptEffect, error) {
	found := []directory.KeptEffect{}
	err := s.read(ctx, func(r runner) error {
		found = found[:0]
		return r.rows(with(listEffects, personID, failed, int64(limit)), func(scan scan) error {
			var e directory.KeptEffect
			if err := scan(&e.ID, &e.PersonID, &e.PersonName, &e.Kind, &e.Account, &e.Former, &e.State, moment{&e.MadeAt}, moment{&e.DueAt},
				&e.Tries, &e.Fault); err != nil {
				return err
			}
			found = append(found, e)
			return nil
		})
	})
	return found, err
}

// RetryEffect implements directory.EffectList.
func (s *Store) RetryEffect(ctx context.Context, id string, at time.Time, events ...idp.Event) error {
	return s.either(ctx, with(retryEffect, id, micros(at)), with(retryDelivery, id, micros(at)), events)
}

// DropEffect implements directory.EffectList.
func (s *Store) DropEffect(ctx context.Context, id string, at time.Time, events ...idp.Event) error {
	return s.either(ctx, with(dropEffect, id, micros(at)), with(dropDelivery, id, micros(at)), events)
}

// either makes the change that is possible; idp.ErrNotFound if neither is.
func (s *Store) either(ctx context.Context, one, other statement, events []idp.Event) error {
	return s.write(ctx, func(r runner) error {
		n, err := r.exec(one)
		if err == nil && n == 0 {
			n, err = r.exec(other)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrNotFound
		}
		return keep(r, events)
	})
}

// DeliveryCounts says how many passwords wait for a mailbox, and how many never
// reached one.
func (s *Store) DeliveryCounts(ctx context.Context) (waiting, failed int, err error) {
	var w, f int64
	err = s.read(ctx, func(r runner) error { return r.row(with(deliveryCounts), &w, &f) })
	return int(w), int(f), err
}
