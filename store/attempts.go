package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

const (
	// noteScan takes the device's row first, so that scans of one device follow
	// each other and each counts those before it. $4: so many since $5.
	noteScan query = `UPDATE devices AS d SET signed_at = $3, s1 = $2, s2 = d.s1, s3 = d.s2, s4 = d.s3, s5 = d.s4
		WHERE d.id = $1 AND d.signed_at < $3 AND ` + deviceActive + `
			AND (CASE CAST($4 AS BIGINT) WHEN 1 THEN d.s1 WHEN 2 THEN d.s2 WHEN 3 THEN d.s3 WHEN 4 THEN d.s4 ELSE d.s5 END) <= $5`
	// fewScans names both states of the index on open attempts: SQLite takes it
	// only for those very words.
	fewScans query = `SELECT 1 AS few FROM devices d WHERE d.id = $1
		AND (SELECT COUNT(*) FROM qr_attempts WHERE device_id = $1 AND state IN ('scanned', 'approved') AND state = 'scanned'
			AND ends_at > $2 AND browser <> $3) < $4`
	// putAttempt leaves an open attempt of the browser alone, and one that was
	// closed since the code was issued ($12): a code is good once.
	putAttempt query = `INSERT INTO qr_attempts (browser, id, flow, client_id, device_id, person_id, nonce, state, pc, scanned_at, changed_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'scanned', $8, $9, $10, $11)
		ON CONFLICT (browser) DO UPDATE SET id = excluded.id, flow = excluded.flow, client_id = excluded.client_id, device_id = excluded.device_id,
			person_id = excluded.person_id, nonce = excluded.nonce, state = excluded.state, pc = excluded.pc, scanned_at = excluded.scanned_at,
			changed_at = excluded.changed_at, ends_at = excluded.ends_at
		WHERE qr_attempts.ends_at <= excluded.scanned_at
			OR qr_attempts.state = 'scanned' AND qr_attempts.device_id = excluded.device_id
			OR qr_attempts.state IN ('denied', 'burnt', 'used') AND qr_attempts.changed_at <= $12`

	attemptOf        query = `q.browser, q.id, q.flow, q.client_id, q.device_id, q.person_id, q.nonce, q.state, q.pc, q.scanned_at, q.changed_at, q.ends_at, `
	attemptOn        query = `SELECT ` + attemptOf + deviceColumns + `, ` + personColumns + deviceJoins + agencyJoin + ` JOIN qr_attempts q ON q.id = $2 WHERE d.id = $1`
	attemptAndItsOwn query = `SELECT ` + attemptOf + deviceColumns + `, ` + personColumns + deviceJoins + agencyJoin + ` JOIN qr_attempts q ON q.device_id = d.id WHERE q.browser = $1`
	attemptColumns   query = `browser, id, flow, client_id, device_id, person_id, nonce, state, pc, scanned_at, changed_at, ends_at`
	attemptByID      query = `SELECT ` + attemptColumns + ` FROM qr_attempts WHERE id = $1`
	attemptByBrowser query = `SELECT ` + attemptColumns + ` FROM qr_attempts WHERE browser = $1`

	// noteApproval is allowed its last PIN: that was counted before it was
	// looked at.
	noteApproval query = `UPDATE devices AS d SET used_at = $2, sign_count = $3, pin_failures = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0
		WHERE d.id = $1 AND d.revoked_at = 0 AND d.suspended_at = 0 AND ` + deviceSound + ` AND (d.sign_count < $3 OR d.sign_count = 0 AND $3 = CAST(0 AS BIGINT))`
	noteBurn      query = `UPDATE devices SET pin_failures = 0, sign_count = $2 WHERE id = $1 AND (sign_count < $2 OR sign_count = 0 AND $2 = CAST(0 AS BIGINT))`
	decideAttempt query = `UPDATE qr_attempts SET state = $3, changed_at = $4 WHERE id = $1 AND device_id = $2 AND state = 'scanned' AND ends_at > $4`
	useApproved   query = `UPDATE qr_attempts SET state = 'used', changed_at = $2
		WHERE browser = $1 AND flow = $3 AND state = 'approved' AND ends_at > $2
			AND EXISTS (SELECT 1 FROM devices d WHERE d.id = qr_attempts.device_id AND ` + deviceActive + `)`
	useAttempt   query = useApproved + ` RETURNING ` + attemptColumns
	changedSince query = `SELECT browser, changed_at FROM qr_attempts WHERE changed_at >= $1
		UNION ALL SELECT id, changed_at FROM enrolments WHERE changed_at >= $1`
)

