package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// What is told is how the person is by then: one that waits tells of later changes too.
	oneUpdateOnly query = ` AND NOT EXISTS (SELECT 1 FROM directory_effects e WHERE e.person_id = a.person_id AND e.account = a.name
			AND e.kind = CAST($2 AS TEXT) AND e.state = 'waiting' AND e.lease = '')`
	effectOf query = ` directory_effects (id, person_id, kind, account, former, state, made_at, due_at, tries, lease, fault)
		SELECT CAST($3 AS TEXT) || '/' || a.name, a.person_id, CAST($2 AS TEXT), a.name, '', 'waiting', CAST($4 AS BIGINT), CAST($4 AS BIGINT), 0, '', ''
		FROM accounts a `
	updateAccounts query = `INSERT INTO` + effectOf + `WHERE a.person_id = $1 AND a.kind IN ('tpead', 'single') AND a.state = 'active'` + oneUpdateOnly
	// An agency's name stands with all its people.
	updateAgency query = `INSERT INTO` + effectOf + `JOIN persons p ON p.id = a.person_id JOIN agencies g ON g.code = p.agency
		WHERE g.code = $1 AND g.name <> $5 AND p.state = 'enabled' AND a.kind IN ('tpead', 'single') AND a.state = 'active'` + oneUpdateOnly
	retryCreate query = `UPDATE directory_effects SET state = 'waiting', due_at = $3, tries = 0, lease = ''
		WHERE person_id = $1 AND account = $2 AND kind = 'create' AND state = 'failed'`
	theirAccount query = `SELECT COUNT(*) FROM accounts WHERE name = $1 AND person_id = $2`
	mendAccount  query = `INSERT INTO` + effectOf + `WHERE a.name = $1 AND a.person_id = $5` + oneUpdateOnly
)

// telling has the directories told how a person is described now.
func telling(personID, id string, at time.Time) statement {
	return with(updateAccounts, personID, directory.EffectUpdate, "update/"+id, micros(at))
}

// Mend implements directory.Mender.
func (s *Store) Mend(ctx context.Context, personID, account, kind, actor string) error {
	now := s.now()
	e := idp.Event{At: now, Kind: "sync.mend", Result: "ok", PersonID: personID, Actor: actor, Detail: kind + " " + account}
	return s.write(ctx, func(r runner) error {
		var there, again int64
		if err := r.row(with(theirAccount, account, personID), &there); err != nil {
			return err
		}
		if there == 0 {
			return idp.ErrNotFound
		}
		if kind != directory.EffectDisable { // what was never made can't be opened, and shows nothing
			var err error
			if again, err = r.exec(with(retryCreate, personID, account, micros(now))); err != nil {
				return err
			}
		}
		if again == 0 {
			if _, err := r.exec(with(mendAccount, account, kind, "mend/"+directory.NewID(), micros(now), personID)); err != nil {
				return err
			}
		}
		return keep(r, []idp.Event{e})
	})
}
