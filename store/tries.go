package store

import (
	"context"
	"errors"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

const (
	// countTry counts a failure at $2 unless the counter is locked then. It
	// locks until $5 if, with this one, $3 failures are younger than $4; $6 is
	// then the spelling that locked.
	countTry query = `INSERT INTO tries (key, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, locked_until, spelling)
		VALUES ($1, $2, 0, 0, 0, 0, 0, 0, 0, 0, 0, CASE WHEN $3 = CAST(1 AS BIGINT) THEN CAST($5 AS BIGINT) ELSE 0 END, $6)
		ON CONFLICT (key) DO UPDATE SET f1 = excluded.f1, f2 = tries.f1, f3 = tries.f2, f4 = tries.f3, f5 = tries.f4,
			f6 = tries.f5, f7 = tries.f6, f8 = tries.f7, f9 = tries.f8, f10 = tries.f9,
			locked_until = CASE WHEN (CASE CAST($3 AS BIGINT) WHEN 1 THEN excluded.f1 WHEN 2 THEN tries.f1 WHEN 3 THEN tries.f2 WHEN 4 THEN tries.f3
				WHEN 5 THEN tries.f4 WHEN 6 THEN tries.f5 WHEN 7 THEN tries.f6 WHEN 8 THEN tries.f7 WHEN 9 THEN tries.f8
				WHEN 10 THEN tries.f9 ELSE excluded.f1 END) > $4 THEN CAST($5 AS BIGINT) ELSE 0 END,
			spelling = excluded.spelling
		WHERE tries.locked_until <= excluded.f1
		RETURNING locked_until`
	tryLock query = `SELECT locked_until, spelling FROM tries WHERE key = $1`
	// clearTries leaves a counter alone that another try has locked: $2 is our
	// own lock, or 0.
	clearTries query = `DELETE FROM tries WHERE key = $1 AND locked_until IN (0, $2)`
	dropTries  query = `DELETE FROM tries WHERE key = $1`
	tryState   query = `SELECT f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, locked_until FROM tries WHERE key = $1`

	// What the counter looks like without one failure at $2.
	less1  query = `(CASE WHEN $2 IN (f1) THEN f2 ELSE f1 END)`
	less2  query = `(CASE WHEN $2 IN (f1, f2) THEN f3 ELSE f2 END)`
	less3  query = `(CASE WHEN $2 IN (f1, f2, f3) THEN f4 ELSE f3 END)`
	less4  query = `(CASE WHEN $2 IN (f1, f2, f3, f4) THEN f5 ELSE f4 END)`
	less5  query = `(CASE WHEN $2 IN (f1, f2, f3, f4, f5) THEN f6 ELSE f5 END)`
	less6  query = `(CASE WHEN $2 IN (f1, f2, f3, f4, f5, f6) THEN f7 ELSE f6 END)`
	less7  query = `(CASE WHEN $2 IN (f1, f2, f3, f4, f5, f6, f7) THEN f8 ELSE f7 END)`
	less8  query = `(CASE WHEN $2 IN (f1, f2, f3, f4, f5, f6, f7, f8) THEN f9 ELSE f8 END)`
	less9  query = `(CASE WHEN $2 IN (f1, f2, f3, f4, f5, f6, f7, f8, f9) THEN f10 ELSE f9 END)`
	less10 query = `0`
	// giveBack takes one failure at $2 out. A lock (of $3 failures within $4)
	// falls if it would not have been set without it.
	giveBack query = `UPDATE tries SET f1 = ` + less1 + `, f2 = ` + less2 + `, f3 = ` + less3 + `, f4 = ` + less4 + `, f5 = ` + less5 +
		`, f6 = ` + less6 + `, f7 = ` + less7 + `, f8 = ` + less8 + `, f9 = ` + less9 + `, f10 = ` + less10 + `,
			locked_until = CASE WHEN locked_until <> $5
				AND (CASE CAST($3 AS BIGINT) WHEN 1 THEN ` + less1 + ` WHEN 2 THEN ` + less2 + ` WHEN 3 THEN ` + less3 + ` WHEN 4 THEN ` + less4 + `
					WHEN 5 THEN ` + less5 + ` WHEN 6 THEN ` + less6 + ` WHEN 7 THEN ` + less7 + ` WHEN 8 THEN ` + less8 + `
					WHEN 9 THEN ` + less9 + ` ELSE 0 END) > ` + less1 + ` - $4
				THEN locked_until ELSE 0 END
		WHERE key = $1 AND $2 IN (f1, f2, f3, f4, f5, f6, f7, f8, f9, f10)`

	noteSource query = `INSERT INTO source_names (source, name_key, failed_at) VALUES ($1, $2, $3)
		ON CONFLICT (source, name_key) DO UPDATE SET failed_at = excluded.failed_at`
	sourceNames query = `SELECT COUNT(*) FROM (SELECT 1 FROM source_names WHERE source = $1 AND failed_at >= $2 LIMIT $3) AS names`
)

// errNameLocked undoes a reservation whose name turns out to be locked.
var errNameLocked = errors.New("the name is locked")

// Reserve implements directory.Tries. The keys are taken in their order, so
// that two reservations can't wait for each other.
func (s *Store) Reserve(ctx context.Context, t directory.Try) (*directory.Reservation, error) {
	if t.Rules.MaxFailures < 1 || t.Rules.MaxFailures > policy.MaxTries {
		return nil, errors.New("the number of failures that lock is out of range")
	}
	var res *directory.Reservation
	err := s.write(ctx, func(r runner) error {
		res = &directory.Reservation{Try: t}
		for _, key := range sorted(t.NameKey, t.PersonKey) {
			locks, until, by, err := count(r, key, t)
			if err != nil {
				return err
			}
			if key == t.PersonKey {
				res.LocksPerson, res.PersonLockedUntil = locks, until
			}
			if key == t.NameKey {
				res.LocksName, res.NameLockedUntil, res.NameLockedBy = locks, until, by
				if !until.IsZero() {
					return errNameLocked
				}
			}
		}
		return nil
	})
	if errors.Is(err, errNameLocked) {
		// Nothing was counted, the person's counter included.
		return &directory.Reservation{Try: t, NameLockedUntil: res.NameLockedUntil, NameLockedBy: res.NameLockedBy}, nil
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// sorted are the distinct keys in their order.
func sorted(keys ...string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// count counts the try, or says until when the counter is locked, and by which
// spelling.
func count(r runner, key string, t directory.Try) (locks bool, until time.Time, by string, err error) {
	var lock int64
	err = r.row(with(countTry, key, micros(t.At), int64(t.Rules.MaxFailures), micros(t.At.Add(-t.Rules.Window)), lockOf(t),
		t.Spelling), &lock)
	if err == nil {
		return lock != 0, time.Time{}, "", nil
	}
	if !errors.Is(err, idp.ErrNotFound) {
		return false, time.Time{}, "", err
	}
	err = r.row(with(tryLock, key), &lock, &by)
	return false, at(lock), by, err
}

// lockOf is the lock that the try sets, if it sets one.
func lockOf(t directory.Try) int64 { return micros(t.At.Add(t.Rules.Duration)) }

// Succeed implements directory.Tries.
func (s *Store) Succeed(ctx context.Context, res *directory.Reservation, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		for _, key := range sorted(append(slices.Clone(res.AlsoClears), res.NameKey, res.PersonKey)...) {
			if key != res.NameKey && key != res.PersonKey {
				if _, err := r.exec(with(dropTries, key)); err != nil {
					return err
				}
				continue
			}
			n, err := r.exec(with(clearTries, key, ownLock(res, key)))
			if err != nil {
				return err
			}
			if n > 0 {
				continue
			}
			// Either it was cleared already, or another try's lock is on it.
			var lock int64
			var by string
			if err := r.row(with(tryLock, key), &lock, &by); err == nil {
				return idp.ErrConflict
			} else if !errors.Is(err, idp.ErrNotFound) {
				return err
			}
		}
		return keep(r, events)
	})
}

// ownLock is the lock that the reservation itself set on the counter, or 0.
func ownLock(res *directory.Reservation, key string) int64 {
	if key == res.NameKey && res.LocksName || key == res.PersonKey && res.LocksPerson {
		return lockOf(res.Try)
	}
	return 0
}

// GiveBack implements directory.Tries.
func (s *Store) GiveBack(ctx context.Context, res *directory.Reservation) error {
	if !res.NameLockedUntil.IsZero() {
		return nil // nothing was counted
	}
	keys := []string{res.NameKey}
	if res.PersonLockedUntil.IsZero() {
		keys = append(keys, res.PersonKey)
	}
	var list []statement
	for _, key := range sorted(keys...) {
		own := ownLock(res, key)
		if own == 0 {
			own = -1
		}
		list = append(list, with(giveBack, key, micros(res.At), int64(res.Rules.MaxFailures), res.Rules.Window.Microseconds(), own))
	}
	return s.inOrder(ctx, list)
}

// Unlock implements directory.Tries.
func (s *Store) Unlock(ctx context.Context, keys []string, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		for _, e := range events {
			if err := byRole(r, e.Actor, e.PersonID); err != nil {
				return err
			}
		}
		for _, key := range sorted(keys...) {
			if _, err := r.exec(with(dropTries, key)); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
}

// LockedUntil implements directory.Tries.
func (s *Store) LockedUntil(ctx context.Context, key string, now time.Time, rules policy.Lockout) (until time.Time, failures int, err error) {
	var f [policy.MaxTries]int64
	var lock int64
	err = s.read(ctx, func(r runner) error {
		return r.row(with(tryState, key), &f[0], &f[1], &f[2], &f[3], &f[4], &f[5], &f[6], &f[7], &f[8], &f[9], &lock)
	})
	if errors.Is(err, idp.ErrNotFound) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, err
	}
	for _, failed := range f {
		if failed > micros(now.Add(-rules.Window)) {
			failures++
		}
	}
	if lock > micros(now) {
		until = at(lock)
	}
	return until, failures, nil
}

// LockedBy implements directory.Tries.
func (s *Store) LockedBy(ctx context.Context, key string) (spelling string, err error) {
	var lock int64
	err = s.read(ctx, func(r runner) error { return r.row(with(tryLock, key), &lock, &spelling) })
	if errors.Is(err, idp.ErrNotFound) {
		err = nil
	}
	return spelling, err
}

// NoteSource implements directory.Tries.
func (s *Store) NoteSource(ctx context.Context, source, nameKey string, at time.Time) error {
	_, err := s.one(ctx, with(noteSource, source, nameKey, micros(at)))
	return err
}

// SourceNames implements directory.Tries.
func (s *Store) SourceNames(ctx context.Context, source string, since time.Time, limit int) (int, error) {
	var n int64
	err := s.read(ctx, func(r runner) error { return r.row(with(sourceNames, source, micros(since), int64(limit)), &n) })
	return int(n), err
}

// inOrder runs statements about several rows in a transaction of their own:
// in a group with others they could wait for each other.
func (s *Store) inOrder(ctx context.Context, list []statement) error {
	return s.write(ctx, func(r runner) error {
		for _, s := range list {
			if _, err := r.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
}
