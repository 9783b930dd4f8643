package keys

import (
	"context"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// CheckStore opens one signing key of the store: ErrSealed says that this is
// the master key of another one, idp.ErrNotFound that there is no key yet.
func (s *Sealer) CheckStore(ctx context.Context, store Store, now time.Time) error {
	records, err := store.SigningKeys(ctx, now)
	if err != nil {
		return fmt.Errorf("load signing keys: %w", err)
	}
	if len(records) == 0 {
		return fmt.Errorf("signing keys: %w", idp.ErrNotFound)
	}
	if _, err := s.Open(records[0].Sealed, sealedAs(records[0].KID)); err != nil {
		return fmt.Errorf("signing key %s: %w: is it this store's master key?", records[0].KID, err)
	}
	return nil
}
