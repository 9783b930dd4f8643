package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

const (
	endOlderEnrolments query = `UPDATE enrolments SET state = 'over', changed_at = $2 WHERE session_id = $1 AND state IN ('new', 'claimed')`
	insertEnrolment    query = `INSERT INTO enrolments (id, person_id, session_id, card_id, fingerprint, not_after, state, tries, created_at, ends_at,
			claimed_at, changed_at, name, platform, presence, sign_count)
		VALUES ($1, $2, $3, $4, $5, $6, 'new', 0, $7, $8, 0, $7, '', '', '', 0)`
	enrolmentByID query = `SELECT e.id, e.person_id, e.session_id, e.card_id, e.fingerprint, e.not_after, e.state, e.tries, e.created_at, e.ends_at,
			e.claimed_at, e.public, e.name, e.platform, e.presence, e.sealed, e.sign_count, ` + personColumns + `
		FROM enrolments e JOIN persons p ON p.id = e.person_id` + agencyJoin + ` WHERE e.id = $1`
	// The last try that is allowed ends it.
	countEnrolTry query = `UPDATE enrolments SET tries = tries + 1, changed_at = $2, state = CASE WHEN tries + 1 >= $3 THEN 'over' ELSE state END
		WHERE id = $1 AND state = 'new' AND ends_at > $2`
	claimEnrolment query = `UPDATE enrolments SET state = 'claimed', claimed_at = $2, changed_at = $2, ends_at = $3, public = $4, name = $5, platform = $6,
			presence = $7, sealed = $8, sign_count = $9
		WHERE id = $1 AND state = 'new' AND ends_at > $2 AND tries < $10`
	finishEnrolment query = `UPDATE enrolments SET state = 'done', changed_at = $3
		WHERE id = $1 AND session_id = $2 AND state = 'claimed' AND ends_at > $3
			AND EXISTS (SELECT 1 FROM sessions s JOIN persons p ON p.id = s.person_id
				WHERE s.id = enrolments.session_id AND s.person_id = enrolments.person_id AND s.ended_at = 0 AND s.ends_at > $3 AND p.state = 'enabled' AND p.closed_at = 0)
			AND (card_id = '' OR EXISTS (SELECT 1 FROM cards c WHERE c.id = enrolments.card_id AND c.person_id = enrolments.person_id AND c.unbound_at = 0
				AND c.fingerprint = enrolments.fingerprint))`
	insertDevice query = `INSERT INTO devices (id, person_id, card_id, name, platform, presence, certificate, sealed, bound_at, used_at, not_after,
			revoked_at, suspended_at, pin_failures, sign_count, signed_at, s1, s2, s3, s4, s5)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, 0, 0, 0, $11, 0, 0, 0, 0, 0, 0)`
	cancelEnrolment query = `UPDATE enrolments SET state = 'over', changed_at = $3 WHERE id = $1 AND session_id = $2 AND state IN ('new', 'claimed')`
)

// CreateEnrolment implements devicebind.EnrolmentStore.
func (s *Store) CreateEnrolment(ctx context.Context, e *devicebind.Enrolment, w devicebind.With) error {
	create := func() error {
		return s.write(ctx, func(r runner) error {
			if _, err := r.exec(with(endOlderEnrolments, e.SessionID, micros(e.CreatedAt))); err != nil {
				return err
			}
			_, err := r.exec(with(insertEnrolment, e.ID, e.PersonID, e.SessionID, e.CardID, e.Fingerprint, micros(e.NotAfter), micros(e.CreatedAt), micros(e.EndsAt)))
			if err != nil {
				return err
			}
			return keepWith(r, w)
		})
	}
	err := create()
	if errors.Is(err, errDuplicate) {
		err = create() // another one of the session came in between: it ends now
	}
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}

// hold takes the row of the session in which somebody changes their factors, if it
// is not nobody's: it has not ended.
func hold(r runner, session string) error {
	if session == "" {
		return nil
	}
	n, err := r.exec(with(holdSession, session, int64(0)))
	if err == nil && n == 0 {
		err = idp.Denied{Reason: devicebind.ReasonFactorFresh}
	}
	return err
}

