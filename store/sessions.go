package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
)

const (
	insertSession query = `INSERT INTO sessions (id, token_hash, person_id, evidence, card_id, created_at, seen_at, ends_at, ended_at, address, user_agent, kept_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $8)`
	replaceSession query = `UPDATE sessions SET ended_at = $2 WHERE token_hash = $1 AND ended_at = 0`
	sessionColumns query = `s.id, s.person_id, s.evidence, s.created_at, s.seen_at, s.ends_at, s.address, s.user_agent`
	sessionByToken query = `SELECT ` + sessionColumns + `, ` + personColumns + `
		FROM sessions s JOIN persons p ON p.id = s.person_id` + agencyJoin + ` WHERE s.token_hash = $1 AND s.ended_at = 0`
	holdCard query = `UPDATE cards SET bound_at = bound_at WHERE id = $1 AND unbound_at = 0`
	// holdPerson has whoever sets the person's password meanwhile wait, or waits for
	// them; samePassword says then whether the password of $2 is still the one.
	holdPerson   query = `UPDATE persons SET has_password = has_password WHERE id = $1`
	samePassword query = `SELECT 1 FROM persons p WHERE p.id = $1
		AND NOT EXISTS (SELECT 1 FROM password_standing s WHERE s.person_id = p.id AND s.changed_at > $2)`
	touchSession query = `UPDATE sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2`
	renewSession query = `UPDATE sessions SET token_hash = $2, evidence = $3, card_id = $4, seen_at = $5 WHERE token_hash = $1 AND ended_at = 0`
	endSession   query = `UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at = 0`
	endGrants    query = `UPDATE grants SET revoked_at = $2 WHERE session_id = $1 AND session_id <> '' AND revoked_at = 0 AND NOT offline`
	grantClients query = `SELECT DISTINCT client_id FROM grants WHERE session_id = $1 AND session_id <> '' ORDER BY client_id`
	sessionsOf   query = `SELECT ` + sessionColumns + ` FROM sessions s
		WHERE s.person_id = $1 AND s.ended_at = 0 AND s.ends_at > $2 ORDER BY s.created_at DESC, s.id`
)

// CreateSession implements session.Store. The session that it replaces ends, and
// with it the grants that live no longer than their session.
func (s *Store) CreateSession(ctx context.Context, n *idp.Session, tokenHash, replaces []byte, events ...idp.Event) error {
	list := append(creates(n, tokenHash, replaces), inserts(events)...)
	if holds := append(holdPassword(n), holdFactors(n.Evidence)...); len(holds) > 0 {
		return s.checked(ctx, holds, list)
	}
	return s.all(ctx, list)
}

// CreateByPhone implements session.Store. The row of the approval is what this
// and the end of a phone or of its card take one after the other: UseAttempt.
func (s *Store) CreateByPhone(ctx context.Context, n *idp.Session, tokenHash, replaces []byte, a session.Approval, events ...idp.Event) error {
	list := append(creates(n, tokenHash, replaces), knows(a, n.CreatedAt)...)
	return s.checked(ctx, []check{useApproval(a, n.CreatedAt)}, append(list, inserts(events)...))
}

func creates(n *idp.Session, tokenHash, replaces []byte) []statement {
	list := make([]statement, 0, 5)
	if replaces != nil {
		list = append(list, with(replaceSession, replaces, micros(n.CreatedAt)))
	}
	return append(list, with(insertSession, n.ID, tokenHash, n.PersonID, text(n.Evidence), cardOf(n.Evidence),
		micros(n.CreatedAt), micros(n.SeenAt), micros(n.EndsAt), n.Address, n.UserAgent))
}

func useApproval(a session.Approval, now time.Time) check {
	return needs(with(useApproved, notNil(a.Browser), micros(now), notNil(a.Flow)), idp.ErrUsed)
}

func knows(a session.Approval, now time.Time) []statement {
	if a.Known == nil {
		return nil
	}
	return []statement{with(rememberBrowser, a.PersonID, a.Known, micros(now))}
}

