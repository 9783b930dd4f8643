package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/portal"
)

const (
	putChallenge query = `INSERT INTO challenges (key, browser, purpose, client, client_name, person_id, nonce, issued_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (key) DO UPDATE SET browser = excluded.browser, purpose = excluded.purpose, client = excluded.client,
			client_name = excluded.client_name, person_id = excluded.person_id, nonce = excluded.nonce,
			issued_at = excluded.issued_at, ends_at = excluded.ends_at`
	useChallenge query = `DELETE FROM challenges WHERE key = $1 AND browser = $2 AND ends_at > $3
		RETURNING key, browser, purpose, client, client_name, person_id, nonce, issued_at, ends_at`

	cardColumns  query = `c.id, c.person_id, c.issuer_key_id, c.subject_serial, c.fingerprint, c.certificate, c.name, c.not_after, c.bound_at, c.unbound_at`
	cardByHolder query = `SELECT ` + cardColumns + `, ` + personColumns + ` FROM cards c JOIN persons p ON p.id = c.person_id` + agencyJoin + `
		WHERE c.issuer_key_id = $1 AND c.subject_serial = $2 AND c.unbound_at = 0`
	cardsOf query = `SELECT ` + cardColumns + ` FROM cards c WHERE c.person_id = $1 AND c.unbound_at = 0 ORDER BY c.bound_at DESC, c.id`
	// The indexes on the open bindings refuse a holder of another person and a
	// person with another card.
	bindCard query = `INSERT INTO cards (id, person_id, issuer_key_id, subject_serial, fingerprint, certificate, name, not_after, bound_at, unbound_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
		ON CONFLICT (issuer_key_id, subject_serial) WHERE unbound_at = 0 DO UPDATE SET fingerprint = excluded.fingerprint,
			certificate = excluded.certificate, name = excluded.name, not_after = excluded.not_after
		WHERE cards.person_id = excluded.person_id
		RETURNING id, bound_at`
	boundCards query = `SELECT ` + cardColumns + ` FROM cards c WHERE c.unbound_at = 0 AND c.id > $1 ORDER BY c.id LIMIT $2`
	unbindCard query = `UPDATE cards SET unbound_at = $2 WHERE id = $1 AND unbound_at = 0 RETURNING person_id, name`
	cardBefore query = `SELECT name, fingerprint FROM cards WHERE issuer_key_id = $1 AND subject_serial = $2 AND unbound_at = 0`
	// What the card opened ends with it, whenever its session did: "offline" too.
	endCardGrants query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id <> ''
		AND session_id IN (SELECT id FROM sessions WHERE card_id = $1 AND card_id <> '')`
	// What they have under way ends, too, and before the sessions: see CreateByPhone.
	endCardAttempts query = `UPDATE qr_attempts SET state = 'denied', changed_at = $2
		WHERE state IN ('scanned', 'approved') AND device_id IN (SELECT id FROM devices WHERE card_id = $1)`
	// The phones that the card vouched for are suspended with it: what they opened
	// ends.
	byCardsPhones query = ` person_id = (SELECT person_id FROM cards WHERE id = $1) AND EXISTS (SELECT 1 FROM devices d
		WHERE d.card_id = $1 AND sessions.evidence LIKE '%"device":"' || REPLACE(d.id, '_', '!_') || '"%' ESCAPE '!')`
	endCardPhones      query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND` + byCardsPhones
	endCardPhoneGrants query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id <> ''
		AND session_id IN (SELECT id FROM sessions WHERE` + byCardsPhones + `)`
	endCardSession query = `UPDATE sessions SET ended_at = $2 WHERE card_id = $1 AND card_id <> '' AND ended_at = 0`

	savePending query = `INSERT INTO pending_cards (key, session_id, card, details, ends_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (session_id) DO UPDATE SET key = excluded.key, card = excluded.card, details = excluded.details, ends_at = excluded.ends_at`
	takePending query = `DELETE FROM pending_cards WHERE key = $1 AND session_id = $2 AND ends_at > $3
		RETURNING key, session_id, card, details, ends_at`
)

// CreateChallenge implements cardreader.Challenges.
func (s *Store) CreateChallenge(ctx context.Context, i *cardreader.Issued) error {
	_, err := s.one(ctx, with(putChallenge, i.Key, notNil(i.Browser), i.Purpose, i.Client, i.ClientName, i.PersonID, notNil(i.Nonce),
		micros(i.IssuedAt), micros(i.EndsAt)))
	return err
}

// UseChallenge implements cardreader.Challenges.
func (s *Store) UseChallenge(ctx context.Context, key, browser []byte, now time.Time) (*cardreader.Issued, error) {
	i := &cardreader.Issued{}
	_, err := s.one(ctx, with(useChallenge, key, browser, micros(now)), &i.Key, &i.Browser, &i.Purpose, &i.Client, &i.ClientName,
		&i.PersonID, &i.Nonce, moment{&i.IssuedAt}, moment{&i.EndsAt})
	if errors.Is(err, idp.ErrNotFound) {
		return nil, idp.ErrUsed
	}
	if err != nil {
		return nil, err
	}
	return i, nil
}

// CardByHolder implements cardreader.Challenges.
func (s *Store) CardByHolder(ctx context.Context, issuerKeyID, subjectSerial string) (*idp.Card, *idp.Person, error) {
	c, p := &idp.Card{}, &idp.Person{}
	into := append(cardInto(c), personInto(p)...)
	if err := s.read(ctx, func(r runner) error { return r.row(with(cardByHolder, issuerKeyID, subjectSerial), into...) }); err != nil {
		return nil, nil, err
	}
	return c, p, nil
}

func cardInto(c *idp.Card) []any {
	return []any{&c.ID, &c.PersonID, &c.IssuerKeyID, &c.SubjectSerial, &c.Fingerprint, &c.Certificate, &c.Name, moment{&c.NotAfter}, moment{&c.BoundAt}, moment{&c.UnboundAt}}
}

// BindCard implements cardreader.Challenges. Where the holder is bound to the
// person already, c takes that binding's ID and time.
func (s *Store) BindCard(ctx context.Context, c *idp.Card, events ...idp.Event) error {
	return s.bind(ctx, bindCard, c, events, func(runner) error { return nil })
}

func (s *Store) bind(ctx context.Context, by query, c *idp.Card, events []idp.Event, first func(runner) error) error {
	var bound idp.Card
	bind := func() error {
		return s.write(ctx, func(r runner) error {
			bound = *c
			if err := first(r); err != nil {
				return err
			}
			if err := bindIn(r, by, &bound, events); err != nil {
				return err
			}
			return s.keepTold(r, "", events)
		})
	}
	err := bind()
	if errors.Is(err, errDuplicate) {
		// A race with the same binding is refused by the person's index as well
		// as by the holder's: the second look sees which it was.
		err = bind()
	}
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	if err == nil {
		*c = bound
	}
	return err
}

// bindIn binds within a transaction, with the history; idp.ErrConflict if the
// holder is bound to another person.
func bindIn(r runner, by query, c *idp.Card, events []idp.Event) error {
	var name, fingerprint string
	err := r.row(with(cardBefore, c.IssuerKeyID, c.SubjectSerial), &name, &fingerprint)
	if err != nil && !errors.Is(translate(err), idp.ErrNotFound) {
		return err
	}
	at := c.BoundAt
	if len(events) > 0 {
		at = events[0].At // of a certificate that takes another's place: now
	}
	err = r.row(with(by, c.ID, c.PersonID, c.IssuerKeyID, c.SubjectSerial, c.Fingerprint,
		notNil(c.Certificate), c.Name, micros(c.NotAfter), micros(c.BoundAt)), &c.ID, moment{&c.BoundAt})
	if errors.Is(translate(err), idp.ErrNotFound) {
		return idp.ErrConflict
	}
	if err != nil || fingerprint == c.Fingerprint {
		return err
	}
	was := ""
	if fingerprint != "" {
		was = named(name, c.ID)
	}
	return noteHeld(r, held{person: c.PersonID, kind: "card.bind", at: at, field: "card", old: was, now: named(c.Name, c.ID)}, events)
}

// CardsOf implements cardreader.Challenges and portal.Store.
func (s *Store) CardsOf(ctx context.Context, personID string) ([]idp.Card, error) {
	return s.cards(ctx, with(cardsOf, personID))
}

// BoundCards implements cardreader.Challenges.
func (s *Store) BoundCards(ctx context.Context, after string, limit int) ([]idp.Card, error) {
	return s.cards(ctx, with(boundCards, after, int64(limit)))
}

func (s *Store) cards(ctx context.Context, st statement) ([]idp.Card, error) {
	var found []idp.Card
	err := s.read(ctx, func(r runner) error {
		return r.rows(st, func(scan scan) error {
			var c idp.Card
			if err := scan(cardInto(&c)...); err != nil {
				return err
			}
			found = append(found, c)
			return nil
		})
	})
	return found, err
}

// UnbindCard implements cardreader.Challenges; idp.ErrNotFound if it is not
// bound.
func (s *Store) UnbindCard(ctx context.Context, cardID string, at time.Time, events ...idp.Event) error {
	return s.write(ctx, func(r runner) error {
		var personID, name string
		if err := r.row(with(unbindCard, cardID, micros(at)), &personID, &name); err != nil {
			return err
		}
		if err := byRole(r, actorOf(events), personID); err != nil {
			return err
		}
		for _, end := range []query{endCardAttempts, endCardSession, endCardPhones, endCardGrants, endCardPhoneGrants} {
			if _, err := r.exec(with(end, cardID, micros(at))); err != nil {
				return err
			}
		}
		gone := held{person: personID, kind: "card.unbind", at: at, by: bySystem, field: "card", old: named(name, cardID)}
		if err := noteHeld(r, gone, events); err != nil {
			return err
		}
		return s.keepTold(r, "", events)
	})
}

// SavePending implements portal.Store.
func (s *Store) SavePending(ctx context.Context, p *portal.Pending) error {
	_, err := s.one(ctx, with(savePending, p.Key, p.SessionID, text(p.Card), notNil(p.Details), micros(p.EndsAt)))
	return err
}

// TakePending implements portal.Store.
func (s *Store) TakePending(ctx context.Context, key []byte, sessionID string, now time.Time) (*portal.Pending, error) {
	p := &portal.Pending{}
	_, err := s.one(ctx, with(takePending, key, sessionID, micros(now)), &p.Key, &p.SessionID, document{&p.Card}, &p.Details, moment{&p.EndsAt})
	if errors.Is(err, idp.ErrNotFound) {
		return nil, idp.ErrUsed
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}
