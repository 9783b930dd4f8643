package store

import (
	"context"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

const (
	insertGrant query = `INSERT INTO grants (id, kind, client_id, person_id, session_id, scopes, offline, request,
			code_hash, code_ends_at, code_used_at, access_hash, access_ends_at, generation, rotated_at, refresh_ends_at,
			ends_at, revoked_at, created_at, prune_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`

	grantColumns query = `SELECT g.id, g.kind, g.client_id, g.person_id, g.session_id, g.scopes, g.request,
			g.code_hash, g.code_ends_at, g.code_used_at, g.access_hash, g.access_ends_at, g.generation, g.rotated_at,
			g.refresh_ends_at, g.ends_at, g.revoked_at, g.created_at,
			CASE WHEN g.offline THEN 0 ELSE COALESCE(s.ended_at, 0) END, ` + personColumns + `
		FROM grants g LEFT JOIN sessions s ON s.id = g.session_id LEFT JOIN persons p ON p.id = g.person_id` + agencyJoin
	grantByID     query = grantColumns + ` WHERE g.id = $1`
	grantByCode   query = grantColumns + ` WHERE g.id = $1 AND g.code_hash = $2`
	grantByAccess query = grantColumns + ` WHERE g.id = $1 AND g.access_hash = $2`

	redeemCode query = `UPDATE grants SET code_used_at = $2, access_hash = $3, access_ends_at = $4, generation = $5, rotated_at = $2,
			refresh_ends_at = $6, prune_at = $7
		WHERE id = $1 AND code_hash IS NOT NULL AND code_used_at = 0 AND code_ends_at > $2 AND revoked_at = 0`
	rotateGrant query = `UPDATE grants SET access_hash = $3, access_ends_at = $4, generation = $5, rotated_at = $2,
			refresh_ends_at = $6, prune_at = $7
		WHERE id = $1 AND generation + 1 = $5 AND generation > 0 AND refresh_ends_at > $2 AND ends_at > $2 AND revoked_at = 0`
	revokeGrant query = `UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`

	// holdSession takes the row of a session that has not ended, and keeps it as
	// long as the grant: what ends its card or phone finds the grant by it.
	holdSession query = `UPDATE sessions SET kept_until = CASE WHEN kept_until < $2 THEN $2 ELSE kept_until END WHERE id = $1 AND ended_at = 0`
)

// How long a grant is kept after its last token has ended: a code that nobody
// fetched a little, so that its replay is still recognised; the others for a
// working day and more, so that a logout can still name every client of a
// session.
const (
	keepUnused = time.Hour
	keepUsed   = 24 * time.Hour
)

// CreateGrant implements oidc.Grants. A grant that outlives its session is made
// while that lives or not at all: whoever ends the session meanwhile waits, and
// then finds the grant. Any other is dead with its session whenever it came.
func (s *Store) CreateGrant(ctx context.Context, g *oidc.Grant, events ...idp.Event) error {
	prune := last(g.CodeEndsAt, g.AccessEndsAt, g.RefreshEndsAt).Add(keepUnused)
	if g.SessionID != "" && (g.AccessHash != nil || g.Generation > 0) {
		prune = prune.Add(keepUsed)
	}
	insert := with(insertGrant, g.ID, string(g.Kind), g.ClientID, g.PersonID, g.SessionID, g.Scopes, offline(g.Scopes), notNil(g.Request),
		g.CodeHash, micros(g.CodeEndsAt), micros(g.CodeUsedAt), g.AccessHash, micros(g.AccessEndsAt), g.Generation, micros(g.RotatedAt),
		micros(g.RefreshEndsAt), micros(g.EndsAt), micros(g.RevokedAt), micros(g.CreatedAt), micros(prune))
	list := append([]statement{insert}, inserts(events)...)
	var checks []check
	if f := g.Uses; f != nil {
		checks = append(checks, needs(with(finishFlow, f.Handle, f.Browser, micros(g.CreatedAt)), idp.ErrUsed))
	}
	if g.SessionID != "" && offline(g.Scopes) {
		checks = append(checks, needs(with(holdSession, g.SessionID, micros(g.EndsAt)), idp.ErrConflict))
	}
	if len(checks) > 0 {
		return s.checked(ctx, checks, list)
	}
	if len(list) == 1 {
		_, err := s.one(ctx, insert)
		return err
	}
	return s.all(ctx, list)
}

// offline tells whether the grant outlives its session (OpenID Connect Core
// 1.0 section 11).
func offline(scopes string) bool {
	for scope := range strings.FieldsSeq(scopes) {
		if scope == "offline_access" {
			return true
		}
	}
	return false
}

func last(times ...time.Time) (latest time.Time) {
	for _, t := range times {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// notNil is b for a column that is never NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// GrantByID implements oidc.Grants.
func (s *Store) GrantByID(ctx context.Context, id []byte) (*oidc.Grant, *idp.Person, error) {
	return s.grant(ctx, with(grantByID, id))
}

// GrantByCode implements oidc.Grants.
func (s *Store) GrantByCode(ctx context.Context, id, codeHash []byte) (*oidc.Grant, *idp.Person, error) {
	return s.grant(ctx, with(grantByCode, id, codeHash))
}

// GrantByAccess implements oidc.Grants.
func (s *Store) GrantByAccess(ctx context.Context, id, accessHash []byte) (*oidc.Grant, *idp.Person, error) {
	return s.grant(ctx, with(grantByAccess, id, accessHash))
}

// grant reads one. A grant that ends with its session is revoked from the moment
// that ended, even one that was inserted while it did.
func (s *Store) grant(ctx context.Context, ask statement) (*oidc.Grant, *idp.Person, error) {
	g, p := &oidc.Grant{}, &idp.Person{}
	var ended time.Time
	into := append([]any{&g.ID, &g.Kind, &g.ClientID, &g.PersonID, &g.SessionID, &g.Scopes, &g.Request,
		&g.CodeHash, moment{&g.CodeEndsAt}, moment{&g.CodeUsedAt}, &g.AccessHash, moment{&g.AccessEndsAt}, &g.Generation, moment{&g.RotatedAt},
		moment{&g.RefreshEndsAt}, moment{&g.EndsAt}, moment{&g.RevokedAt}, moment{&g.CreatedAt}, moment{&ended}}, personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(ask, into...) }); err != nil {
		return nil, nil, err
	}
	if g.RevokedAt.IsZero() {
		g.RevokedAt = ended
	}
	if g.PersonID == "" {
		return g, nil, nil
	}
	return g, p, nil
}

// RedeemCode implements oidc.Grants.
func (s *Store) RedeemCode(ctx context.Context, i oidc.Issue) error {
	return s.conditional(ctx, issue(redeemCode, i), idp.ErrUsed, i.Events)
}

// Rotate implements oidc.Grants.
func (s *Store) Rotate(ctx context.Context, i oidc.Issue) error {
	return s.conditional(ctx, issue(rotateGrant, i), idp.ErrConflict, i.Events)
}

func issue(q query, i oidc.Issue) statement {
	prune := last(i.AccessEndsAt, i.RefreshEndsAt, i.At).Add(keepUsed)
	return with(q, i.GrantID, micros(i.At), i.AccessHash, micros(i.AccessEndsAt), i.Generation, micros(i.RefreshEndsAt), micros(prune))
}

// RevokeGrant implements oidc.Grants.
func (s *Store) RevokeGrant(ctx context.Context, id []byte, at time.Time, events ...idp.Event) error {
	return s.all(ctx, append([]statement{with(revokeGrant, id, micros(at))}, inserts(events)...))
}

// conditional runs a statement that must change a row, and keeps its events
// with it; if it changes none, nothing is kept and the error is otherwise.
func (s *Store) conditional(ctx context.Context, change statement, otherwise error, events []idp.Event) error {
	if len(events) == 0 {
		n, err := s.one(ctx, change)
		if err == nil && n == 0 {
			err = otherwise
		}
		return err
	}
	return s.checked(ctx, []check{needs(change, otherwise)}, inserts(events))
}