// holdFactors take the rows of the passkeys and the card in the evidence until the session is
// kept. Whoever ends a binding meanwhile waits, and then finds the session.
func holdFactors(evidence []idp.Evidence) []check {
	list := holdPasskeys(evidence)
	card := cardOf(evidence)
	if card == "" {
		return list
	}
	return append(list, needs(with(holdCard, card), idp.Denied{Reason: idp.ReasonCardUnusable}))
}

// holdPassword refuses a password that was looked at before it was changed.
// Whoever changes it while the session is being kept waits, and then finds the
// session. A session that is raised needs none of it: the change has ended it,
// unless it was made in that very session.
func holdPassword(n *idp.Session) []check {
	for _, e := range n.Evidence {
		if e.Method == idp.MethodPassword {
			wrong, one := idp.Denied{Reason: idp.ReasonWrong}, new(int64)
			return []check{
				needs(with(holdPerson, n.PersonID), wrong),
				{statement: with(samePassword, n.PersonID, micros(e.At)), otherwise: wrong, dest: []any{one}},
			}
		}
	}
	return nil
}

// cardOf is the card that opened or raised a session, in a column of its own
// so that the end of its binding finds them.
func cardOf(evidence []idp.Evidence) string {
	for _, e := range evidence {
		if e.Method == idp.MethodCard {
			return e.Card
		}
	}
	return ""
}

// Session implements session.Store.
func (s *Store) Session(ctx context.Context, tokenHash []byte) (*idp.Session, *idp.Person, error) {
	n, p := &idp.Session{}, &idp.Person{}
	into := append(sessionInto(n), personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(sessionByToken, tokenHash), into...) }); err != nil {
		return nil, nil, err
	}
	return n, p, nil
}

func sessionInto(n *idp.Session) []any {
	return []any{&n.ID, &n.PersonID, document{&n.Evidence}, moment{&n.CreatedAt}, moment{&n.SeenAt}, moment{&n.EndsAt}, &n.Address, &n.UserAgent}
}

// TouchSession implements session.Store.
func (s *Store) TouchSession(ctx context.Context, id string, seenAt time.Time) error {
	_, err := s.one(ctx, with(touchSession, id, micros(seenAt)))
	return err
}

// RenewSession implements session.Store.
func (s *Store) RenewSession(ctx context.Context, oldHash, newHash []byte, evidence []idp.Evidence, now time.Time, events ...idp.Event) error {
	renew := with(renewSession, oldHash, newHash, text(evidence), cardOf(evidence), micros(now))
	return s.checked(ctx, append(holdFactors(evidence), needs(renew, idp.ErrConflict)), inserts(events))
}

// RenewByPhone implements session.Store.
func (s *Store) RenewByPhone(ctx context.Context, oldHash, newHash []byte, evidence []idp.Evidence, now time.Time, a session.Approval, events ...idp.Event) error {
	renew := with(renewSession, oldHash, newHash, text(evidence), cardOf(evidence), micros(now))
	checks := append(holdFactors(evidence), useApproval(a, now), needs(renew, idp.ErrConflict))
	return s.checked(ctx, checks, append(knows(a, now), inserts(events)...))
}

// EndSession implements session.Store.
func (s *Store) EndSession(ctx context.Context, id string, at time.Time, events ...idp.Event) (clients []string, err error) {
	err = s.write(ctx, func(r runner) error {
		clients = nil
		if _, err := r.exec(with(endSession, id, micros(at))); err != nil {
			return err
		}
		if _, err := r.exec(with(endGrants, id, micros(at))); err != nil {
			return err
		}
		err := r.rows(with(grantClients, id), func(scan scan) error {
			clients = append(clients, "")
			return scan(&clients[len(clients)-1])
		})
		if err != nil {
			return err
		}
		return keep(r, events)
	})
	return clients, err
}

// PersonSessions implements session.Store.
func (s *Store) PersonSessions(ctx context.Context, personID string, now time.Time) ([]idp.Session, error) {
	var found []idp.Session
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(sessionsOf, personID, micros(now)), func(scan scan) error {
			var n idp.Session
			if err := scan(sessionInto(&n)...); err != nil {
				return err
			}
			found = append(found, n)
			return nil
		})
	})
	return found, err
}
