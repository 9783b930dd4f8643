package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
)

const (
	directoryEntry query = `SELECT identity FROM directory_entries WHERE directory = $1 AND account = $2`
	// keepEntry gives the entry the person's newest name for it, and leaves
	// another person's alone.
	keepEntry query = `INSERT INTO directory_entries (directory, identity, account, person_id, seen_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (directory, identity) DO UPDATE SET account = excluded.account, seen_at = excluded.seen_at
		WHERE directory_entries.person_id = excluded.person_id`
	forgetEntries query = `DELETE FROM directory_entries WHERE account = $1`

	// Of whom a directory is still to be told something it can't be right about.
	livePeople query = `SELECT p.id FROM persons p WHERE p.id > $1
		AND NOT EXISTS (SELECT 1 FROM directory_effects e WHERE e.person_id = p.id AND e.state = 'waiting')
		AND (EXISTS (SELECT 1 FROM sessions s WHERE s.person_id = p.id AND s.ended_at = 0 AND s.ends_at > $2)
			OR EXISTS (SELECT 1 FROM grants g WHERE g.person_id = p.id AND g.person_id <> '' AND g.revoked_at = 0 AND g.ends_at > $2))
		ORDER BY p.id LIMIT $3`
	endPersonSessions query = `UPDATE sessions SET ended_at = $2 WHERE person_id = $1 AND ended_at = 0`
	endPersonGrants   query = `UPDATE grants SET revoked_at = $2 WHERE person_id = $1 AND person_id <> '' AND revoked_at = 0`
)

// Identity implements directory.Identities.
func (s *Store) Identity(ctx context.Context, directory, account string) (identity string, err error) {
	err = s.read(ctx, func(r runner) error { return r.row(with(directoryEntry, directory, account), &identity) })
	return identity, err
}

// KeepIdentity implements directory.Identities.
func (s *Store) KeepIdentity(ctx context.Context, directory string, account idp.Account, identity string, at time.Time) error {
	err := s.conditional(ctx, with(keepEntry, directory, identity, account.Name, account.PersonID, micros(at)), idp.ErrConflict, nil)
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}

// ForgetIdentity implements directory.Identities.
func (s *Store) ForgetIdentity(ctx context.Context, account string, events ...idp.Event) error {
	return s.conditional(ctx, with(forgetEntries, account), idp.ErrNotFound, events)
}

// LivePeople implements directory.Live.
func (s *Store) LivePeople(ctx context.Context, after string, now time.Time, limit int) ([]string, error) {
	var found []string
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(livePeople, after, micros(now), int64(limit)), func(scan scan) error {
			found = append(found, "")
			return scan(&found[len(found)-1])
		})
	})
	return found, err
}

// EndPerson implements directory.Live.
func (s *Store) EndPerson(ctx context.Context, personID string, at time.Time, events ...idp.Event) error {
	return s.all(ctx, append([]statement{
		with(endPersonSessions, personID, micros(at)), with(endPersonGrants, personID, micros(at)),
	}, inserts(events)...))
}
