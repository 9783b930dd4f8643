package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// reaches: the administrator $1 has a role that reaches person p.
	reaches query = `EXISTS (SELECT 1 FROM roles r JOIN persons m ON m.id = r.person_id WHERE r.person_id = $1 AND m.state = 'enabled' AND m.closed_at = 0
		AND (r.kind = 'helpdesk' OR r.kind = 'people' AND r.agency = p.agency AND r.agency <> ''))`
	// mayChange: so that none of the person's own roles reach further.
	mayChange query = reaches + ` AND (EXISTS (SELECT 1 FROM roles r WHERE r.person_id = $1 AND r.kind = 'helpdesk')
		OR NOT EXISTS (SELECT 1 FROM roles t WHERE t.person_id = p.id AND (t.kind <> 'people' OR NOT EXISTS (
			SELECT 1 FROM roles r WHERE r.person_id = $1 AND r.kind = 'people' AND r.agency = t.agency))))`

	noteAdmin query = `INSERT INTO admin_changes (id, person_id, what, actor, changed_at, operator, asked_in, settled_at) VALUES ($1, $2, $3, $4, $5, $6, '', 0)
		ON CONFLICT (id) DO NOTHING`
	// What was begun and changed nothing.
	forgetAdmin query = `DELETE FROM admin_changes WHERE id = $1 AND settled_at = 0`
	// While a change is open there is no person_id, which the table refuses.
	bindFirst query = `INSERT INTO cards (id, person_id, issuer_key_id, subject_serial, fingerprint, certificate, name, not_after, bound_at, unbound_at)
		VALUES ($1, (SELECT p.id FROM persons p WHERE p.id = $2
			AND NOT EXISTS (SELECT 1 FROM admin_changes c WHERE c.person_id = p.id AND c.settled_at = 0)), $3, $4, $5, $6, $7, $8, $9, 0)
		ON CONFLICT (issuer_key_id, subject_serial) WHERE unbound_at = 0 DO UPDATE SET fingerprint = excluded.fingerprint,
			certificate = excluded.certificate, name = excluded.name, not_after = excluded.not_after
		WHERE cards.person_id = excluded.person_id
		RETURNING id, bound_at`
	replaceWaiting query = `UPDATE waiting_cards SET state = 'replaced' WHERE person_id = $1 AND state = 'waiting'`
	addWaiting     query = `INSERT INTO waiting_cards (id, person_id, card, name, id_tail, asked_at, ends_at, state, decided_by, decided_at, reason)
		VALUES ($1, (SELECT id FROM persons WHERE id = $2 AND name = $4 AND id_tail = $5), $3, $4, $5, $6, $7, 'waiting', '', 0, '')`
	// What was changed later is not asked for by this card.
	askInWaiting query = `UPDATE admin_changes SET asked_in = $2 WHERE person_id = $1 AND settled_at = 0`

	waitingColumns query = `SELECT w.id, w.card, w.asked_at, w.ends_at, w.state, w.decided_at, w.reason, ` + personColumns + `
		FROM waiting_cards w JOIN persons p ON p.id = w.person_id` + agencyJoin + ` `
	waitingOf  query = waitingColumns + `WHERE w.person_id = $1 ORDER BY w.asked_at DESC, w.id LIMIT 1`
	waitingFor query = waitingColumns + `WHERE w.state = 'waiting' AND w.ends_at > $2 AND ` + mayChange + ` ORDER BY w.asked_at, w.id LIMIT 500`
	changesIn  query = `SELECT c.what, c.actor, COALESCE(m.name, ''), c.changed_at, c.operator, COALESCE(o.person_id, '') FROM admin_changes c
		LEFT JOIN persons m ON c.actor = 'person:' || m.id LEFT JOIN operators o ON o.account = COALESCE(NULLIF(c.operator, ''), c.actor) WHERE c.asked_in = $1 ORDER BY c.changed_at, c.id`

	// sameHand: the administrator $1 made the change, or the operating-system account
	// $4 typed it, or one typed it that stands for $1.
	sameHand query = `(c.actor = 'person:' || $1 OR $4 <> '' AND (c.operator = $4 OR c.actor = $4)
		OR EXISTS (SELECT 1 FROM operators o WHERE o.person_id = $1 AND (o.account = c.operator OR o.account = c.actor)))`
	approveCard query = `UPDATE waiting_cards SET state = 'approved', decided_by = $1, decided_at = $3, reason = $5
		WHERE id = $2 AND state = 'waiting' AND ends_at > $3 AND person_id <> $1
		AND EXISTS (SELECT 1 FROM persons p WHERE p.id = waiting_cards.person_id AND p.state = 'enabled'
			AND p.name = waiting_cards.name AND p.id_tail = waiting_cards.id_tail AND ` + mayChange + `)
		AND NOT EXISTS (SELECT 1 FROM admin_changes c WHERE c.person_id = waiting_cards.person_id AND c.settled_at = 0
			AND (c.asked_in <> waiting_cards.id OR ` + sameHand + `))
		RETURNING person_id, card`
	refuseCard query = `UPDATE waiting_cards SET state = 'refused', decided_by = $1, decided_at = $3, reason = $4
		WHERE id = $2 AND state = 'waiting' AND ends_at > $3 AND person_id <> $1
		AND EXISTS (SELECT 1 FROM persons p WHERE p.id = waiting_cards.person_id AND ` + mayChange + `)
		RETURNING person_id, card`
	settleChanges query = `UPDATE admin_changes SET settled_at = $2 WHERE asked_in = $1 AND settled_at = 0`
	// Why no row was changed.
	whyUndecided query = `SELECT w.state <> 'waiting' OR w.ends_at <= $3, w.person_id = $1 OR EXISTS (SELECT 1 FROM admin_changes c
			WHERE c.person_id = w.person_id AND c.settled_at = 0 AND ` + sameHand + `)
		FROM waiting_cards w JOIN persons p ON p.id = w.person_id WHERE w.id = $2 AND ` + mayChange
)

