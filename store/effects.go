package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// Of each person the oldest only, but closing overtakes what is not under way: a
	// directory that does not do something else keeps nobody's account open. What is
	// told is how the account is by then, so that the overtaken undoes nothing. A
	// rename is overtaken where the entry is known by its identity: else it has no
	// other name yet. Whoever waited for
	// another's lease asks again whether it is still due.
	takeEffects query = `UPDATE directory_effects SET lease = $1, due_at = $3, tries = tries + 1
		WHERE state = 'waiting' AND due_at <= $2 AND id IN (SELECT e.id FROM directory_effects e
			WHERE e.state = 'waiting' AND e.due_at <= $2 AND NOT EXISTS (SELECT 1 FROM directory_effects f
				WHERE f.person_id = e.person_id AND f.state = 'waiting' AND (f.made_at < e.made_at OR f.made_at = e.made_at AND f.id < e.id)
				AND NOT (e.kind = 'disable' AND (f.lease = '' OR f.due_at <= $2)
					AND (f.kind <> 'rename' OR EXISTS (SELECT 1 FROM directory_entries d WHERE d.account = e.account))))
			ORDER BY e.due_at, e.id LIMIT $4)
		RETURNING id, person_id, kind, account, former, tries`
	effectDone query = `UPDATE directory_effects SET state = 'done', lease = '', fault = '' WHERE id = $1 AND lease = $2 AND state = 'waiting'
		RETURNING kind, account, person_id`
	accountMade   query = `UPDATE accounts SET pending = FALSE WHERE name = $1 AND person_id = $2`
	effectRedrawn query = `UPDATE directory_effects SET due_at = $3, lease = '', fault = 'taken' WHERE id = $1 AND lease = $2 AND state = 'waiting'
		AND kind IN ('create', 'rename') RETURNING account, person_id`
	effectsOfName query = `UPDATE directory_effects SET account = $3 WHERE person_id = $1 AND account = $2 AND state = 'waiting'`
	giveOther     query = `UPDATE accounts SET name = $3 WHERE person_id = $1 AND name = $2`
	callOther     query = `UPDATE persons SET username = $3, updated_at = $4 WHERE id = $1 AND username = $2`
	effectLater   query = `UPDATE directory_effects SET due_at = $3, fault = $4, lease = '' WHERE id = $1 AND lease = $2 AND state = 'waiting'`
	effectFailed  query = `UPDATE directory_effects SET state = 'failed', fault = $3, lease = '' WHERE id = $1 AND lease = $2 AND state = 'waiting'`
	effectCounts  query = `SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), 0) FROM directory_effects WHERE state <> 'done'`
)

