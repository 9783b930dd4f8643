package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
)

const (
	addMessage query = `INSERT INTO outbox (id, kind, recipient, subject, body, made_at, due_at, tries, lease, given_up_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6, 0, '', 0)`
	// Whoever waited for another's lease asks again whether it is still due.
	takeMessages query = `UPDATE outbox SET lease = $1, due_at = $3, tries = tries + 1
		WHERE given_up_at = 0 AND due_at <= $2 AND id IN (SELECT id FROM outbox WHERE given_up_at = 0 AND due_at <= $2 ORDER BY due_at, id LIMIT $4)
		RETURNING id, kind, recipient, subject, body, made_at, tries`
	messageDone    query = `DELETE FROM outbox WHERE id = $1 AND lease = $2`
	messageLater   query = `UPDATE outbox SET due_at = $3, lease = '' WHERE id = $1 AND lease = $2`
	messageGivenUp query = `UPDATE outbox SET given_up_at = $3, lease = '' WHERE id = $1 AND lease = $2`
)

func insertMessage(m outbox.Message) statement {
	return with(addMessage, m.ID, m.Kind, m.To, m.Subject, m.Text, micros(m.At))
}

// TakeMessages implements outbox.Store.
func (s *Store) TakeMessages(ctx context.Context, lease string, now, until time.Time, limit int) ([]outbox.Message, error) {
	var found []outbox.Message
	err := s.write(ctx, func(r runner) error {
		found = nil
		return r.rows(with(takeMessages, lease, micros(now), micros(until), int64(limit)), func(scan scan) error {
			var m outbox.Message
			if err := scan(&m.ID, &m.Kind, &m.To, &m.Subject, &m.Text, moment{&m.At}, &m.Tries); err != nil {
				return err
			}
			found = append(found, m)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// MessageDone implements outbox.Store.
func (s *Store) MessageDone(ctx context.Context, id, lease string) error {
	return s.conditional(ctx, with(messageDone, id, lease), idp.ErrConflict, nil)
}

// MessageLater implements outbox.Store.
func (s *Store) MessageLater(ctx context.Context, id, lease string, due time.Time) error {
	return s.conditional(ctx, with(messageLater, id, lease, micros(due)), idp.ErrConflict, nil)
}

// MessageGivenUp implements outbox.Store.
func (s *Store) MessageGivenUp(ctx context.Context, id, lease string, at time.Time) error {
	return s.conditional(ctx, with(messageGivenUp, id, lease, micros(at)), idp.ErrConflict, nil)
}
