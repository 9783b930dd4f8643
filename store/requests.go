package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/login"
)

const (
	useAssertion query = `INSERT INTO assertions (client_id, jti_hash, ends_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

	insertFlow query = `INSERT INTO flows (handle, browser, request, return_to, redirect_to, ask, selected, consented, declined, cancelled, created_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	flowByHandle query = `SELECT handle, browser, request, return_to, redirect_to, ask, selected, consented, declined, cancelled, created_at, ends_at
		FROM flows WHERE handle = $1`
	finishFlow    query = `DELETE FROM flows WHERE handle = $1 AND browser = $2 AND ends_at > $3`
	whereFlow     query = ` WHERE handle = $1 AND browser = $2 AND ends_at > $3`
	markSelected  query = `UPDATE flows SET selected = TRUE` + whereFlow
	markConsented query = `UPDATE flows SET consented = TRUE` + whereFlow
	markDeclined  query = `UPDATE flows SET declined = TRUE` + whereFlow
	markCancelled query = `UPDATE flows SET cancelled = TRUE` + whereFlow

	consentOf   query = `SELECT scopes FROM consents WHERE person_id = $1 AND client_id = $2`
	saveConsent query = `INSERT INTO consents (person_id, client_id, scopes, given_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (person_id, client_id) DO UPDATE SET scopes = excluded.scopes, given_at = excluded.given_at`
)

// UseAssertion implements oidc.Requests.
func (s *Store) UseAssertion(ctx context.Context, clientID, jti string, endsAt time.Time) error {
	hash := sha256.Sum256([]byte(jti))
	return s.conditional(ctx, with(useAssertion, clientID, hash[:], micros(endsAt)), idp.ErrUsed, nil)
}

// CreateFlow implements oidc.Requests, login.Store and portal.Store.
func (s *Store) CreateFlow(ctx context.Context, f *idp.Flow) error {
	_, err := s.one(ctx, with(insertFlow, f.Handle, notNil(f.Browser), f.Request, f.ReturnTo, f.RedirectTo, text(f.Ask),
		f.Selected, f.Consented, f.Declined, f.Cancelled, micros(f.CreatedAt), micros(f.EndsAt)))
	return err
}

// Flow implements oidc.Requests and login.Store.
func (s *Store) Flow(ctx context.Context, handle []byte) (*idp.Flow, error) {
	f := &idp.Flow{}
	err := s.read(ctx, func(r runner) error {
		return r.row(with(flowByHandle, handle), flowInto(f)...)
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// FlowAndSession implements oidc.Requests.
func (s *Store) FlowAndSession(ctx context.Context, handle, tokenHash []byte) (*idp.Flow, *idp.Session, *idp.Person, error) {
	f, n, p := &idp.Flow{}, &idp.Session{}, &idp.Person{}
	into := append(append(flowInto(f), sessionInto(n)...), personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(flowAndSession, handle, tokenHash), into...) }); err != nil {
		return nil, nil, nil, err
	}
	if n.ID == "" {
		return f, nil, nil, nil
	}
	return f, n, p, nil
}

func flowInto(f *idp.Flow) []any {
	return []any{&f.Handle, &f.Browser, &f.Request, &f.ReturnTo, &f.RedirectTo, document{&f.Ask},
		&f.Selected, &f.Consented, &f.Declined, &f.Cancelled, moment{&f.CreatedAt}, moment{&f.EndsAt}}
}

// MarkFlow implements login.Store.
func (s *Store) MarkFlow(ctx context.Context, handle, browser []byte, mark login.Mark, now time.Time) error {
	q, ok := map[login.Mark]query{
		login.MarkSelected:  markSelected,
		login.MarkConsented: markConsented,
		login.MarkDeclined:  markDeclined,
		login.MarkCancelled: markCancelled,
	}[mark]
	if !ok {
		return idp.ErrNotFound
	}
	return s.conditional(ctx, with(q, handle, browser, micros(now)), idp.ErrExpired, nil)
}

// FinishFlow implements oidc.Requests and login.Store.
func (s *Store) FinishFlow(ctx context.Context, handle, browser []byte, now time.Time) error {
	return s.conditional(ctx, with(finishFlow, handle, browser, micros(now)), idp.ErrUsed, nil)
}

// Consent implements oidc.Requests and login.Store.
func (s *Store) Consent(ctx context.Context, personID, clientID string) ([]string, error) {
	var scopes string
	err := s.read(ctx, func(r runner) error { return r.row(with(consentOf, personID, clientID), &scopes) })
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Fields(scopes), nil
}

// SaveConsent implements login.Store.
func (s *Store) SaveConsent(ctx context.Context, personID, clientID string, scopes []string, at time.Time, events ...idp.Event) error {
	save := with(saveConsent, personID, clientID, strings.Join(scopes, " "), micros(at))
	return s.all(ctx, append([]statement{save}, inserts(events)...))
}
