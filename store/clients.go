package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

const (
	clientColumns query = `id, name, name_en, auth_methods, secret_hash, old_secret_hash, old_secret_ends, jwks, redirect_uris,
		post_logout_uris, origins, scopes, grant_types, audience, pkce_optional, id_token_alg, jwt_access, min_level, first_party,
		may_introspect, uri, disabled, created_at, updated_at`
	clientByID     query = `SELECT ` + clientColumns + ` FROM clients WHERE id = $1`
	enabledClients query = `SELECT ` + clientColumns + ` FROM clients WHERE NOT disabled ORDER BY name, id`
	allClients     query = `SELECT ` + clientColumns + ` FROM clients ORDER BY id`
	putClient      query = `INSERT INTO clients (` + clientColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_en = excluded.name_en, auth_methods = excluded.auth_methods,
			secret_hash = excluded.secret_hash, old_secret_hash = excluded.old_secret_hash, old_secret_ends = excluded.old_secret_ends,
			jwks = excluded.jwks, redirect_uris = excluded.redirect_uris, post_logout_uris = excluded.post_logout_uris,
			origins = excluded.origins, scopes = excluded.scopes, grant_types = excluded.grant_types, audience = excluded.audience,
			pkce_optional = excluded.pkce_optional, id_token_alg = excluded.id_token_alg, jwt_access = excluded.jwt_access,
			min_level = excluded.min_level, first_party = excluded.first_party, may_introspect = excluded.may_introspect,
			uri = excluded.uri, disabled = excluded.disabled, updated_at = excluded.updated_at`
	rotateSecret query = `UPDATE clients SET old_secret_hash = secret_hash, old_secret_ends = $3, secret_hash = $2, updated_at = $4
		WHERE id = $1 AND secret_hash IS NOT NULL`
	disableClient query = `UPDATE clients SET disabled = $2, updated_at = $3 WHERE id = $1`
)

// Client implements oidc.Requests and login.Store.
func (s *Store) Client(ctx context.Context, id string) (*idp.Client, error) {
	c := &idp.Client{}
	if err := s.read(ctx, func(r runner) error { return r.row(with(clientByID, id), clientInto(c)...) }); err != nil {
		return nil, err
	}
	return c, nil
}

// Clients implements portal.Store.
func (s *Store) Clients(ctx context.Context) ([]idp.Client, error) {
	return s.clients(ctx, enabledClients)
}

// AllClients lists the disabled ones too, for operators.
func (s *Store) AllClients(ctx context.Context) ([]idp.Client, error) {
	return s.clients(ctx, allClients)
}

func (s *Store) clients(ctx context.Context, q query) ([]idp.Client, error) {
	var found []idp.Client
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(q), func(scan scan) error {
			var c idp.Client
			if err := scan(clientInto(&c)...); err != nil {
				return err
			}
			found = append(found, c)
			return nil
		})
	})
	return found, err
}

func clientInto(c *idp.Client) []any {
	return []any{&c.ID, &c.Name, &c.NameEN, document{&c.AuthMethods}, &c.SecretHash, &c.OldSecretHash, moment{&c.OldSecretEnds}, &c.JWKS,
		document{&c.RedirectURIs}, document{&c.PostLogoutURIs}, document{&c.Origins}, document{&c.Scopes}, document{&c.GrantTypes},
		document{&c.Audience}, &c.PKCEOptional, &c.IDTokenAlg, &c.JWTAccess, &c.MinLevel, &c.FirstParty, &c.MayIntrospect, &c.URI,
		&c.Disabled, moment{&c.CreatedAt}, moment{&c.UpdatedAt}}
}

// PutClient registers the client, or replaces the one of that ID; CreatedAt
// and UpdatedAt are now where they are zero.
func (s *Store) PutClient(ctx context.Context, c *idp.Client, events ...idp.Event) error {
	created, updated := c.CreatedAt, c.UpdatedAt
	if created.IsZero() {
		created = s.now()
	}
	if updated.IsZero() {
		updated = s.now()
	}
	put := with(putClient, c.ID, c.Name, c.NameEN, list(c.AuthMethods), c.SecretHash, c.OldSecretHash, micros(c.OldSecretEnds), c.JWKS,
		list(c.RedirectURIs), list(c.PostLogoutURIs), list(c.Origins), list(c.Scopes), list(c.GrantTypes), list(c.Audience),
		c.PKCEOptional, c.IDTokenAlg, c.JWTAccess, int64(c.MinLevel), c.FirstParty, c.MayIntrospect, c.URI, c.Disabled,
		micros(created), micros(updated))
	return s.all(ctx, append([]statement{put}, inserts(events)...))
}

// RotateSecret gives the client a new secret, by its SHA-256; the old one is
// accepted until oldEnds. idp.ErrNotFound for a client without a secret.
func (s *Store) RotateSecret(ctx context.Context, id string, newHash []byte, oldEnds time.Time, events ...idp.Event) error {
	return s.conditional(ctx, with(rotateSecret, id, newHash, micros(oldEnds), micros(s.now())), idp.ErrNotFound, events)
}

// DisableClient disables the client, or enables it again; idp.ErrNotFound.
func (s *Store) DisableClient(ctx context.Context, id string, disabled bool, events ...idp.Event) error {
	return s.conditional(ctx, with(disableClient, id, disabled, micros(s.now())), idp.ErrNotFound, events)
}
