package store

import (
	"context"
	"time"
)

const claimName query = `INSERT INTO used_names (name, given_at) SELECT $1, CAST($2 AS BIGINT)
	WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE name = $1) ON CONFLICT (name) DO NOTHING`

// ClaimName implements directory.UsedNames.
func (s *Store) ClaimName(ctx context.Context, name string, at time.Time) (bool, error) {
	n, err := s.one(ctx, with(claimName, name, micros(at)))
	return n == 1, err
}
