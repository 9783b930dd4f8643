package store

import (
	"context"
	"errors"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

const (
	deviceColumns query = `d.id, d.person_id, d.card_id, d.name, d.platform, d.presence, d.certificate, d.sealed, d.bound_at, d.used_at, d.not_after,
		d.revoked_at, d.suspended_at, d.pin_failures, d.sign_count, ` + effectiveState + `, d.card_id <> '' AND c.id IS NULL`
	deviceJoins   query = ` FROM devices d JOIN persons p ON p.id = d.person_id LEFT JOIN cards c ON c.id = d.card_id AND c.unbound_at = 0`
	deviceByID    query = `SELECT ` + deviceColumns + `, ` + personColumns + deviceJoins + agencyJoin + ` WHERE d.id = $1`
	deviceAndFlow query = `SELECT ` + deviceColumns + `, ` + personColumns + `, f.handle, f.browser, COALESCE(f.ask, '{}'), COALESCE(f.created_at, 0),
		COALESCE(f.ends_at, 0)` + deviceJoins + agencyJoin + ` LEFT JOIN flows f ON f.handle = $2 WHERE d.id = $1`
	devicesOf query = `SELECT ` + deviceColumns + deviceJoins + ` WHERE d.person_id = $1 AND d.revoked_at = 0 ORDER BY d.bound_at DESC, d.id`

	renameDevice  query = `UPDATE devices SET name = $3 WHERE id = $1 AND person_id = $2 AND revoked_at = 0`
	revokeDevice  query = `UPDATE devices SET revoked_at = $3 WHERE id = $1 AND revoked_at = 0 AND (person_id = $2 OR $2 = '') RETURNING person_id, name`
	closeAttempts query = `UPDATE qr_attempts SET state = 'denied', changed_at = $2 WHERE device_id = $1 AND state IN ('scanned', 'approved')`
	// What a phone opened ends with it, as with a card: $3 finds it in the evidence.
	ofDevice          query = ` person_id = (SELECT person_id FROM devices WHERE id = $1) AND evidence LIKE $3 ESCAPE '!'`
	endDeviceSessions query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND` + ofDevice
	endDeviceGrants   query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id <> ''
		AND session_id IN (SELECT id FROM sessions WHERE` + ofDevice + `)`
	// Who loses a phone is known nowhere until they prove themselves again.
	forgetBrowsersOf query = `DELETE FROM known_browsers WHERE person_id = (SELECT person_id FROM devices WHERE id = $1)`
	suspendDevice    query = `UPDATE devices SET suspended_at = $2 WHERE id = $1 AND revoked_at = 0 RETURNING person_id, name`
	reservePIN       query = `UPDATE devices SET pin_failures = pin_failures + 1 WHERE id = $1 AND pin_failures < $2 RETURNING pin_failures`
	returnPIN        query = `UPDATE devices SET pin_failures = pin_failures - 1 WHERE id = $1 AND pin_failures > 0`

	strongestFactor query = `SELECT
		EXISTS (SELECT 1 FROM cards WHERE person_id = $1 AND unbound_at = 0 AND not_after > $2),
		EXISTS (SELECT 1 FROM passkeys WHERE person_id = $1) OR EXISTS (SELECT 1 FROM totp WHERE person_id = $1 AND sealed IS NOT NULL)
			OR EXISTS (SELECT 1 FROM devices d WHERE d.person_id = $1 AND d.revoked_at = 0 AND d.not_after > $2)`

	// deviceActive is devicebind.StandingActive at $2, of a row d.
	deviceActive query = `d.revoked_at = 0 AND d.suspended_at = 0 AND d.pin_failures < 5 AND ` + deviceSound
	// One value of one row each: joins of these would be planned by the sizes of
	// the tables, and a plan that was made while they were small is kept.
	deviceSound query = `d.not_after > $2 AND (SELECT p.closed_at FROM persons p WHERE p.id = d.person_id AND p.state = 'enabled') = 0
		AND CASE WHEN d.card_id = '' THEN TRUE ELSE (SELECT c.unbound_at FROM cards c WHERE c.id = d.card_id) = 0 END`
)

func deviceInto(d *devicebind.Device) []any {
	return []any{&d.ID, &d.PersonID, &d.CardID, &d.Name, &d.Platform, &d.Presence, &d.Certificate, &d.Sealed, moment{&d.BoundAt}, moment{&d.UsedAt},
		moment{&d.NotAfter}, moment{&d.RevokedAt}, moment{&d.SuspendedAt}, &d.PINFailures, &d.SignCount, &d.PersonState, &d.CardUnbound}
}

// Device implements devicebind.DeviceStore.
func (s *Store) Device(ctx context.Context, id string) (*devicebind.Device, *idp.Person, error) {
	d, p := &devicebind.Device{}, &idp.Person{}
	into := append(deviceInto(d), personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(deviceByID, id), into...) }); err != nil {
		return nil, nil, err
	}
	return d, p, nil
}

