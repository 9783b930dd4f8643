package store

import (
	"context"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// reachesAgency: the administrator $1 has a role that reaches agency g.
	reachesAgency query = `EXISTS (SELECT 1 FROM roles r JOIN persons m ON m.id = r.person_id WHERE r.person_id = $1 AND m.state = 'enabled' AND m.closed_at = 0
		AND (r.kind = 'helpdesk' OR r.kind = 'people' AND r.agency = g.code))`
	bindableOf query = `FROM persons p JOIN accounts a ON a.person_id = p.id LEFT JOIN bindings b ON b.portal = a.name WHERE p.agency = g.code
		AND p.state = 'enabled' AND NOT p.shared AND p.national_id_hash IS NOT NULL AND a.kind = 'portal' AND a.state = 'active'`
	agencyRates query = `SELECT g.code, g.name, (SELECT COUNT(b.portal) ` + bindableOf + `), (SELECT COUNT(*) ` + bindableOf + `)
		FROM agencies g WHERE ` + reachesAgency + ` AND ($2 = '' OR g.code = $2)
		AND ($3 = '' OR LOWER(g.code) LIKE $3 ESCAPE '!' OR LOWER(g.name) LIKE $3 ESCAPE '!')
		AND EXISTS (SELECT 1 ` + bindableOf + `) ORDER BY g.code LIMIT $4 OFFSET $5`
	missingOf query = candidateColumns + `WHERE a.kind = 'portal' AND a.state = 'active' AND p.state = 'enabled' AND p.agency = $2
		AND NOT p.shared AND p.national_id_hash IS NOT NULL AND NOT EXISTS (SELECT 1 FROM bindings b WHERE b.portal = a.name)
		AND ` + reaches + ` ORDER BY p.unit, a.name LIMIT $3 OFFSET $4`
	findPeople query = `SELECT ` + personColumns + ` FROM persons p` + agencyJoin + ` WHERE ` + reaches + `
		AND (LOWER(p.name) LIKE $2 ESCAPE '!' OR p.id IN (SELECT person_id FROM accounts WHERE name LIKE $3 ESCAPE '!'))
		ORDER BY p.name, p.username, p.id LIMIT $4`
	personFor query = `SELECT ` + personColumns + ` FROM persons p` + agencyJoin + ` WHERE ` + reaches + `
		AND p.id IN (SELECT person_id FROM accounts WHERE name = $2)`
	bindingsOf query = `SELECT portal, tpead, person_id, how, bound_at,
		EXISTS (SELECT 1 FROM accounts a WHERE a.name = bindings.tpead AND a.claimed) FROM bindings WHERE person_id = $1 ORDER BY portal`
)

// pattern is a text as part of LIKE ... ESCAPE '!'.
func pattern(text string) string {
	return literally(strings.ToLower(text))
}

// AgencyRates implements admin.Store.
func (s *Store) AgencyRates(ctx context.Context, administrator, agency, text string, skip, limit int) ([]directory.AgencyRate, error) {
	if text != "" {
		text = "%" + pattern(text) + "%"
	}
	var found []directory.AgencyRate
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(agencyRates, administrator, agency, text, int64(limit), int64(skip)), func(scan scan) error {
			var one directory.AgencyRate
			var bound, bindable int64
			if err := scan(&one.Agency, &one.AgencyName, &bound, &bindable); err != nil {
				return err
			}
			one.Bound, one.Bindable = int(bound), int(bindable)
			found = append(found, one)
			return nil
		})
	})
	return found, err
}

// Missing implements admin.Store.
func (s *Store) Missing(ctx context.Context, administrator, agency string, skip, limit int) ([]directory.Candidate, error) {
	return s.candidateList(ctx, with(missingOf, administrator, agency, int64(limit), int64(skip)), false)
}

// FindPeople implements admin.Store.
func (s *Store) FindPeople(ctx context.Context, administrator, name, account string, limit int) ([]idp.Person, error) {
	var found []idp.Person
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(findPeople, administrator, "%"+pattern(name)+"%", pattern(account)+"%", int64(limit)), func(scan scan) error {
			var p idp.Person
			if err := scan(personInto(&p)...); err != nil {
				return err
			}
			found = append(found, p)
			return nil
		})
	})
	return found, err
}

// PersonFor implements admin.Store.
func (s *Store) PersonFor(ctx context.Context, administrator, account string) (*idp.Person, error) {
	p := &idp.Person{}
	if err := s.read(ctx, func(r runner) error { return r.row(with(personFor, administrator, account), personInto(p)...) }); err != nil {
		return nil, err
	}
	return p, nil
}

// BindingsOf implements admin.People.
func (s *Store) BindingsOf(ctx context.Context, personID string) ([]directory.Binding, error) {
	var found []directory.Binding
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(bindingsOf, personID), func(scan scan) error {
			var b directory.Binding
			if err := scan(&b.Portal, &b.TPEAD, &b.PersonID, &b.How, moment{&b.At}, &b.Claimed); err != nil {
				return err
			}
			found = append(found, b)
			return nil
		})
	})
	return found, err
}

// EventsOf implements admin.People.
func (s *Store) EventsOf(ctx context.Context, personID string, limit int) ([]idp.Event, error) {
	if personID == "" {
		return nil, nil
	}
	return s.Events(ctx, EventFilter{PersonID: personID, Limit: limit})
}
