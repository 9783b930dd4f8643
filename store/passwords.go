package store

import (
	"context"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// One row at least, and one for each former password.
	passwordStanding query = `SELECT COALESCE(s.changed_at, 0), COALESCE(s.must_change, FALSE), COALESCE(s.ends_at, 0), COALESCE(s.reset_at, 0),
			CASE WHEN s.told_of = s.changed_at THEN s.told_at ELSE 0 END, h.sealed
		FROM (SELECT CAST($1 AS TEXT) AS id) AS p LEFT JOIN password_standing s ON s.person_id = p.id
			LEFT JOIN password_history h ON h.person_id = p.id ORDER BY h.number DESC`
	// The condition decides between two changes at once.
	putStanding query = `INSERT INTO password_standing (person_id, changed_at, must_change, ends_at, reset_at, told_at, told_of)
		VALUES ($1, $2, $3, $4, $5, $7, $2)
		ON CONFLICT (person_id) DO UPDATE SET changed_at = excluded.changed_at, must_change = excluded.must_change, ends_at = excluded.ends_at,
			told_at = excluded.told_at, told_of = excluded.told_of,
			reset_at = CASE WHEN excluded.reset_at > 0 THEN excluded.reset_at ELSE password_standing.reset_at END
		WHERE password_standing.changed_at = $6`
	settlePassword query = `UPDATE password_standing SET must_change = FALSE, ends_at = 0 WHERE person_id = $1 AND changed_at = $2 AND must_change`
	addOldPassword query = `INSERT INTO password_history (person_id, number, sealed)
		VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM password_history WHERE person_id = $1), $2)`
	cutOldPasswords query = `DELETE FROM password_history WHERE person_id = $1
		AND number <= (SELECT MAX(number) FROM password_history WHERE person_id = $1) - $2`
	setOnce           query = `UPDATE accounts SET must_set = FALSE WHERE person_id = $1 AND name = $2 AND must_set`
	markPassword      query = `UPDATE persons SET has_password = TRUE, updated_at = $2 WHERE id = $1`
	endOtherSessions  query = `UPDATE sessions SET ended_at = $3 WHERE person_id = $1 AND id <> $2 AND ended_at = 0`
	endOtherGrants    query = `UPDATE grants SET revoked_at = $3 WHERE person_id = $1 AND person_id <> '' AND revoked_at = 0 AND (offline OR session_id <> $2)`
	replaceDeliveries query = `UPDATE password_deliveries SET state = 'replaced', secret = NULL
		WHERE person_id = $1 AND target = $2 AND account = $3 AND state = 'waiting'`
	addDelivery query = `INSERT INTO password_deliveries (id, person_id, target, account, secret, state, made_at, due_at, ends_at, tries, lease, fault)
		VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $8, 0, '', '')`
	// Until when somebody may still be delivering an older password there.
	underWay query = `SELECT COALESCE(MAX(due_at), 0) FROM password_deliveries
		WHERE person_id = $1 AND target = $2 AND account = $3 AND state IN ('waiting', 'replaced') AND lease <> ''`

	takeDeliveries query = `UPDATE password_deliveries SET lease = $1, due_at = $3, tries = tries + 1
		WHERE state = 'waiting' AND due_at <= $2 AND ends_at > $2
			AND id IN (SELECT id FROM password_deliveries WHERE state = 'waiting' AND due_at <= $2 AND ends_at > $2 ORDER BY due_at, id LIMIT $4)
		RETURNING id, person_id, target, account, secret, state, made_at, ends_at, tries, fault`
	deliveryLater   query = `UPDATE password_deliveries SET due_at = $3, fault = $4, lease = '' WHERE id = $1 AND lease = $2 AND state = 'waiting'`
	deliveryEnded   query = `UPDATE password_deliveries SET state = $3, fault = $4, secret = NULL, lease = '' WHERE id = $1 AND lease = $2 AND state = 'waiting'`
	wipeDeliveries  query = `UPDATE password_deliveries SET state = 'failed', secret = NULL, lease = '' WHERE state = 'waiting' AND ends_at <= $1`
	pruneDeliveries query = `DELETE FROM password_deliveries WHERE id IN (SELECT id FROM password_deliveries WHERE state <> 'waiting' AND ends_at < $1 LIMIT $2)`
	deliveriesOf    query = `SELECT id, person_id, target, account, state, made_at, ends_at, tries, fault FROM password_deliveries
		WHERE person_id = $1 ORDER BY made_at DESC, id LIMIT $2`
)

