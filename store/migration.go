package store

import (
	"context"
	"errors"
	"fmt"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	candidateColumns query = `SELECT p.id, p.name, COALESCE(p.agency, ''), COALESCE(g.name, ''), p.unit, a.name,
		EXISTS (SELECT 1 FROM accounts o WHERE o.person_id = p.id AND o.kind IN ('tpead', 'single')),
		p.shared OR p.national_id_hash IS NULL, EXISTS (SELECT 1 FROM bindings b WHERE b.portal = a.name)
		FROM accounts a JOIN persons p ON p.id = a.person_id LEFT JOIN agencies g ON g.code = p.agency `
	unboundPortals query = candidateColumns + `WHERE a.kind = 'portal' AND a.state = 'active' AND p.state = 'enabled' AND p.renamed_at = 0
		AND (p.agency = $1 OR $1 = '') AND a.name > $2
		AND NOT EXISTS (SELECT 1 FROM bindings b WHERE b.portal = a.name) ORDER BY a.name LIMIT $3`
	// Of several TPEAD accounts the one of the main portal account, else the first.
	oldNames query = candidateColumns + `WHERE a.kind = 'tpead' AND a.state = 'active' AND NOT a.pending AND p.state = 'enabled' AND NOT p.shared
		AND (p.agency = $1 OR $1 = '') AND a.name > $2
		AND NOT EXISTS (SELECT 1 FROM accounts o WHERE o.person_id = p.id AND o.kind = 'single')
		AND NOT EXISTS (SELECT 1 FROM accounts o LEFT JOIN bindings b ON b.tpead = o.name LEFT JOIN accounts m ON m.name = b.portal
			WHERE o.person_id = p.id AND o.kind = 'tpead' AND o.state = 'active' AND o.name <> a.name
			AND COALESCE(m.position, 1000) * 1000 + o.position < COALESCE((SELECT m2.position FROM bindings b2 JOIN accounts m2 ON m2.name = b2.portal
				WHERE b2.tpead = a.name), 1000) * 1000 + a.position)
		ORDER BY a.name LIMIT $3`
	everyPortal query = candidateColumns + `WHERE a.kind = 'portal' AND a.state = 'active' AND p.state = 'enabled'
		AND (p.agency = $1 OR $1 = '') ORDER BY p.agency, p.unit, a.name`

	// One single account for a person: a further one stays a TPEAD account.
	giveAccount query = `INSERT INTO accounts (person_id, name, kind, position, state, must_set, pending, given, agency)
		SELECT $1, $2, CASE WHEN SUM(CASE WHEN kind IN ('tpead', 'single') THEN 1 ELSE 0 END) > 0 THEN 'tpead' ELSE 'single' END,
			COALESCE(MAX(position), -1) + 1, 'active', TRUE, TRUE, TRUE,
			COALESCE((SELECT agency FROM persons WHERE id = $1), '') FROM accounts WHERE person_id = $1`
	// Without such a portal account there is no person_id, which the table refuses.
	bindGiven query = `INSERT INTO bindings (portal, tpead, person_id, how, bound_at) VALUES ($1, $2, (SELECT p.id FROM persons p
		JOIN accounts a ON a.person_id = p.id WHERE p.id = $3 AND p.state = 'enabled' AND NOT p.shared AND p.national_id_hash IS NOT NULL
		AND p.renamed_at = 0 AND a.name = $1 AND a.kind = 'portal' AND a.state = 'active'), 'provision', $4)`
	callPerson query = `UPDATE persons SET username = $2, updated_at = $3 WHERE id = $1
		AND EXISTS (SELECT 1 FROM accounts WHERE name = $2 AND kind = 'single')`
	// The next login asks the owner to set a password, unless an account of theirs
	// had one before.
	askPassword query = `INSERT INTO password_standing (person_id, changed_at, must_change, ends_at, reset_at)
		SELECT $1, CAST($2 AS BIGINT), TRUE, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE person_id = $1 AND kind IN ('tpead', 'single') AND name <> $3)
		ON CONFLICT (person_id) DO NOTHING`
	// Whoever was not fed by a portal has nothing to bind.
	boundOf   query = `SELECT (SELECT COUNT(*) FROM bindings WHERE person_id = $1) + (SELECT COUNT(*) FROM persons WHERE id = $1 AND source = '')`
	addEffect query = `INSERT INTO directory_effects (person_id, id, kind, account, former, state, made_at, due_at, tries, lease, fault)
		VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $6, 0, '', '')`

	renameAccount query = `UPDATE accounts SET name = $3, kind = 'single' WHERE person_id = $1 AND name = $2 AND kind = 'tpead' AND state = 'active' AND NOT pending
		AND NOT EXISTS (SELECT 1 FROM accounts o WHERE o.person_id = $1 AND o.kind = 'single')
		AND EXISTS (SELECT 1 FROM persons p WHERE p.id = $1 AND p.state = 'enabled' AND NOT p.shared)`
	noteRename query = `INSERT INTO history (person_id, id, at, actor, kind, changes)
		VALUES ((SELECT person_id FROM accounts WHERE name = $6 AND person_id = $1), $2, $3, $4, 'rename', $5)`
	renamePerson query = `UPDATE persons SET username = $2, renamed_at = $3, updated_at = $3 WHERE id = $1`
)