// TakeEffects implements directory.Effects.
func (s *Store) TakeEffects(ctx context.Context, lease string, now, until time.Time, limit int) ([]directory.Effect, error) {
	var found []directory.Effect
	err := s.write(ctx, func(r runner) error {
		found = nil
		return r.rows(with(takeEffects, lease, micros(now), micros(until), int64(limit)), func(scan scan) error {
			var e directory.Effect
			var tries int64
			if err := scan(&e.ID, &e.PersonID, &e.Kind, &e.Account, &e.Former, &tries); err != nil {
				return err
			}
			e.Tries = int(tries)
			found = append(found, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// EffectDone implements directory.Effects.
func (s *Store) EffectDone(ctx context.Context, id, lease, then string) error {
	return s.write(ctx, func(r runner) error {
		var kind, account, personID string
		if err := r.row(with(effectDone, id, lease), &kind, &account, &personID); err != nil {
			return lost(err)
		}
		if then != "" {
			now := s.now()
			if _, err := r.exec(with(mendAccount, account, then, "then/"+directory.NewID(), micros(now), personID)); err != nil {
				return err
			}
		}
		if kind != directory.EffectCreate {
			return nil
		}
		_, err := r.exec(with(accountMade, account, personID))
		return err
	})
}

// lost is for a statement that found nothing under our lease.
func lost(err error) error {
	if errors.Is(translate(err), idp.ErrNotFound) {
		return idp.ErrConflict
	}
	return err
}

// EffectRedrawn implements directory.Effects.
func (s *Store) EffectRedrawn(ctx context.Context, id, lease, name string, at time.Time) error {
	return s.write(ctx, func(r runner) error {
		var former, personID string
		if err := r.row(with(effectRedrawn, id, lease, micros(at)), &former, &personID); err != nil {
			return lost(err)
		}
		fields := []directory.FieldChange{{Field: "account", Old: former, New: name}, {Field: "reason", New: "taken in the directory"}}
		for _, st := range []statement{
			with(effectsOfName, personID, former, name), with(giveOther, personID, former, name), with(renameEntries, former, name),
			with(callOther, personID, former, name, micros(at)),
			with(noteChange, personID, "redraw/"+name, micros(at), "directory", "rename", text(fields)),
		} {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		return nil
	})
}

// EffectLater implements directory.Effects.
func (s *Store) EffectLater(ctx context.Context, id, lease string, due time.Time, fault string) error {
	return s.conditional(ctx, with(effectLater, id, lease, micros(due), fault), idp.ErrConflict, nil)
}

// EffectFailed implements directory.Effects.
func (s *Store) EffectFailed(ctx context.Context, id, lease, fault string) error {
	return s.conditional(ctx, with(effectFailed, id, lease, fault), idp.ErrConflict, nil)
}

// EffectCounts implements directory.Effects.
func (s *Store) EffectCounts(ctx context.Context) (waiting, failed int, err error) {
	var w, f int64
	err = s.read(ctx, func(r runner) error { return r.row(with(effectCounts), &w, &f) })
	return int(w), int(f), err
}

const (
	door query = `SELECT p.state = 'enabled' AND a.state = 'active', a.shut_at FROM accounts a JOIN persons p ON p.id = a.person_id WHERE a.name = $1`
	// An account's person is as it was: feeds compare its time.
	putDoor query = `UPDATE accounts SET shut_at = $2 WHERE name = $1`
)

// Door implements directory.Doors.
func (s *Store) Door(ctx context.Context, account string) (open bool, shut time.Time, err error) {
	err = s.read(ctx, func(r runner) error { return r.row(with(door, account), &open, moment{&shut}) })
	return open, shut, err
}

// PutDoor implements directory.Doors.
func (s *Store) PutDoor(ctx context.Context, account string, shut time.Time) error {
	_, err := s.one(ctx, with(putDoor, account, micros(shut)))
	return err
}

const directoryAccounts query = `SELECT a.name, a.kind, a.given, a.agency, p.id, p.name, COALESCE(p.agency, ''), p.state = 'enabled' AND a.state = 'active',
	COALESCE(g.name, ''), p.unit, p.title FROM accounts a JOIN persons p ON p.id = a.person_id LEFT JOIN agencies g ON g.code = p.agency WHERE a.kind IN ('tpead', 'single') AND a.name > $1
	AND NOT EXISTS (SELECT 1 FROM directory_effects e WHERE e.person_id = p.id AND e.state = 'waiting') ORDER BY a.name LIMIT 1000`

// DirectoryAccounts implements directory.Holdings: by pages, so that nothing is
// held open while a directory is asked.
func (s *Store) DirectoryAccounts(ctx context.Context, yield func(directory.Held) error) error {
	for after := ""; ; {
		var page []directory.Held
		err := s.read(ctx, func(r runner) error {
			page = nil
			return r.rows(with(directoryAccounts, after), func(scan scan) error {
				var h directory.Held
				if err := scan(&h.Account.Name, &h.Account.Kind, &h.Account.Given, &h.Account.Agency, &h.Account.PersonID, &h.Name, &h.Agency, &h.Open,
					&h.AgencyName, &h.Unit, &h.Title); err != nil {
					return err
				}
				page = append(page, h)
				return nil
			})
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, h := range page {
			if err := yield(h); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Account.Name
	}
}