// PasswordStanding implements directory.PasswordKeeper.
func (s *Store) PasswordStanding(ctx context.Context, personID string) (*directory.PasswordStanding, error) {
	var st *directory.PasswordStanding
	err := s.read(ctx, func(r runner) error {
		st = &directory.PasswordStanding{}
		return r.rows(with(passwordStanding, personID), func(scan scan) error {
			var sealed []byte
			err := scan(moment{&st.ChangedAt}, &st.MustChange, moment{&st.EndsAt}, moment{&st.ResetAt}, moment{&st.ToldAt}, &sealed)
			if err == nil && sealed != nil {
				st.History = append(st.History, sealed)
			}
			return err
		})
	})
	return st, err
}

// PasswordKnown implements directory.PasswordKeeper.
func (s *Store) PasswordKnown(ctx context.Context, personID, account string, event idp.Event) error {
	return s.write(ctx, func(r runner) error {
		n, err := r.exec(with(setOnce, personID, account))
		if err != nil || n == 0 {
			return err
		}
		return keep(r, []idp.Event{event})
	})
}

// PasswordSettled implements directory.PasswordKeeper.
func (s *Store) PasswordSettled(ctx context.Context, personID string, since time.Time) error {
	_, err := s.one(ctx, with(settlePassword, personID, micros(since)))
	return err
}

