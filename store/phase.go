package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

const (
	phaseNow query = `SELECT value FROM settings WHERE key = 'phase'`
	// The first time there is no row, and the phase is coexist.
	putPhase query = `INSERT INTO settings (key, value, updated_at) SELECT 'phase', $2, CAST($3 AS BIGINT)
		WHERE $1 = 'coexist' OR EXISTS (SELECT 1 FROM settings WHERE key = 'phase')
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at WHERE settings.value = $1`
	// Whoever was not fed by a portal has nothing to bind.
	nameFactColumns query = `n.kind, n.state <> 'active' OR n.pending, p.shared, p.renamed_at > 0,
		EXISTS (SELECT 1 FROM bindings b WHERE b.tpead = n.name OR b.portal = n.name),
		p.source <> '' AND EXISTS (SELECT 1 FROM accounts o WHERE o.person_id = p.id AND o.kind = 'portal'), n.claimed`
	// One row for every name: the phase is known in any case.
	nameFacts query = `SELECT COALESCE((SELECT value FROM settings WHERE key = 'phase'), 'coexist'), COALESCE(f.kind, ''),
			COALESCE(f.closed, FALSE), COALESCE(f.shared, FALSE), COALESCE(f.renamed, FALSE), COALESCE(f.bound, FALSE), COALESCE(f.portal, FALSE), COALESCE(f.claimed, FALSE)
		FROM (SELECT 1 AS one) AS always LEFT JOIN (SELECT a.kind AS kind, a.state <> 'active' OR a.pending AS closed, p.shared AS shared,
			p.renamed_at > 0 AS renamed, EXISTS (SELECT 1 FROM bindings b WHERE b.tpead = a.name OR b.portal = a.name) AS bound,
			p.source <> '' AND EXISTS (SELECT 1 FROM accounts o WHERE o.person_id = p.id AND o.kind = 'portal') AS portal, a.claimed AS claimed
			FROM accounts a JOIN persons p ON p.id = a.person_id WHERE a.name = $1) AS f ON TRUE`
	eachName query = `SELECT p.id, p.name, COALESCE(p.agency, ''), COALESCE(g.name, ''), ` + effectiveState + `, n.name, n.must_set, ` + nameFactColumns + `
		FROM persons p JOIN accounts n ON n.person_id = p.id LEFT JOIN agencies g ON g.code = p.agency
		WHERE p.state = 'enabled' AND p.closed_at = 0 ORDER BY p.agency, p.id, n.position`
	// Every account of the person whose the name is.
	holderOf query = `SELECT COALESCE((SELECT value FROM settings WHERE key = 'phase'), 'coexist'),
			p.id, COALESCE(p.agency, ''),
			n.name, n.kind, n.person_id, n.state <> 'active' OR n.pending, n.must_set, n.given, n.agency, ` + nameFactColumns + `
		FROM accounts n JOIN persons p ON p.id = n.person_id
		WHERE n.person_id = (SELECT person_id FROM accounts WHERE name = $1) ORDER BY n.position, n.name`
)

// Phase implements directory.Phases.
func (s *Store) Phase(ctx context.Context) (policy.Phase, error) {
	var phase policy.Phase
	err := s.read(ctx, func(r runner) error { return r.row(with(phaseNow), &phase) })
	if errors.Is(err, idp.ErrNotFound) {
		return policy.PhaseCoexist, nil
	}
	return phase, err
}

// SetPhase implements directory.Phases.
func (s *Store) SetPhase(ctx context.Context, from, to policy.Phase, at time.Time, events ...idp.Event) error {
	return s.conditional(ctx, with(putPhase, string(from), string(to), micros(at)), idp.ErrConflict, events)
}

// NameFacts implements directory.Phases.
func (s *Store) NameFacts(ctx context.Context, name string) (phase policy.Phase, f policy.NameFacts, err error) {
	err = s.read(ctx, func(r runner) error {
		return r.row(with(nameFacts, name), append([]any{&phase}, nameFactsInto(&f)...)...)
	})
	return phase, f, err
}

func nameFactsInto(f *policy.NameFacts) []any {
	return []any{&f.Kind, &f.Closed, &f.Shared, &f.Renamed, &f.Bound, &f.Portal, &f.Claimed}
}

// Holder implements directory.Accounts.
func (s *Store) Holder(ctx context.Context, name string) (*directory.Holder, error) {
	h := &directory.Holder{}
	err := s.read(ctx, func(r runner) error {
		*h = directory.Holder{}
		return r.rows(with(holderOf, name), func(scan scan) error {
			var n directory.HeldName
			into := append([]any{&h.Phase, &h.PersonID, &h.Agency}, accountInto(&n.Account)...)
			if err := scan(append(into, nameFactsInto(&n.Facts)...)...); err != nil {
				return err
			}
			h.Names = append(h.Names, n)
			return nil
		})
	})
	if err == nil && len(h.Names) == 0 {
		err = idp.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// EachName implements directory.Phases.
func (s *Store) EachName(ctx context.Context, yield func(directory.Named) error) error {
	return s.read(ctx, func(r runner) error {
		return r.rows(with(eachName), func(scan scan) error {
			var n directory.Named
			into := []any{&n.PersonID, &n.PersonName, &n.Agency.Code, &n.Agency.Name, &n.State, &n.Account, &n.MustSet}
			if err := scan(append(into, nameFactsInto(&n.NameFacts)...)...); err != nil {
				return err
			}
			return yield(n)
		})
	})
}
