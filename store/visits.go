package store

import (
	"context"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/login"
)

// A request's view of the store. Without a session or an attempt their columns
// are empty.
const (
	flowWithSession query = `f.handle, f.browser, f.request, f.return_to, f.redirect_to, f.ask, f.selected, f.consented, f.declined, f.cancelled,
		f.created_at, f.ends_at,
		COALESCE(s.id, ''), COALESCE(s.person_id, ''), COALESCE(s.evidence, '[]'), COALESCE(s.created_at, 0), COALESCE(s.seen_at, 0),
		COALESCE(s.ends_at, 0), COALESCE(s.address, ''), COALESCE(s.user_agent, ''), ` + personColumns
	fromFlow query = ` FROM flows f LEFT JOIN sessions s ON s.token_hash = $2 AND s.ended_at = 0 LEFT JOIN persons p ON p.id = s.person_id` + agencyJoin

	flowAndSession query = `SELECT ` + flowWithSession + fromFlow + ` WHERE f.handle = $1`
	visitOf        query = `SELECT ` + flowWithSession + `,
		q.browser, q.id, q.flow, COALESCE(q.client_id, ''), COALESCE(q.device_id, ''), COALESCE(q.person_id, ''), q.nonce, COALESCE(q.state, ''),
		COALESCE(q.pc, '{}'), COALESCE(q.scanned_at, 0), COALESCE(q.changed_at, 0), COALESCE(q.ends_at, 0)` + fromFlow + `
		LEFT JOIN qr_attempts q ON q.browser = f.browser WHERE f.handle = $1`
)

// Visit implements login.Visits.
func (s *Store) Visit(ctx context.Context, handle, tokenHash []byte) (*login.Seen, error) {
	v := &login.Seen{Flow: &idp.Flow{}, Session: &idp.Session{}, Person: &idp.Person{}, Attempt: &devicebind.Attempt{}}
	into := append(append(append(flowInto(v.Flow), sessionInto(v.Session)...), personInto(v.Person)...), attemptInto(v.Attempt)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(visitOf, handle, tokenHash), into...) }); err != nil {
		return nil, err
	}
	if v.Session.ID == "" {
		v.Session, v.Person = nil, nil
	}
	if len(v.Attempt.ID) == 0 {
		v.Attempt = nil
	}
	return v, nil
}