// DeviceAndFlow implements devicebind.ScanStore.
func (s *Store) DeviceAndFlow(ctx context.Context, id string, flow []byte) (*devicebind.Device, *idp.Person, *idp.Flow, error) {
	d, p, f := &devicebind.Device{}, &idp.Person{}, &idp.Flow{}
	into := append(append(deviceInto(d), personInto(p)...), &f.Handle, &f.Browser, document{&f.Ask}, moment{&f.CreatedAt}, moment{&f.EndsAt})
	if err := s.read(ctx, func(r runner) error { return r.row(with(deviceAndFlow, id, flow), into...) }); err != nil {
		return nil, nil, nil, err
	}
	if f.Handle == nil {
		f = nil
	}
	return d, p, f, nil
}

// DevicesOf implements devicebind.DeviceStore.
func (s *Store) DevicesOf(ctx context.Context, personID string) ([]devicebind.Device, error) {
	var found []devicebind.Device
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(devicesOf, personID), func(scan scan) error {
			var d devicebind.Device
			if err := scan(deviceInto(&d)...); err != nil {
				return err
			}
			found = append(found, d)
			return nil
		})
	})
	return found, err
}

// RenameDevice implements devicebind.DeviceStore.
func (s *Store) RenameDevice(ctx context.Context, id, personID, name string, w devicebind.With) error {
	return s.change(ctx, with(renameDevice, id, personID, name), idp.ErrNotFound, w)
}

// RevokeDevice implements devicebind.DeviceStore.
func (s *Store) RevokeDevice(ctx context.Context, id, personID string, at time.Time, w devicebind.With) error {
	return s.write(ctx, func(r runner) error {
		change := held{kind: "phone.revoke", at: at, about: "device " + id, field: "device"}
		name := ""
		if err := r.row(with(revokeDevice, id, personID, micros(at)), &change.person, &name); err != nil {
			return err
		}
		change.old = named(name, id)
		return stopDevice(r, id, change, w)
	})
}

// SuspendDevice implements devicebind.DeviceStore.
func (s *Store) SuspendDevice(ctx context.Context, id string, at time.Time, w devicebind.With) error {
	return s.write(ctx, func(r runner) error {
		change := held{kind: "phone.suspend", at: at, about: "device " + id, field: "device"}
		name := ""
		if err := r.row(with(suspendDevice, id, micros(at)), &change.person, &name); err != nil {
			return err
		}
		change.now = named(name, id)
		if !at.IsZero() {
			return stopDevice(r, id, change, w)
		}
		change.kind, change.at = "phone.resume", s.atOf(w.Events)
		if err := noteHeld(r, change, w.Events); err != nil {
			return err
		}
		return keepWith(r, w)
	})
}

// literally makes text mean itself in a LIKE with ESCAPE '!'.
func literally(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// stopDevice ends what the device has under way or has opened, after the change.
func stopDevice(r runner, id string, change held, w devicebind.With) error {
	if err := hold(r, w.Session); err != nil {
		return err
	}
	opened := `%"device":"` + literally(id) + `"%`
	// The attempts come first: a login that is opening its session has taken one
	// of them, and what it keeps is there when the others run.
	for _, end := range []statement{
		with(closeAttempts, id, micros(change.at)), with(forgetBrowsersOf, id),
		with(endDeviceSessions, id, micros(change.at), opened), with(endDeviceGrants, id, micros(change.at), opened),
	} {
		if _, err := r.exec(end); err != nil {
			return err
		}
	}
	if err := noteHeld(r, change, w.Events); err != nil {
		return err
	}
	return keepWith(r, w)
}

// ReservePIN implements devicebind.DeviceStore.
func (s *Store) ReservePIN(ctx context.Context, id string, max int) (failures int, err error) {
	_, err = s.one(ctx, with(reservePIN, id, int64(max)), &failures)
	if errors.Is(err, idp.ErrNotFound) {
		return 0, idp.ErrUsed
	}
	return failures, err
}

// ReturnPIN implements devicebind.DeviceStore.
func (s *Store) ReturnPIN(ctx context.Context, id string) error {
	_, err := s.one(ctx, with(returnPIN, id))
	return err
}

// StrongestFactor implements devicebind.FactorStore.
func (s *Store) StrongestFactor(ctx context.Context, personID string, now time.Time) (idp.Level, error) {
	var card, two bool
	err := s.read(ctx, func(r runner) error { return r.row(with(strongestFactor, personID, micros(now)), &card, &two) })
	switch {
	case err != nil:
		return idp.LevelNone, err
	case card:
		return idp.LevelCard, nil
	case two:
		return idp.LevelTwo, nil
	}
	return idp.LevelPassword, nil
}
