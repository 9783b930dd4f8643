package store

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

const (
	passkeyColumns query = `k.id, k.person_id, k.name, k.aaguid, k.sealed, k.sign_count, k.created_at, k.used_at`
	passkeysOf     query = `SELECT ` + passkeyColumns + ` FROM passkeys k WHERE k.person_id = $1 ORDER BY k.created_at DESC, k.id`
	passkeyByID    query = `SELECT ` + passkeyColumns + `, ` + personColumns + ` FROM passkeys k JOIN persons p ON p.id = k.person_id` + agencyJoin + ` WHERE k.id = $1`
	insertPasskey  query = `INSERT INTO passkeys (id, person_id, name, aaguid, sealed, sign_count, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)
		ON CONFLICT (id) DO NOTHING`
	takeChallenge query = `INSERT INTO used_challenges (challenge, ends_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	usePasskey    query = `UPDATE passkeys SET sign_count = $2, used_at = $3
		WHERE id = $1 AND (sign_count < $2 OR sign_count = 0 AND $2 = CAST(0 AS BIGINT))
			AND EXISTS (SELECT 1 FROM persons p WHERE p.id = passkeys.person_id AND p.state = 'enabled' AND p.closed_at = 0)`
	renamePasskey query = `UPDATE passkeys SET name = $3 WHERE id = $1 AND person_id = $2`
	removePasskey query = `DELETE FROM passkeys WHERE id = $1 AND (person_id = $2 OR $2 = '') RETURNING person_id, name`
	dropPasskey   query = `DELETE FROM passkeys WHERE id = $1 AND person_id = $2`
	// What a passkey opened ends with it: $3 finds it in the evidence.
	ofPasskey          query = ` person_id = $1 AND evidence LIKE $3 ESCAPE '!'`
	endPasskeySessions query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND` + ofPasskey
	endPasskeyGrants   query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id IN (SELECT id FROM sessions WHERE` + ofPasskey + `)`
	holdPasskey        query = `UPDATE passkeys SET created_at = created_at WHERE id = $1`
)

func passkeyInto(k *devicebind.Passkey) []any {
	return []any{&k.ID, &k.PersonID, &k.Name, &k.AAGUID, &k.Sealed, &k.SignCount, moment{&k.CreatedAt}, moment{&k.UsedAt}}
}

// PasskeysOf implements devicebind.PasskeyStore.
func (s *Store) PasskeysOf(ctx context.Context, personID string) ([]devicebind.Passkey, error) {
	var found []devicebind.Passkey
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(passkeysOf, personID), func(scan scan) error {
			var k devicebind.Passkey
			if err := scan(passkeyInto(&k)...); err != nil {
				return err
			}
			found = append(found, k)
			return nil
		})
	})
	return found, err
}

// Passkey implements devicebind.PasskeyStore.
func (s *Store) Passkey(ctx context.Context, id []byte) (*devicebind.Passkey, *idp.Person, error) {
	k, p := &devicebind.Passkey{}, &idp.Person{}
	into := append(passkeyInto(k), personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(passkeyByID, id), into...) }); err != nil {
		return nil, nil, err
	}
	return k, p, nil
}

// AddPasskey implements devicebind.PasskeyStore.
func (s *Store) AddPasskey(ctx context.Context, k *devicebind.Passkey, challenge []byte, endsAt time.Time, w devicebind.With) error {
	insert := with(insertPasskey, k.ID, k.PersonID, k.Name, notNil(k.AAGUID), k.Sealed, int64(k.SignCount), micros(k.CreatedAt))
	added := held{person: k.PersonID, kind: "passkey.add", at: k.CreatedAt, field: "passkey", now: named(k.Name, passkeyName(k.ID))}
	return s.answered(ctx, challenge, endsAt, insert, &added, w)
}

// answered takes the challenge and makes the change: idp.ErrUsed,
// idp.ErrConflict. note goes to the history; nil: nothing does.
func (s *Store) answered(ctx context.Context, challenge []byte, endsAt time.Time, change statement, note *held, w devicebind.With) error {
	errs := []error{idp.ErrUsed, idp.ErrConflict}
	return s.write(ctx, func(r runner) error {
		if err := hold(r, w.Session); err != nil {
			return err
		}
		for i, c := range []statement{with(takeChallenge, challenge, micros(endsAt)), change} {
			n, err := r.exec(c)
			if err != nil {
				return err
			}
			if n == 0 {
				return errs[i]
			}
		}
		if note != nil {
			if err := noteHeld(r, *note, w.Events); err != nil {
				return err
			}
		}
		return keepWith(r, w)
	})
}

// UsePasskey implements devicebind.PasskeyStore. The challenge is taken also
// where the sign count is refused: it was answered.
func (s *Store) UsePasskey(ctx context.Context, k *devicebind.Passkey, challenge []byte, endsAt, now time.Time) error {
	err := s.answered(ctx, challenge, endsAt, with(usePasskey, k.ID, int64(k.SignCount), micros(now)), nil, devicebind.With{})
	if errors.Is(err, idp.ErrConflict) {
		return errors.Join(err, s.conditional(ctx, with(takeChallenge, challenge, micros(endsAt)), nil, nil))
	}
	return err
}

// RenamePasskey implements devicebind.PasskeyStore.
func (s *Store) RenamePasskey(ctx context.Context, id []byte, personID, name string, w devicebind.With) error {
	return s.change(ctx, with(renamePasskey, id, personID, name), idp.ErrNotFound, w)
}

// RemovePasskey implements devicebind.PasskeyStore. The passkey's row comes
// first: a login that is opening its session by it has taken it: holdPasskeys.
func (s *Store) RemovePasskey(ctx context.Context, id []byte, personID string, at time.Time, w devicebind.With) error {
	opened := `%"passkey":"` + literally(passkeyName(id)) + `"%`
	return s.write(ctx, func(r runner) error {
		owner, name := "", ""
		if err := r.row(with(removePasskey, id, personID), &owner, &name); err != nil {
			return err
		}
		if err := hold(r, w.Session); err != nil {
			return err
		}
		for _, end := range []statement{
			with(forgetBrowsers, owner), with(endPasskeySessions, owner, micros(at), opened), with(endPasskeyGrants, owner, micros(at), opened),
		} {
			if _, err := r.exec(end); err != nil {
				return err
			}
		}
		gone := held{person: owner, kind: "passkey.remove", at: at, field: "passkey", old: named(name, passkeyName(id))}
		if err := noteHeld(r, gone, w.Events); err != nil {
			return err
		}
		return keepWith(r, w)
	})
}

// passkeyName is how evidence calls a passkey.
func passkeyName(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// holdPasskeys is for passkeys as holdFactors is for all.
func holdPasskeys(evidence []idp.Evidence) (list []check) {
	for _, e := range evidence {
		if e.Method != idp.MethodPasskey || e.Passkey == "" {
			continue
		}
		id, _ := base64.RawURLEncoding.DecodeString(e.Passkey) // what can't be read is nobody's
		list = append(list, needs(with(holdPasskey, notNil(id)), idp.Denied{Reason: devicebind.ReasonPasskey}))
	}
	return list
}