// ScanAttempt implements devicebind.AttemptStore.
func (s *Store) ScanAttempt(ctx context.Context, a *devicebind.Attempt, signedAt int64, limits devicebind.ScanLimits, events ...idp.Event) error {
	if limits.Scans < 1 || limits.Scans > devicebind.MaxScans {
		return errors.New("the number of scans is out of range")
	}
	now := micros(a.ScannedAt)
	var one int64
	return s.checked(ctx, []check{
		needs(with(noteScan, a.DeviceID, now, signedAt, int64(limits.Scans), micros(a.ScannedAt.Add(-limits.Window))), idp.ErrConflict),
		{with(fewScans, a.DeviceID, now, a.Browser, int64(limits.Open)), idp.ErrConflict, []any{&one}},
		needs(with(putAttempt, a.Browser, a.ID, a.Flow, a.ClientID, a.DeviceID, a.PersonID, a.Nonce, text(a.PC), now, micros(a.ChangedAt),
			micros(a.EndsAt), micros(a.EndsAt.Add(-devicebind.AttemptLife))), idp.ErrUsed),
	}, inserts(events))
}

func attemptInto(a *devicebind.Attempt) []any {
	return []any{&a.Browser, &a.ID, &a.Flow, &a.ClientID, &a.DeviceID, &a.PersonID, &a.Nonce, &a.State, document{&a.PC}, moment{&a.ScannedAt},
		moment{&a.ChangedAt}, moment{&a.EndsAt}}
}

// Attempt implements devicebind.AttemptStore.
func (s *Store) Attempt(ctx context.Context, id []byte) (*devicebind.Attempt, error) {
	return s.attempt(ctx, with(attemptByID, id))
}

// BrowserAttempt implements devicebind.AttemptStore.
func (s *Store) BrowserAttempt(ctx context.Context, browser []byte) (*devicebind.Attempt, error) {
	return s.attempt(ctx, with(attemptByBrowser, browser))
}

func (s *Store) attempt(ctx context.Context, ask statement) (*devicebind.Attempt, error) {
	a := &devicebind.Attempt{}
	if err := s.read(ctx, func(r runner) error { return r.row(ask, attemptInto(a)...) }); err != nil {
		return nil, err
	}
	return a, nil
}

// AttemptOn implements devicebind.AttemptStore.
func (s *Store) AttemptOn(ctx context.Context, by devicebind.AttemptKey) (*devicebind.Attempt, *devicebind.Device, *idp.Person, error) {
	a, d, p := &devicebind.Attempt{}, &devicebind.Device{}, &idp.Person{}
	into := append(append(attemptInto(a), deviceInto(d)...), personInto(p)...)
	ask := with(attemptOn, by.DeviceID, by.ID)
	if by.Browser != nil {
		ask = with(attemptAndItsOwn, by.Browser)
	}
	if err := s.read(ctx, func(r runner) error { return r.row(ask, into...) }); err != nil {
		return nil, nil, nil, err
	}
	return a, d, p, nil
}

// DecideAttempt implements devicebind.AttemptStore. The device's row comes
// first, as in ScanAttempt: the two can't wait for each other.
func (s *Store) DecideAttempt(ctx context.Context, id []byte, deviceID string, to devicebind.AttemptState, signCount uint32, now time.Time, events ...idp.Event) error {
	decide := with(decideAttempt, id, deviceID, string(to), micros(now))
	var note statement
	switch to {
	case devicebind.AttemptApproved:
		note = with(noteApproval, deviceID, micros(now), int64(signCount))
	case devicebind.AttemptBurnt:
		note = with(noteBurn, deviceID, int64(signCount))
	case devicebind.AttemptDenied:
		return s.conditional(ctx, decide, idp.ErrUsed, events)
	default:
		return errors.New("not a decision")
	}
	return s.checked(ctx, []check{needs(note, idp.ErrUsed), needs(decide, idp.ErrUsed)}, inserts(events))
}

// UseAttempt implements devicebind.AttemptStore.
func (s *Store) UseAttempt(ctx context.Context, flow, browser []byte, now time.Time) (*devicebind.Attempt, error) {
	a := &devicebind.Attempt{}
	_, err := s.one(ctx, with(useAttempt, browser, micros(now), flow), attemptInto(a)...)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, idp.ErrUsed
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// ChangesSince implements devicebind.ChangeStore.
func (s *Store) ChangesSince(ctx context.Context, since time.Time, each func(key []byte, at time.Time)) error {
	return s.aside(ctx, func(r runner) error {
		return r.rows(with(changedSince, micros(since)), func(scan scan) error {
			var key []byte
			var changed time.Time
			if err := scan(&key, moment{&changed}); err != nil {
				return err
			}
			each(key, changed)
			return nil
		})
	})
}