// SetPassword implements directory.PasswordKeeper.
func (s *Store) SetPassword(ctx context.Context, n directory.NewPassword, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		if err := finishIntent(r, n); err != nil {
			return err
		}
		if n.Reset && n.Intent == "" { // an intent asked when it began
			if err := s.byHand(r, directory.Hand{Actor: n.Actor, Operator: n.Operator}, n.PersonID, n.At); err != nil {
				return err
			}
		}
		var reset int64
		if n.Reset {
			reset = micros(n.At)
		}
		changed, err := r.exec(with(putStanding, n.PersonID, micros(n.At), n.MustChange, micros(n.EndsAt), reset, micros(n.Since), micros(n.ToldAt)))
		if err != nil {
			return err
		}
		if changed == 0 {
			return idp.ErrConflict
		}
		if err := setFirst(r, n); err != nil {
			return err
		}
		for _, st := range follow(n) {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		if err := deliver(r, n); err != nil {
			return err
		}
		set := held{person: n.PersonID, kind: "password.change", at: n.At, field: "password", now: strings.Join(n.Accounts, " ")}
		if err := noteHeld(r, set, events); err != nil {
			return err
		}
		for _, m := range n.Letters {
			if _, err := r.exec(insertMessage(m)); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
}

// follow is all that follows from a new password, whatever else is kept.
func follow(n directory.NewPassword) []statement {
	var list []statement
	if n.Former != nil {
		list = append(list, with(addOldPassword, n.PersonID, n.Former))
	}
	list = append(list,
		with(addOldPassword, n.PersonID, notNil(n.Sealed)), with(cutOldPasswords, n.PersonID, int64(n.Keep)),
		with(markPassword, n.PersonID, micros(n.At)),
		with(endOtherSessions, n.PersonID, n.Session, micros(n.At)), with(endOtherGrants, n.PersonID, n.Session, micros(n.At)))
	if n.Reset {
		id := n.Intent // noted when it was begun
		if id == "" {
			id = directory.NewID()
		}
		list = append(list, with(noteAdmin, id, n.PersonID, directory.ChangedPassword, n.Actor, micros(n.At), n.Operator))
	}
	if n.Hash != "" {
		list = append(list, with(putPassword, n.PersonID, n.Hash, micros(n.At)))
	}
	return list
}

// finishIntent ends what was begun; idp.ErrUsed if another node has done so.
func finishIntent(r runner, n directory.NewPassword) error {
	if n.Intent == "" {
		return nil
	}
	end := with(dropIntent, n.Intent, n.Lease)
	if n.Anyway {
		end = with(takeOver, n.Intent)
	}
	ended, err := r.exec(end)
	if err != nil {
		return err
	}
	if ended == 0 && !n.Anyway {
		return idp.ErrUsed
	}
	return nil
}

// setFirst notes that somebody knows the password of the accounts now.
func setFirst(r runner, n directory.NewPassword) error {
	for _, name := range n.Accounts {
		changed, err := r.exec(with(setOnce, n.PersonID, name))
		if err != nil {
			return err
		}
		if changed == 0 && name == n.First && n.Intent == "" { // an intent asked when it began
			return idp.ErrUsed
		}
	}
	return nil
}

// deliver puts deliveries in the place of older ones. One that somebody has
// leased may still arrive: the new one starts after that lease.
func deliver(r runner, n directory.NewPassword) error {
	for _, d := range n.Deliveries {
		var leased int64
		if err := r.row(with(underWay, n.PersonID, d.Target, d.Account), &leased); err != nil {
			return err
		}
		if _, err := r.exec(with(replaceDeliveries, n.PersonID, d.Target, d.Account)); err != nil {
			return err
		}
		due := max(leased, micros(n.At))
		if _, err := r.exec(with(addDelivery, d.ID, n.PersonID, d.Target, d.Account, d.Secret, micros(n.At), due, micros(d.EndsAt))); err != nil {
			return err
		}
	}
	return nil
}

// TakeDeliveries implements directory.PasswordKeeper.
func (s *Store) TakeDeliveries(ctx context.Context, lease string, now, until time.Time, limit int) ([]directory.Delivery, error) {
	var found []directory.Delivery
	err := s.write(ctx, func(r runner) error {
		found = nil
		return r.rows(with(takeDeliveries, lease, micros(now), micros(until), int64(limit)), func(scan scan) error {
			var d directory.Delivery
			if err := scan(&d.ID, &d.PersonID, &d.Target, &d.Account, &d.Secret, &d.State, moment{&d.MadeAt}, moment{&d.EndsAt}, &d.Tries, &d.Fault); err != nil {
				return err
			}
			found = append(found, d)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// SettleDelivery implements directory.PasswordKeeper.
func (s *Store) SettleDelivery(ctx context.Context, id, lease string, state directory.DeliveryState, due time.Time, fault string) error {
	change := with(deliveryEnded, id, lease, string(state), fault)
	if state == directory.DeliveryWaiting {
		change = with(deliveryLater, id, lease, micros(due), fault)
	}
	return s.conditional(ctx, change, idp.ErrConflict, nil)
}

// WipeDeliveries implements directory.PasswordKeeper.
func (s *Store) WipeDeliveries(ctx context.Context, now time.Time) (int64, error) {
	return s.one(ctx, with(wipeDeliveries, micros(now)))
}

// DeliveriesOf implements directory.PasswordKeeper.
func (s *Store) DeliveriesOf(ctx context.Context, personID string, limit int) ([]directory.Delivery, error) {
	var found []directory.Delivery
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(deliveriesOf, personID, int64(limit)), func(scan scan) error {
			var d directory.Delivery
			if err := scan(&d.ID, &d.PersonID, &d.Target, &d.Account, &d.State, moment{&d.MadeAt}, moment{&d.EndsAt}, &d.Tries, &d.Fault); err != nil {
				return err
			}
			found = append(found, d)
			return nil
		})
	})
	return found, err
}