func (s *Store) candidates(ctx context.Context, ask statement, renaming bool, yield func(directory.Candidate) error) error {
	return s.read(ctx, func(r runner) error {
		return r.rows(ask, func(scan scan) error {
			var c directory.Candidate
			if err := scan(&c.PersonID, &c.PersonName, &c.Agency.Code, &c.Agency.Name, &c.Unit, &c.Portal, &c.Second, &c.Shared, &c.Bound); err != nil {
				return err
			}
			if renaming {
				c.Portal, c.Former = "", c.Portal
			}
			return yield(c)
		})
	})
}

func (s *Store) candidateList(ctx context.Context, ask statement, renaming bool) ([]directory.Candidate, error) {
	var found []directory.Candidate
	err := s.candidates(ctx, ask, renaming, func(c directory.Candidate) error {
		found = append(found, c)
		return nil
	})
	return found, err
}

// Unbound implements directory.Migration.
func (s *Store) Unbound(ctx context.Context, agency, after string, limit int) ([]directory.Candidate, error) {
	return s.candidateList(ctx, with(unboundPortals, agency, after, int64(limit)), false)
}

// OldNames implements directory.Migration.
func (s *Store) OldNames(ctx context.Context, agency, after string, limit int) ([]directory.Candidate, error) {
	return s.candidateList(ctx, with(oldNames, agency, after, int64(limit)), true)
}

// Bindings implements directory.Migration.
func (s *Store) Bindings(ctx context.Context, agency string, yield func(directory.Candidate) error) error {
	return s.candidates(ctx, with(everyPortal, agency), false, yield)
}

// Provision implements directory.Migration.
func (s *Store) Provision(ctx context.Context, g directory.Given) error {
	fields := []directory.FieldChange{{Field: "account", New: g.Account}, {Field: "bound", New: g.Portal + " = " + g.Account}}
	list := []statement{
		with(giveAccount, g.PersonID, g.Account),
		with(bindGiven, g.Portal, g.Account, g.PersonID, micros(g.At)),
		with(noteChange, g.PersonID, "provision/"+g.Account, micros(g.At), g.Actor, "provision", text(fields)),
		with(addEffect, g.PersonID, "create/"+g.Account, "create", g.Account, "", micros(g.At)),
		with(callPerson, g.PersonID, g.Account, micros(g.At)),
		with(askPassword, g.PersonID, micros(g.At), g.Account),
	}
	list = append(list, inserts([]idp.Event{{At: g.At, Kind: "account.provision", Result: "ok", PersonID: g.PersonID, Actor: g.Actor}})...)
	return s.given(ctx, list)
}

// Bound tells whether any of the person's portal accounts is bound.
func (s *Store) Bound(ctx context.Context, personID string) (bool, error) {
	var n int64
	err := s.read(ctx, func(r runner) error { return r.row(with(boundOf, personID), &n) })
	return n > 0, err
}

// Rename implements directory.Migration.
func (s *Store) Rename(ctx context.Context, g directory.Given) error {
	fields := []directory.FieldChange{{Field: "account", Old: "tpead:" + g.Former, New: "single:" + g.Account}}
	return s.given(ctx, append([]statement{
		with(renameAccount, g.PersonID, g.Former, g.Account),
		with(noteRename, g.PersonID, "rename/"+g.Account, micros(g.At), g.Actor, text(fields), g.Account),
		with(useName, g.Former, micros(g.At)),
		with(renamePerson, g.PersonID, g.Account, micros(g.At)),
		with(renameEntries, g.Former, g.Account),
		with(addEffect, g.PersonID, "rename/"+g.Account, "rename", g.Account, g.Former, micros(g.At)),
	}, inserts([]idp.Event{{At: g.At, Kind: "account.rename", Result: "ok", PersonID: g.PersonID, Actor: g.Actor}})...))
}

// renameEntries keeps an entry of a directory its person's under the new name.
const renameEntries query = `UPDATE directory_entries SET account = $2 WHERE account = $1`

func (s *Store) given(ctx context.Context, list []statement) error {
	return conflicting(s.all(ctx, list))
}

// conflicting is for what the tables refuse, where their keys decide.
func conflicting(err error) error {
	if errors.Is(err, errDuplicate) || missing(err) {
		return fmt.Errorf("%w: %w", idp.ErrConflict, err)
	}
	return err
}