// BindFirst implements portal.Cards.
func (s *Store) BindFirst(ctx context.Context, c *idp.Card, events ...idp.Event) error {
	err := s.bind(ctx, bindFirst, c, events, func(r runner) error {
		for _, e := range events {
			if err := hold(r, e.SessionID); err != nil {
				return err
			}
		}
		return nil
	})
	if missing(err) {
		return directory.ErrSecond
	}
	return err
}

// WaitCard implements portal.Cards.
func (s *Store) WaitCard(ctx context.Context, w *directory.WaitingCard, events ...idp.Event) error {
	err := s.inOrder(ctx, append([]statement{
		with(replaceWaiting, w.Person.ID),
		with(addWaiting, w.ID, w.Person.ID, text(w.Card), w.Person.Name, w.Person.IDTail, micros(w.AskedAt), micros(w.EndsAt)),
		with(askInWaiting, w.Person.ID, w.ID),
	}, inserts(events)...))
	if errors.Is(err, errDuplicate) || missing(err) { // in two windows at once, or the person is another now
		return idp.ErrConflict
	}
	return err
}

func waitingInto(w *directory.WaitingCard) []any {
	return append([]any{&w.ID, document{&w.Card}, moment{&w.AskedAt}, moment{&w.EndsAt}, &w.State, moment{&w.DecidedAt}, &w.Reason}, personInto(&w.Person)...)
}

