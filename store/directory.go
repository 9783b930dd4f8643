package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	directoryEntry query = `SELECT identity FROM directory_entries WHERE directory = $1 AND account = $2`
	// keepEntry gives the entry the person's newest name for it, and leaves
	// another person's alone.
	keepEntry query = `INSERT INTO directory_entries (directory, identity, account, person_id, seen_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (directory, identity) DO UPDATE SET account = excluded.account, seen_at = excluded.seen_at
		WHERE directory_entries.person_id = excluded.person_id`
	forgetEntries query = `DELETE FROM directory_entries WHERE account = $1 RETURNING directory, identity`
	ownerOf       query = `SELECT person_id FROM accounts WHERE name = $1`
	// It is found by its name again, in the directory of its person's agency.
	forgetPlace query = `UPDATE accounts SET given = FALSE, agency = COALESCE((SELECT p.agency FROM persons p WHERE p.id = accounts.person_id), '')
		WHERE name = $1 AND NOT pending AND (given OR agency <> COALESCE((SELECT p.agency FROM persons p WHERE p.id = accounts.person_id), ''))`

	// A directory that is still to be told to open an account is not right about it.
	isTold           = `NOT EXISTS (SELECT 1 FROM directory_effects e WHERE e.person_id = p.id AND e.state = 'waiting' AND e.kind IN ('create', 'rename', 'enable'))`
	livePeople query = `SELECT p.id FROM persons p WHERE p.id > $1 AND p.closed_at = 0 AND ` + isTold + `
		AND (EXISTS (SELECT 1 FROM sessions s WHERE s.person_id = p.id AND s.ended_at = 0 AND s.ends_at > $2)
			OR EXISTS (SELECT 1 FROM grants g WHERE g.person_id = p.id AND g.person_id <> '' AND g.revoked_at = 0 AND g.ends_at > $2))
		ORDER BY p.id LIMIT $3`
	closedPeople   query = `SELECT id FROM persons WHERE closed_at > 0 AND id > $1 ORDER BY id LIMIT $2`
	vanishedPeople query = `SELECT COUNT(*) FROM persons p WHERE p.closed_at > $1 AND EXISTS (SELECT 1 FROM events e
		WHERE e.person_id = p.id AND e.person_id <> '' AND e.id >= $2 AND e.kind = 'directory.closed' AND e.detail = $3)`
	// Too long after the last look, nothing is left of the first.
	missPerson query = `INSERT INTO directory_missed (person_id, first_at, last_at) VALUES ($1, $2, $2) ON CONFLICT (person_id) DO UPDATE
		SET first_at = CASE WHEN directory_missed.last_at < $3 THEN excluded.first_at ELSE directory_missed.first_at END, last_at = excluded.last_at
		RETURNING first_at`
	findPerson   query = `DELETE FROM directory_missed WHERE person_id = $1`
	missedPeople query = `SELECT p.id FROM directory_missed m JOIN persons p ON p.id = m.person_id
		WHERE p.id > $1 AND m.first_at <= $2 AND m.last_at >= $3 AND p.closed_at = 0 AND ` + isTold + ` ORDER BY p.id LIMIT $4`
	closedAt     query = `SELECT closed_at FROM persons WHERE id = $1`
	closePerson  query = `UPDATE persons SET closed_at = $2 WHERE id = $1 AND closed_at = 0`
	reopenPerson query = `UPDATE persons SET closed_at = 0 WHERE id = $1 AND closed_at > 0`

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
	return s.write(ctx, func(r runner) error {
		gone := held{kind: "account.forget_entry", at: s.atOf(events), by: bySystem, field: "entry"}
		err := r.row(with(ownerOf, account), &gone.person)
		if err != nil && !errors.Is(translate(err), idp.ErrNotFound) {
			return err
		}
		var entries []string
		err = r.rows(with(forgetEntries, account), func(scan scan) error {
			var in, identity string
			if err := scan(&in, &identity); err != nil {
				return err
			}
			entries = append(entries, in+" "+identity)
			return nil
		})
		if err != nil {
			return err
		}
		place, err := r.exec(with(forgetPlace, account))
		if err != nil {
			return err
		}
		if int64(len(entries))+place == 0 {
			return idp.ErrNotFound
		}
		slices.Sort(entries)
		gone.old = strings.TrimSpace(account + " " + strings.Join(entries, " "))
		if gone.person != "" {
			if err := noteHeld(r, gone, events); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
}

// LivePeople implements directory.Live.
func (s *Store) LivePeople(ctx context.Context, after string, now time.Time, limit int) ([]string, error) {
	return s.ids(ctx, with(livePeople, after, micros(now), int64(limit)))
}

// ClosedPeople implements directory.Live.
func (s *Store) ClosedPeople(ctx context.Context, after string, limit int) ([]string, error) {
	return s.ids(ctx, with(closedPeople, after, int64(limit)))
}

// VanishedPeople implements directory.Live.
func (s *Store) VanishedPeople(ctx context.Context, since time.Time, detail string) (n int, err error) {
	err = s.read(ctx, func(r runner) error { return r.row(with(vanishedPeople, micros(since), timePrefix(since), detail), &n) })
	return n, err
}

// MissPerson implements directory.Live.
func (s *Store) MissPerson(ctx context.Context, personID string, at, since time.Time) (first time.Time, err error) {
	_, err = s.one(ctx, with(missPerson, personID, micros(at), micros(since)), moment{&first})
	return first, err
}

// FindPerson implements directory.Live.
func (s *Store) FindPerson(ctx context.Context, personID string) error {
	_, err := s.one(ctx, with(findPerson, personID))
	return err
}

// MissedPeople implements directory.Live.
func (s *Store) MissedPeople(ctx context.Context, after string, first, last time.Time, limit int) ([]string, error) {
	return s.ids(ctx, with(missedPeople, after, micros(first), micros(last), int64(limit)))
}

func (s *Store) ids(ctx context.Context, ask statement) ([]string, error) {
	var found []string
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(ask, func(scan scan) error {
			found = append(found, "")
			return scan(&found[len(found)-1])
		})
	})
	return found, err
}

// ClosePerson implements directory.Live.
func (s *Store) ClosePerson(ctx context.Context, personID string, at time.Time, events ...idp.Event) error {
	return s.all(ctx, append([]statement{
		noteClosing(personID, directory.EffectDisable, at),
		with(closePerson, personID, micros(at)), with(endPersonSessions, personID, micros(at)), with(endPersonGrants, personID, micros(at)),
		with(findPerson, personID),
	}, inserts(events)...))
}

// ReopenPerson implements directory.Live.
func (s *Store) ReopenPerson(ctx context.Context, personID string, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		if _, err := r.exec(noteClosing(personID, directory.EffectEnable, s.now())); err != nil {
			return err
		}
		if n, err := r.exec(with(reopenPerson, personID)); err != nil || n == 0 {
			return errors.Join(err, map[bool]error{true: idp.ErrConflict}[err == nil])
		}
		return keep(r, events)
	})
}

// ClosedAt tells since when none of the person's accounts is open in its
// directory; zero: one is, or nobody says.
func (s *Store) ClosedAt(ctx context.Context, personID string) (since time.Time, err error) {
	err = s.read(ctx, func(r runner) error { return r.row(with(closedAt, personID), moment{&since}) })
	return since, err
}
