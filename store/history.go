package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/plan"
)

const (
	stateBefore query = `SELECT state, COALESCE(national_id_hash, $2) FROM persons WHERE id = $1`
	// What directories say is noted only where it changes something.
	noteClosed query = `INSERT INTO history (person_id, id, at, actor, kind, changes)
		SELECT id, $2, CAST($3 AS BIGINT), 'directory', CAST($4 AS TEXT), $5 FROM persons WHERE id = $1 AND (closed_at = 0) = (CAST($4 AS TEXT) = 'disable')`
	// A shared account's that became a person's.
	noteLeft query = `INSERT INTO history (person_id, id, at, actor, kind, changes)
		SELECT p.id, $2, CAST($3 AS BIGINT), $4, 'leave', $5 FROM persons p JOIN accounts a ON a.person_id = p.id
		WHERE a.name = $1 AND p.shared AND p.state <> 'departed'`
)

var leftFields = text([]directory.FieldChange{{Field: "state", Old: string(idp.PersonEnabled), New: string(idp.PersonDeparted)}})

// before is a person as they are kept, to be held against what is written.
type before struct {
	known   bool
	profile directory.Profile
	tail    string
	hash    []byte
}

func (b *before) read(r runner, personID string) error {
	*b = before{}
	var p idp.Person
	err := r.row(with(personByID, personID), personInto(&p)...)
	if errors.Is(translate(err), idp.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = r.row(with(stateBefore, personID, []byte{}), &p.State, &b.hash)
	}
	if err != nil {
		return err
	}
	b.known, b.tail, b.profile = true, p.IDTail, profileOf(&p)
	return r.rows(with(accountsOf, personID), func(scan scan) error {
		var a idp.Account
		if err := scan(accountInto(&a)...); err != nil {
			return err
		}
		b.profile.Accounts = append(b.profile.Accounts, directory.Holding{Name: a.Name, Kind: a.Kind})
		return nil
	})
}

func profileOf(p *idp.Person) directory.Profile {
	return directory.Profile{
		Name: p.Name, Agency: p.Agency.Code, Unit: p.Unit, Title: p.Title, Email: p.Email, Phone: p.Phone, Address: p.Address, State: p.State,
	}
}

// changes lists what a record changes. Of a national ID it holds the end only.
func (b *before) changes(rec directory.Record) []directory.FieldChange {
	to := profileOf(&rec.Person)
	for _, a := range rec.Accounts {
		to.Accounts = append(to.Accounts, directory.Holding{Name: a.Name, Kind: a.Kind})
	}
	fields := plan.Diff(&b.profile, &to)
	if b.tail != rec.Person.IDTail || rec.NationalIDHash != nil && !bytes.Equal(b.hash, rec.NationalIDHash) {
		fields = append(fields, directory.FieldChange{Field: "national_id", Old: plan.Tail(b.tail), New: plan.Tail(rec.Person.IDTail)})
	}
	return fields
}

// describes tells whether directories elsewhere show what was changed.
func describes(fields []directory.FieldChange) bool {
	return slices.ContainsFunc(fields, func(f directory.FieldChange) bool {
		return slices.Contains([]string{"name", "agency", "unit", "title"}, f.Field)
	})
}

// actorOf is who did what the events tell of.
func actorOf(events []idp.Event) string {
	for _, e := range events {
		if e.Actor != "" {
			return e.Actor
		}
	}
	return ""
}

// noteClosing is the history of a person whom their directory closes or opens.
func noteClosing(personID, kind string, at time.Time) statement {
	fields := []directory.FieldChange{{Field: "state", Old: string(idp.PersonEnabled), New: string(idp.PersonDisabled)}}
	if kind == directory.EffectEnable {
		fields[0].Old, fields[0].New = fields[0].New, fields[0].Old
	}
	return with(noteClosed, personID, "closing/"+directory.NewID(), micros(at), kind, text(fields))
}

// noteChanges keeps what was changed of a person, if anything was.
func noteChanges(r runner, personID, kind string, at time.Time, events []idp.Event, fields []directory.FieldChange) error {
	if len(fields) == 0 {
		return nil
	}
	_, err := r.exec(with(noteChange, personID, kind+"/"+directory.NewID(), micros(at), actorOf(events), kind, text(fields)))
	return err
}

// held is a change of what a person logs in with, or may do.
type held struct {
	person, kind string // kind: where no event says it
	at           time.Time
	by           string // where no event says it; empty: the person
	about        string // with which an event's detail begins, before the reason
	field        string
	old, now     string
}

// noteHeld keeps it in the person's history. Whoever does it to somebody else
// says why.
func noteHeld(r runner, h held, events []idp.Event) error {
	actor, fields := actorOf(events), []directory.FieldChange{{Field: h.field, Old: h.old, New: h.now}}
	if len(events) > 0 {
		h.kind = events[0].Kind
		if reason := strings.TrimPrefix(events[0].Detail, h.about+": "); actor != "" && reason != "" {
			fields = append(fields, directory.FieldChange{Field: "reason", New: reason})
		}
	}
	switch {
	case actor != "":
	case h.by != "":
		actor = h.by
	default:
		actor = directory.ActorOf(h.person)
	}
	_, err := r.exec(with(noteChange, h.person, h.kind+"/"+directory.NewID(), micros(h.at), actor, h.kind, text(fields)))
	return err
}

// withReason adds why somebody else did it.
func withReason(fields []directory.FieldChange, events []idp.Event) []directory.FieldChange {
	if actorOf(events) == "" || events[0].Detail == "" {
		return fields
	}
	return append(fields, directory.FieldChange{Field: "reason", New: events[0].Detail})
}

// atOf is when the events were; else now.
func (s *Store) atOf(events []idp.Event) time.Time {
	if len(events) > 0 {
		return events[0].At
	}
	return s.now()
}

// bySystem is who does what nobody asked for.
const bySystem = "system"

// named is a thing in words: what its owner calls it, and its ID.
func named(name, id string) string { return name + " (" + id + ")" }