// WaitingOf implements directory.Seconds.
func (s *Store) WaitingOf(ctx context.Context, personID string) (*directory.WaitingCard, error) {
	w := &directory.WaitingCard{}
	err := s.read(ctx, func(r runner) error {
		if err := r.row(with(waitingOf, personID), waitingInto(w)...); err != nil {
			return err
		}
		return changes(r, w)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// WaitingFor implements directory.Seconds.
func (s *Store) WaitingFor(ctx context.Context, administrator string, now time.Time) ([]directory.WaitingCard, error) {
	var found []directory.WaitingCard
	err := s.read(ctx, func(r runner) error {
		found = nil
		err := r.rows(with(waitingFor, administrator, micros(now)), func(scan scan) error {
			var w directory.WaitingCard
			if err := scan(waitingInto(&w)...); err != nil {
				return err
			}
			found = append(found, w)
			return nil
		})
		for i := range found {
			if err == nil {
				err = changes(r, &found[i])
			}
		}
		return err
	})
	return found, err
}

func changes(r runner, w *directory.WaitingCard) error {
	w.Changes = nil
	return r.rows(with(changesIn, w.ID), func(scan scan) error {
		var c directory.AdminChange
		if err := scan(&c.What, &c.Actor, &c.Name, moment{&c.At}, &c.Operator, &c.Stands); err != nil {
			return err
		}
		w.Changes = append(w.Changes, c)
		return nil
	})
}

// ApproveCard implements directory.Seconds.
func (s *Store) ApproveCard(ctx context.Context, d directory.Decision, events ...idp.Event) (personID string, err error) {
	var card idp.Card
	err = s.write(ctx, func(r runner) error {
		card = idp.Card{}
		if err := s.decides(r, d); err != nil {
			return err
		}
		err := r.row(with(approveCard, d.PersonID, d.ID, micros(d.At), d.Operator, d.Reason), &personID, document{&card})
		if err != nil {
			return undecided(r, d, err)
		}
		if _, err := r.exec(with(settleChanges, d.ID, micros(d.At))); err != nil {
			return err
		}
		card.BoundAt = d.At
		if err := bindIn(r, bindCard, &card, events); err != nil {
			return err
		}
		return s.keepTold(r, "", about(personID, "card "+card.ID, events))
	})
	if errors.Is(err, errDuplicate) || errors.Is(err, idp.ErrConflict) {
		return "", directory.DecisionTaken
	}
	return personID, err
}

// RefuseCard implements directory.Seconds.
func (s *Store) RefuseCard(ctx context.Context, d directory.Decision, events ...idp.Event) (personID string, err error) {
	err = s.write(ctx, func(r runner) error {
		var card string
		if err := s.decides(r, d); err != nil {
			return err
		}
		if err := r.row(with(refuseCard, d.PersonID, d.ID, micros(d.At), d.Reason), &personID, &card); err != nil {
			return undecided(r, d, err)
		}
		return s.keepTold(r, "", about(personID, "", events))
	})
	return personID, err
}

// decides holds the administrator's roles until the decision is kept, and has the
// operating-system account that typed it stand for them.
func (s *Store) decides(r runner, d directory.Decision) error {
	for _, hold := range []query{holdPerson, holdRoles} {
		if _, err := r.exec(with(hold, d.PersonID)); err != nil {
			return err
		}
	}
	if d.Operator == "" {
		return nil
	}
	err := s.standFor(r, d.Operator, d.PersonID, d.At)
	if !errors.Is(err, directory.ErrOperator) {
		return err
	}
	// Whoever made the change themself is told that rather.
	if err := undecided(r, d, idp.ErrNotFound); !errors.Is(err, directory.DecisionChanged) {
		return err
	}
	return directory.DecisionOperator
}

// about says of events whom they concern.
func about(personID, detail string, events []idp.Event) []idp.Event {
	list := make([]idp.Event, len(events))
	for i, e := range events {
		e.PersonID = personID
		if e.Detail == "" {
			e.Detail = detail
		}
		list[i] = e
	}
	return list
}

// undecided finds out why a decision changed nothing.
func undecided(r runner, d directory.Decision, err error) error {
	if !errors.Is(translate(err), idp.ErrNotFound) {
		return err
	}
	var over, self bool
	if err := r.row(with(whyUndecided, d.PersonID, d.ID, micros(d.At), d.Operator), &over, &self); err != nil {
		return err // out of reach: as if it were not there
	}
	switch {
	case over:
		return directory.DecisionOver
	case self:
		return directory.DecisionSelf
	}
	return directory.DecisionChanged
}
