package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/keys"
)

const (
	signingKeys query = `SELECT kid, key_use, algorithm, number, state, sealed, public, created_at, ends_at FROM signing_keys
		WHERE ends_at = 0 OR ends_at > $1 ORDER BY key_use, algorithm, number`
	addSigningKey query = `INSERT INTO signing_keys (kid, key_use, algorithm, number, state, sealed, public, created_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	retireKey   query = `UPDATE signing_keys SET state = 'retired', ends_at = $2 WHERE kid = $1 AND state = 'active'`
	activateKey query = `UPDATE signing_keys SET state = 'active' WHERE kid = $1 AND state = 'next'`
)

// SigningKeys is the store of signing keys.
type SigningKeys struct{ store *Store }

// Keys returns the store of signing keys: a value of its own, as its Rotate is
// another than that of grants.
func (s *Store) Keys() *SigningKeys { return &SigningKeys{s} }

// SigningKeys implements keys.Store.
func (k *SigningKeys) SigningKeys(ctx context.Context, now time.Time) ([]keys.Record, error) {
	var found []keys.Record
	err := k.store.read(ctx, func(r runner) error {
		return r.rows(with(signingKeys, micros(now)), func(scan scan) error {
			var rec keys.Record
			err := scan(&rec.KID, &rec.Use, &rec.Algorithm, &rec.Number, &rec.State, &rec.Sealed, &rec.Public, moment{&rec.CreatedAt}, moment{&rec.EndsAt})
			if err != nil {
				return err
			}
			found = append(found, rec)
			return nil
		})
	})
	return found, err
}

// AddSigningKey implements keys.Store.
func (k *SigningKeys) AddSigningKey(ctx context.Context, rec keys.Record) error {
	return keyConflict(k.store.all(ctx, []statement{insertKey(rec)}))
}

func insertKey(rec keys.Record) statement {
	return with(addSigningKey, rec.KID, rec.Use, rec.Algorithm, rec.Number, string(rec.State), rec.Sealed, notNil(rec.Public), micros(rec.CreatedAt), micros(rec.EndsAt))
}

func keyConflict(err error) error {
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}

// Rotate implements keys.Store.
func (k *SigningKeys) Rotate(ctx context.Context, activeKID, nextKID string, endsAt time.Time, next keys.Record) error {
	return keyConflict(k.store.write(ctx, func(r runner) error {
		for _, change := range []statement{with(retireKey, activeKID, micros(endsAt)), with(activateKey, nextKID)} {
			n, err := r.exec(change)
			if err != nil {
				return err
			}
			if n == 0 {
				return idp.ErrConflict
			}
		}
		_, err := r.exec(insertKey(next))
		return err
	}))
}
