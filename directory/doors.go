package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// Doors keeps which accounts we closed in their directory: whom its own
// administrators closed there, we never open.
type Doors interface {
	// Door tells whether the account is open here, its person with it, and since when
	// we have it closed in its directory, zero if we have not; idp.ErrNotFound.
	Door(ctx context.Context, account string) (open bool, shut time.Time, err error)
	// PutDoor remembers since when we have it closed there; zero: we have not.
	PutDoor(ctx context.Context, account string, shut time.Time) error
}

// ErrClosedThere says that an account stays closed, because it was not us who
// closed it.
var ErrClosedThere = fmt.Errorf("the directory's own administrators closed the account: only they open it: %w", idp.ErrConflict)

// turn makes an account in its directory what it is here now, whatever it was when
// the effect was noted: an older effect never undoes a newer one.
func (t *Teller) turn(ctx context.Context, w Writer, account idp.Account) error {
	open, shut, err := t.Doors.Door(ctx, account.Name)
	if errors.Is(err, idp.ErrNotFound) {
		return nil // renamed or taken away since
	}
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	closed, err := w.Closed(ctx, account)
	switch {
	case errors.Is(err, idp.ErrNotFound) && !open:
		return nil
	case err != nil:
		return err
	case !open && closed:
		return nil // ours already, or its own administrators'
	case !open:
		// Noted first: if this is interrupted we may open it again later.
		if err := t.Doors.PutDoor(ctx, account.Name, t.Now()); err != nil {
			return fmt.Errorf("note a closed account: %w", err)
		}
		return w.SwitchAccount(ctx, account, false)
	case closed && shut.IsZero():
		return ErrClosedThere
	case closed:
		if err := w.SwitchAccount(ctx, account, true); err != nil {
			return err
		}
	}
	if shut.IsZero() {
		return nil
	}
	return t.Doors.PutDoor(ctx, account.Name, time.Time{})
}

// closeAfter closes an account that was made or renamed, if its person was disabled
// meanwhile.
func (t *Teller) closeAfter(ctx context.Context, w Writer, account idp.Account) error {
	open, _, err := t.Doors.Door(ctx, account.Name)
	if err == nil && !open {
		return t.turn(ctx, w, account)
	}
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	return err
}
