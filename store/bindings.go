package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	bindingOf     query = `SELECT portal, tpead, person_id, how, bound_at FROM bindings WHERE portal = $1`
	removeBinding query = `DELETE FROM bindings WHERE portal = $1 AND person_id = $2 RETURNING tpead`
	dropBinding   query = `DELETE FROM bindings WHERE portal = $1 AND (NOT EXISTS (SELECT 1 FROM settings WHERE key = 'phase' AND value <> 'coexist')
		OR EXISTS (SELECT 1 FROM accounts a WHERE a.name = bindings.tpead AND a.claimed AND a.kind = 'tpead')) RETURNING person_id, tpead`
	// Of nobody yet; a name that was given once and is nobody's any more stays so.
	takeTPEAD query = `INSERT INTO accounts (person_id, name, kind, position, state, claimed, agency)
		SELECT $1, $2, 'tpead', COALESCE(MAX(position), -1) + 1, 'active', TRUE, COALESCE((SELECT agency FROM persons WHERE id = $1), '') FROM accounts WHERE person_id = $1
		HAVING NOT EXISTS (SELECT 1 FROM accounts WHERE name = $2) AND NOT EXISTS (SELECT 1 FROM used_names WHERE name = $2)`
	// An account that its person only claimed is nobody's any more, so that its owner
	// can claim it.
	isClaimed    query = ` AND EXISTS (SELECT 1 FROM accounts WHERE name = $1 AND person_id = $2 AND claimed AND kind = 'tpead')`
	leaveUsed    query = `DELETE FROM used_names WHERE name = $1` + isClaimed
	leaveEntries query = `DELETE FROM directory_entries WHERE account = $1` + isClaimed
	leaveEffects query = `UPDATE directory_effects SET state = 'done', lease = '' WHERE account = $1 AND person_id = $2 AND state = 'waiting'` + isClaimed
	leaveAccount query = `DELETE FROM accounts WHERE name = $1 AND person_id = $2 AND claimed AND kind = 'tpead'`

	// Without both accounts, of one person who is not shared nor renamed, there is no
	// person_id, which the table refuses.
	bindOwn query = `INSERT INTO bindings (portal, tpead, person_id, how, bound_at) VALUES ($1, $2, (SELECT p.id FROM persons p
		JOIN accounts a ON a.person_id = p.id JOIN accounts o ON o.person_id = p.id
		WHERE p.id = $3 AND NOT p.shared AND p.renamed_at = 0 AND a.name = $1 AND a.kind = 'portal' AND a.state = 'active'
		AND o.name = $2 AND o.kind IN ('tpead', 'single') AND o.state = 'active'), $4, $5)`
)

// BindingOf implements directory.Bindings.
func (s *Store) BindingOf(ctx context.Context, portal string) (*directory.Binding, error) {
	b := &directory.Binding{}
	err := s.read(ctx, func(r runner) error {
		return r.row(with(bindingOf, portal), &b.Portal, &b.TPEAD, &b.PersonID, &b.How, moment{&b.At})
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Bind implements directory.Bindings.
func (s *Store) Bind(ctx context.Context, b directory.Binding, actor string, events ...idp.Event) error {
	fields := []directory.FieldChange{{Field: "bound", New: b.Portal + " = " + b.TPEAD}}
	return conflicting(s.write(ctx, func(r runner) error {
		if err := hold(r, b.Session); err != nil {
			return err
		}
		if _, err := r.exec(with(takeTPEAD, b.PersonID, b.TPEAD)); err != nil {
			return err
		}
		former := ""
		if err := r.row(with(removeBinding, b.Portal, b.PersonID), &former); err != nil && !errors.Is(translate(err), idp.ErrNotFound) {
			return err
		}
		if former != b.TPEAD {
			if err := letGo(r, former, b.PersonID); err != nil {
				return err
			}
			if err := endOthers(r, former, b); err != nil {
				return err
			}
		}
		for _, st := range []statement{
			with(bindOwn, b.Portal, b.TPEAD, b.PersonID, b.How, micros(b.At)),
			with(useName, b.TPEAD, micros(b.At)),
			with(noteChange, b.PersonID, "bind/"+directory.NewID(), micros(b.At), actor, "bind", text(fields)),
		} {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		return s.keepTold(r, b.Portal, events)
	}))
}

// endOthers ends what somebody may have opened by the account that was bound
// before: all but the session of who binds another one.
func endOthers(r runner, former string, b directory.Binding) error {
	if former == "" {
		return nil
	}
	for _, q := range []query{endOtherSessions, endOtherGrants} {
		if _, err := r.exec(with(q, b.PersonID, b.Session, micros(b.At))); err != nil {
			return err
		}
	}
	return nil
}

// letGo takes an account away that was claimed by a binding which is no more.
func letGo(r runner, account, personID string) error {
	for _, q := range []query{leaveUsed, leaveEntries, leaveEffects, leaveAccount} {
		if _, err := r.exec(with(q, account, personID)); err != nil {
			return err
		}
	}
	return nil
}

// stillBound says why nothing was undone.
func stillBound(r runner, portal string) error {
	var b directory.Binding
	err := r.row(with(bindingOf, portal), &b.Portal, &b.TPEAD, &b.PersonID, &b.How, moment{&b.At})
	switch {
	case err == nil:
		return directory.ErrPortalOff
	case errors.Is(translate(err), idp.ErrNotFound):
		return idp.ErrNotFound
	}
	return err
}

// Unbind implements directory.Bindings.
func (s *Store) Unbind(ctx context.Context, portal, actor, reason string, at time.Time, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		var personID, tpead string
		if err := r.row(with(dropBinding, portal), &personID, &tpead); err != nil {
			if errors.Is(translate(err), idp.ErrNotFound) {
				return stillBound(r, portal)
			}
			return err
		}
		if err := byRole(r, actor, personID); err != nil {
			return err
		}
		if err := letGo(r, tpead, personID); err != nil {
			return err
		}
		for _, q := range []query{endPersonSessions, endPersonGrants} {
			if _, err := r.exec(with(q, personID, micros(at))); err != nil {
				return err
			}
		}
		fields := []directory.FieldChange{{Field: "bound", Old: portal + " = " + tpead}, {Field: "reason", New: reason}}
		if _, err := r.exec(with(noteChange, personID, "unbind/"+directory.NewID(), micros(at), actor, "unbind", text(fields))); err != nil {
			return err
		}
		return s.keepTold(r, portal, events)
	})
}
