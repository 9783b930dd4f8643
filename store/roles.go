package store

import (
	"context"
	"errors"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

const (
	rolesOf  query = `SELECT kind, agency FROM roles WHERE person_id = $1 ORDER BY kind, agency`
	allRoles query = `SELECT r.kind, r.agency, r.granted_by, r.granted_at, r.reason, ` + personColumns + `
		FROM roles r JOIN persons p ON p.id = r.person_id` + agencyJoin + ` ORDER BY r.kind, r.agency, p.username`
	// Without an enabled person, or that agency, there is nothing, which the table
	// refuses.
	grantRole query = `INSERT INTO roles (person_id, kind, agency, granted_by, granted_at, reason) VALUES (
		(SELECT id FROM persons WHERE id = $1 AND state = 'enabled' AND NOT shared), $2,
		CASE WHEN $3 = '' THEN '' ELSE (SELECT code FROM agencies WHERE code = $3) END, $4, $5, $6)`
	revokeRole query = `DELETE FROM roles WHERE person_id = $1 AND kind = $2 AND agency = $3`
)

// RolesOf implements admin.Store and portal.Roles.
func (s *Store) RolesOf(ctx context.Context, personID string) (policy.Roles, error) {
	var found policy.Roles
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(rolesOf, personID), func(scan scan) error {
			var one policy.Role
			if err := scan(&one.Kind, &one.Agency); err != nil {
				return err
			}
			found = append(found, one)
			return nil
		})
	})
	return found, err
}

// Granted is a role with whose it is and who gave it.
type Granted struct {
	policy.Role
	Person idp.Person
	By     string
	At     time.Time
	Reason string
}

// Roles lists all roles.
func (s *Store) Roles(ctx context.Context) ([]Granted, error) {
	var found []Granted
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(allRoles), func(scan scan) error {
			var g Granted
			if err := scan(append([]any{&g.Kind, &g.Agency, &g.By, moment{&g.At}, &g.Reason}, personInto(&g.Person)...)...); err != nil {
				return err
			}
			found = append(found, g)
			return nil
		})
	})
	return found, err
}

// GrantRole gives a role to an enabled person; idp.ErrNotFound without such a
// person or agency, idp.ErrConflict if they have it.
func (s *Store) GrantRole(ctx context.Context, g Granted, events ...idp.Event) error {
	err := s.write(ctx, func(r runner) error {
		if _, err := r.exec(with(grantRole, g.Person.ID, string(g.Kind), g.Agency, g.By, micros(g.At), g.Reason)); err != nil {
			return err
		}
		name := roleName(g.Role)
		if err := noteHeld(r, held{person: g.Person.ID, kind: "admin.grant", at: g.At, by: g.By, about: name, field: "role", now: name}, events); err != nil {
			return err
		}
		return keep(r, events)
	})
	switch {
	case errors.Is(err, errDuplicate):
		return idp.ErrConflict
	case missing(err):
		return idp.ErrNotFound
	}
	return err
}

// RevokeRole takes it away, from the next request on; idp.ErrNotFound if they
// don't have it.
func (s *Store) RevokeRole(ctx context.Context, personID string, role policy.Role, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		n, err := r.exec(with(revokeRole, personID, string(role.Kind), role.Agency))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrNotFound
		}
		name := roleName(role)
		if err := noteHeld(r, held{person: personID, kind: "admin.revoke", at: s.atOf(events), by: bySystem, about: name, field: "role", old: name}, events); err != nil {
			return err
		}
		return keep(r, events)
	})
}

func roleName(role policy.Role) string {
	return strings.TrimSpace(string(role.Kind) + " " + role.Agency)
}