// keepWith keeps what a change is kept with.
func keepWith(r runner, w devicebind.With) error {
	if err := keep(r, w.Events); err != nil {
		return err
	}
	for _, m := range w.Mail {
		if _, err := r.exec(insertMessage(m)); err != nil {
			return err
		}
	}
	return nil
}

// change runs one conditional statement with what it is kept with; without a
// row nothing is kept, and the answer is otherwise.
func (s *Store) change(ctx context.Context, change statement, otherwise error, w devicebind.With) error {
	if len(w.Mail) == 0 {
		return s.conditional(ctx, change, otherwise, w.Events)
	}
	return s.write(ctx, func(r runner) error {
		n, err := r.exec(change)
		if err != nil {
			return err
		}
		if n == 0 {
			return otherwise
		}
		return keepWith(r, w)
	})
}

// Enrolment implements devicebind.EnrolmentStore.
func (s *Store) Enrolment(ctx context.Context, id []byte) (*devicebind.Enrolment, *idp.Person, error) {
	e, p := &devicebind.Enrolment{}, &idp.Person{}
	into := append([]any{&e.ID, &e.PersonID, &e.SessionID, &e.CardID, &e.Fingerprint, moment{&e.NotAfter}, &e.State, &e.Tries, moment{&e.CreatedAt},
		moment{&e.EndsAt}, moment{&e.ClaimedAt}, &e.Public, &e.Name, &e.Platform, &e.Presence, &e.Sealed, &e.SignCount}, personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(enrolmentByID, id), into...) }); err != nil {
		return nil, nil, err
	}
	return e, p, nil
}

// CountEnrolTry implements devicebind.EnrolmentStore.
func (s *Store) CountEnrolTry(ctx context.Context, id []byte, now time.Time, w devicebind.With) error {
	err := s.change(ctx, with(countEnrolTry, id, micros(now), int64(devicebind.MaxEnrolTries)), idp.ErrUsed, w)
	if errors.Is(err, idp.ErrUsed) {
		return nil // it is over already
	}
	return err
}

// ClaimEnrolment implements devicebind.EnrolmentStore.
func (s *Store) ClaimEnrolment(ctx context.Context, e *devicebind.Enrolment, now time.Time, w devicebind.With) error {
	return s.change(ctx, with(claimEnrolment, e.ID, micros(now), micros(e.EndsAt), e.Public, e.Name, e.Platform, string(e.Presence), e.Sealed,
		int64(e.SignCount), int64(devicebind.MaxEnrolTries)), idp.ErrUsed, w)
}

// FinishEnrolment implements devicebind.EnrolmentStore.
func (s *Store) FinishEnrolment(ctx context.Context, id []byte, sessionID string, d *devicebind.Device, now time.Time, w devicebind.With) error {
	return s.write(ctx, func(r runner) error {
		if err := hold(r, w.Session); err != nil {
			return err
		}
		n, err := r.exec(with(finishEnrolment, id, sessionID, micros(now)))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrUsed
		}
		_, err = r.exec(with(insertDevice, d.ID, d.PersonID, d.CardID, d.Name, d.Platform, string(d.Presence), d.Certificate, d.Sealed, micros(d.BoundAt),
			micros(d.NotAfter), int64(d.SignCount)))
		if err != nil {
			return err
		}
		bound := held{person: d.PersonID, kind: "phone.bind", at: d.BoundAt, field: "device", now: named(d.Name, d.ID)}
		if err := noteHeld(r, bound, w.Events); err != nil {
			return err
		}
		return keepWith(r, w)
	})
}

// CancelEnrolment implements devicebind.EnrolmentStore.
func (s *Store) CancelEnrolment(ctx context.Context, id []byte, sessionID string, now time.Time, w devicebind.With) error {
	return s.change(ctx, with(cancelEnrolment, id, sessionID, micros(now)), idp.ErrUsed, w)
}
