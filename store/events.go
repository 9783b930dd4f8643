package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"strings"
	"time"

	idp "taipeion.internal/idp"
)

const (
	insertEvent query = `INSERT INTO events (id, at, kind, result, person_id, actor, client_id, session_id, address, request_id, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	eventColumns query = `SELECT at, kind, result, person_id, actor, client_id, session_id, address, request_id, detail FROM events`
	// Each in the order of an index; $4 is the kinds, each between commas, or empty.
	eventsOf query = eventColumns + ` WHERE person_id = $1 AND person_id <> '' AND id >= $2 AND id < $3 AND ($4 = '' OR $4 LIKE '%,' || kind || ',%')
		ORDER BY id DESC LIMIT $5`
	// The newest of each kind, so that one kind pushes no other away: $4 is the kinds,
	// each between commas.
	newestEvents query = `SELECT at, kind, result, person_id, actor, client_id, session_id, address, request_id, detail FROM (
			SELECT e.*, ROW_NUMBER() OVER (PARTITION BY e.kind ORDER BY e.id DESC) AS place FROM events e
			WHERE e.person_id = $1 AND e.person_id <> '' AND e.id >= $2 AND e.result = 'ok' AND (e.session_id <> $3 OR $3 = '') AND $4 LIKE '%,' || e.kind || ',%'
		) newest WHERE place <= $5 ORDER BY id DESC`
	eventsSince query = eventColumns + ` WHERE id >= $1 ORDER BY id DESC LIMIT $2`
)

// Record keeps events that belong to no other change.
func (s *Store) Record(ctx context.Context, events ...idp.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.all(ctx, inserts(events))
}

// EventFilter says which events to list.
type EventFilter struct {
	PersonID string    // only of this person; empty: of all
	Kinds    []string  // of a person: only of these; empty: of all
	Since    time.Time // not before
	Before   time.Time // of a person: only earlier ones; zero: until now
	Limit    int       // at most so many; 100 if 0
}

// Events lists the newest events, newest first.
func (s *Store) Events(ctx context.Context, f EventFilter) ([]idp.Event, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	since := timePrefix(f.Since)
	ask := with(eventsSince, since, int64(f.Limit))
	if f.PersonID != "" {
		before, kinds := timePrefix(time.UnixMicro(math.MaxInt64)), ""
		if !f.Before.IsZero() {
			before = timePrefix(f.Before)
		}
		if len(f.Kinds) > 0 {
			kinds = "," + strings.Join(f.Kinds, ",") + ","
		}
		ask = with(eventsOf, f.PersonID, since, before, kinds, int64(f.Limit))
	}
	return s.events(ctx, ask)
}

// NewestFilter says of which kinds to list what was done to a person.
type NewestFilter struct {
	PersonID   string
	NotSession string // but for what was done in this session; empty: all of it
	Since      time.Time
	Kinds      []string
	Each       int // at most so many of each kind
}

// NewestEvents lists what was done ("ok"), newest first.
func (s *Store) NewestEvents(ctx context.Context, f NewestFilter) ([]idp.Event, error) {
	kinds := "," + strings.Join(f.Kinds, ",") + ","
	return s.events(ctx, with(newestEvents, f.PersonID, timePrefix(f.Since), f.NotSession, kinds, int64(f.Each)))
}

func (s *Store) events(ctx context.Context, ask statement) ([]idp.Event, error) {
	var found []idp.Event
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(ask, func(scan scan) error {
			var e idp.Event
			found = append(found, e)
			e1 := &found[len(found)-1]
			return scan(moment{&e1.At}, &e1.Kind, &e1.Result, &e1.PersonID, &e1.Actor, &e1.ClientID, &e1.SessionID, &e1.Address, &e1.RequestID, &e1.Detail)
		})
	})
	return found, err
}

// inserts are the statements that keep the events.
func inserts(events []idp.Event) []statement {
	if len(events) == 0 {
		return nil
	}
	list := make([]statement, len(events))
	for i, e := range events {
		list[i] = with(insertEvent, eventID(e.At), micros(e.At), e.Kind, e.Result, e.PersonID, e.Actor, e.ClientID, e.SessionID, e.Address, e.RequestID, e.Detail)
	}
	return list
}

// keep runs the statements that keep the events.
func keep(r runner, events []idp.Event) error {
	for _, s := range inserts(events) {
		if _, err := r.exec(s); err != nil {
			return err
		}
	}
	return nil
}

// eventID is in the order of time, and no two are alike.
func eventID(at time.Time) []byte {
	id := append(timePrefix(at), make([]byte, 8)...)
	rand.Read(id[8:])
	return id
}

func timePrefix(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(micros(at), 0)))
}
