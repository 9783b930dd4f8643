package store

import (
	"context"
	"strconv"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

const (
	totpOf query = `SELECT person_id, sealed, bound_at, used_step, pending, session_id, ends_at,
			(SELECT COUNT(*) FROM recovery_codes r WHERE r.person_id = t.person_id) FROM totp t WHERE t.person_id = $1`
	putPendingTOTP query = `INSERT INTO totp (person_id, bound_at, used_step, pending, session_id, ends_at) VALUES ($1, 0, 0, $2, $3, $4)
		ON CONFLICT (person_id) DO UPDATE SET pending = excluded.pending, session_id = excluded.session_id, ends_at = excluded.ends_at`
	bindTOTP query = `UPDATE totp SET sealed = pending, bound_at = $4, used_step = $5, pending = NULL, session_id = '', ends_at = 0
		WHERE person_id = $1 AND session_id = $2 AND pending = $3 AND ends_at > $4`
	useStep      query = `UPDATE totp SET used_step = $2 WHERE person_id = $1 AND sealed IS NOT NULL AND used_step < $2`
	hasTOTP      query = `SELECT 1 FROM totp WHERE person_id = $1 AND sealed IS NOT NULL`
	addRecovery  query = `INSERT INTO recovery_codes (person_id, hash) VALUES ($1, $2)`
	useRecovery  query = `DELETE FROM recovery_codes WHERE person_id = $1 AND hash = $2`
	dropRecovery query = `DELETE FROM recovery_codes WHERE person_id = $1`
	dropTOTP     query = `DELETE FROM totp WHERE person_id = $1`
	// What one-time codes opened ends with them, as with a passkey.
	ofCodes          query = ` person_id = $1 AND evidence LIKE '%"method":"otp"%'`
	endByCodes       query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND` + ofCodes
	endByCodesGrants query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id IN (SELECT id FROM sessions WHERE` + ofCodes + `)`
)

// TOTP implements devicebind.OTPStore.
func (s *Store) TOTP(ctx context.Context, personID string) (*devicebind.TOTP, error) {
	t := &devicebind.TOTP{}
	err := s.read(ctx, func(r runner) error {
		return r.row(with(totpOf, personID), &t.PersonID, &t.Sealed, moment{&t.BoundAt}, &t.UsedStep, &t.Pending, &t.SessionID, moment{&t.EndsAt}, &t.Recovery)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// PutPending implements devicebind.OTPStore.
func (s *Store) PutPending(ctx context.Context, t *devicebind.TOTP) error {
	_, err := s.one(ctx, with(putPendingTOTP, t.PersonID, t.Pending, t.SessionID, micros(t.EndsAt)))
	return err
}

// BindTOTP implements devicebind.OTPStore.
func (s *Store) BindTOTP(ctx context.Context, t *devicebind.TOTP, step int64, recovery [][]byte, now time.Time, w devicebind.With) error {
	return s.write(ctx, func(r runner) error {
		if err := hold(r, w.Session); err != nil {
			return err
		}
		n, err := r.exec(with(bindTOTP, t.PersonID, t.SessionID, t.Pending, micros(now), step))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrUsed
		}
		if err := noteHeld(r, held{person: t.PersonID, kind: "otp.bind", at: now, field: "codes", now: "bound"}, w.Events); err != nil {
			return err
		}
		return putRecovery(r, t.PersonID, recovery, w)
	})
}

func putRecovery(r runner, personID string, hashes [][]byte, w devicebind.With) error {
	if _, err := r.exec(with(dropRecovery, personID)); err != nil {
		return err
	}
	for _, h := range hashes {
		if _, err := r.exec(with(addRecovery, personID, h)); err != nil {
			return err
		}
	}
	return keepWith(r, w)
}

// UseStep implements devicebind.OTPStore.
func (s *Store) UseStep(ctx context.Context, personID string, step int64) error {
	return s.conditional(ctx, with(useStep, personID, step), idp.ErrUsed, nil)
}

// UseRecovery implements devicebind.OTPStore.
func (s *Store) UseRecovery(ctx context.Context, personID string, hash []byte, w devicebind.With) error {
	return s.change(ctx, with(useRecovery, personID, hash), idp.ErrUsed, w)
}

// PutRecovery implements devicebind.OTPStore; idp.ErrNotFound if no one-time
// code is bound.
func (s *Store) PutRecovery(ctx context.Context, personID string, hashes [][]byte, w devicebind.With) error {
	return s.write(ctx, func(r runner) error {
		if err := hold(r, w.Session); err != nil {
			return err
		}
		var one int
		if err := r.row(with(hasTOTP, personID), &one); err != nil {
			return err
		}
		renewed := held{person: personID, kind: "otp.recovery", at: s.atOf(w.Events), field: "recovery", now: strconv.Itoa(len(hashes))}
		if err := noteHeld(r, renewed, w.Events); err != nil {
			return err
		}
		return putRecovery(r, personID, hashes, w)
	})
}

// RemoveTOTP implements devicebind.OTPStore.
func (s *Store) RemoveTOTP(ctx context.Context, personID string, w devicebind.With) error {
	return s.write(ctx, func(r runner) error {
		if err := hold(r, w.Session); err != nil {
			return err
		}
		n, err := r.exec(with(dropTOTP, personID))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrNotFound
		}
		now := s.atOf(w.Events)
		for _, end := range []statement{with(forgetBrowsers, personID), with(endByCodes, personID, micros(now)), with(endByCodesGrants, personID, micros(now))} {
			if _, err := r.exec(end); err != nil {
				return err
			}
		}
		if err := noteHeld(r, held{person: personID, kind: "otp.remove", at: now, field: "codes", old: "bound"}, w.Events); err != nil {
			return err
		}
		return putRecovery(r, personID, nil, w)
	})
}

// Guess implements devicebind.Guesses by the counters of passwords, under a key
// of its own.
func (s *Store) Guess(ctx context.Context, key string, now time.Time, rules policy.Lockout) (*devicebind.Guess, error) {
	res, err := s.Reserve(ctx, directory.Try{NameKey: key, PersonKey: key, At: now, Rules: rules})
	if err != nil {
		return nil, err
	}
	return &devicebind.Guess{Key: key, At: now, Rules: rules, LockedUntil: res.NameLockedUntil, Locks: res.LocksName}, nil
}

// Guessed implements devicebind.Guesses.
func (s *Store) Guessed(ctx context.Context, g *devicebind.Guess) error {
	return s.Succeed(ctx, reservation(g))
}

// Unguessed implements devicebind.Guesses.
func (s *Store) Unguessed(ctx context.Context, g *devicebind.Guess) error {
	return s.GiveBack(ctx, reservation(g))
}

func reservation(g *devicebind.Guess) *directory.Reservation {
	try := directory.Try{NameKey: g.Key, PersonKey: g.Key, At: g.At, Rules: g.Rules}
	return &directory.Reservation{Try: try, LocksName: g.Locks, LocksPerson: g.Locks}
}
