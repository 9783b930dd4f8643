package store

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	idp "taipeion.internal/idp"
)

const (
	evidenceOf query = `SELECT id, evidence FROM sessions WHERE person_id = $1 AND id = $2`
	// What may be added to a person, in a session.
	addedIn query = `SELECT at, kind, detail FROM events WHERE person_id = $1 AND person_id <> '' AND id >= $2 AND session_id = $3 AND result = 'ok'
		AND kind IN ('phone.bind', 'passkey.add', 'otp.bind', 'otp.recovery', 'card.bind', 'password.change', 'password.card',
		'account.bind', 'account.claim') ORDER BY id LIMIT 50`
	suspendAdded query = `UPDATE devices SET suspended_at = $2 WHERE id = $1 AND person_id = $3 AND revoked_at = 0 AND suspended_at = 0`
	dropAdded    query = `DELETE FROM totp WHERE person_id = $1 AND bound_at = $2`
	// One-time codes have no name in the evidence.
	byCodes query = `SELECT id, evidence FROM sessions WHERE` + ofCodes
	// When the codes that were bound at $3 were so no more.
	codesUntil query = `SELECT at FROM events WHERE person_id = $1 AND person_id <> '' AND id >= $2 AND at > $3 AND result = 'ok'
		AND kind IN ('otp.bind', 'otp.remove') ORDER BY at LIMIT 1`
	endCodesSession query = `UPDATE sessions SET ended_at = $2 WHERE id = $1 AND person_id = $3 AND ended_at = 0`
	endCodesGrants  query = `UPDATE grants SET revoked_at = $2 WHERE session_id = $1 AND session_id <> '' AND revoked_at = 0`
)

// undoing takes back what somebody else added to a person's ways to log in: phones
// are suspended, passkeys and one-time codes removed, and what those opened ends
// and is looked through likewise. Cards, passwords and accounts are only found: they need
// the person.
type undoing struct {
	store    *Store
	runner   runner
	personID string
	now      time.Time

	found  []string // what was added
	events []idp.Event
	ended  int64 // sessions that were opened by it
	seen   map[string]bool
}

// added looks through sessions, from the act on by which somebody got in: what
// was before is the person's own. Without an act all of it.
func (u *undoing) added(sessions []string, act string) error {
	if u.seen == nil {
		u.seen = map[string]bool{}
	}
	for _, id := range sessions {
		if u.seen[id] {
			continue
		}
		u.seen[id] = true
		since, err := u.since(id, act)
		if err != nil {
			return err
		}
		var list []idp.Event
		err = u.runner.rows(with(addedIn, u.personID, timePrefix(since), id), func(scan scan) error {
			list = append(list, idp.Event{})
			e := &list[len(list)-1]
			return scan(moment{&e.At}, &e.Kind, &e.Detail)
		})
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := u.undo(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// skew is how far the clocks of nodes may differ.
const skew = 2 * time.Second

// since is when the act was, or a little before.
func (u *undoing) since(session, act string) (at time.Time, err error) {
	var id string
	var evidence []idp.Evidence
	if err := u.runner.row(with(evidenceOf, u.personID, session), &id, document{&evidence}); err != nil {
		return at, err
	}
	for _, e := range evidence {
		if act != "" && e.Act == act {
			at = e.At.Add(-skew)
		}
	}
	return at, nil
}

func (u *undoing) undo(e idp.Event) error {
	thing := ""
	if words := strings.Fields(e.Detail); len(words) > 1 && (words[0] == "device" || words[0] == "passkey") {
		thing = words[1]
	}
	what := e.Kind
	if thing != "" {
		what += " " + thing
	}
	if len(u.found) < 10 {
		u.found = append(u.found, what)
	}
	switch e.Kind {
	case "phone.bind":
		return u.end("phone.suspend", "device", thing, with(suspendAdded, thing, micros(u.now), u.personID))
	case "passkey.add":
		id, _ := base64.RawURLEncoding.DecodeString(thing) // what can't be read is nobody's
		return u.end("passkey.remove", "passkey", thing, with(dropPasskey, notNil(id), u.personID))
	case "otp.bind":
		return u.endCodes(e.At)
	case "otp.recovery":
		if _, err := u.runner.exec(with(dropRecovery, u.personID)); err != nil {
			return err
		}
		return u.endOpenedByCodes(e.At) // whose codes they were, theirs or the new ones, nobody can tell
	}
	return nil
}

// takenBack is what is taken back, as it stands in the history.
func takenBack(personID, kind, evidence, thing string, at time.Time) held {
	h := held{person: personID, kind: kind, at: at, by: bySystem, field: evidence, old: thing}
	switch kind {
	case "phone.suspend":
		h.old, h.now = "", thing // it is there still
	case "otp.remove":
		h.field, h.old = "codes", "bound"
	}
	return h
}

// end makes the change and ends what the thing opened: it is somebody else's,
// with all that was added by it, also where the person stopped it before.
func (u *undoing) end(kind, evidence, thing string, change statement) error {
	n, err := u.runner.exec(change)
	if err != nil {
		return err
	}
	if n > 0 {
		if err := u.note(kind, evidence, thing); err != nil {
			return err
		}
	}
	opened := `%"` + evidence + `":"` + literally(thing) + `"%`
	if evidence == "device" {
		if _, err := u.runner.exec(with(closeAttempts, thing, micros(u.now))); err != nil {
			return err
		}
	}
	if err := u.close(with(endAttemptSessions, u.personID, micros(u.now), opened), with(endAttemptGrants, u.personID, micros(u.now), opened)); err != nil {
		return err
	}
	theirs, err := names(u.runner, with(attemptSessions, u.personID, opened))
	if err != nil {
		return err
	}
	return u.added(theirs, "")
}

// close ends sessions and their grants.
func (u *undoing) close(sessions, grants statement) error {
	n, err := u.runner.exec(sessions)
	if err != nil {
		return err
	}
	u.ended += n
	_, err = u.runner.exec(grants)
	return err
}

// note keeps that a thing was taken back.
func (u *undoing) note(kind, evidence, thing string) error {
	what := strings.TrimSpace(evidence + " " + thing)
	if what != "" {
		what += " "
	}
	u.events = append(u.events, idp.Event{At: u.now, Kind: kind, Result: "ok", PersonID: u.personID, Detail: what + "added in a session that its person reported"})
	return noteHeld(u.runner, takenBack(u.personID, kind, evidence, thing, u.now), nil)
}

// endCodes is end for one-time codes that were bound then: whoever was logged in
// by one while they were was so by these.
func (u *undoing) endCodes(bound time.Time) error {
	n, err := u.runner.exec(with(dropAdded, u.personID, micros(bound)))
	if err != nil {
		return err
	}
	if n > 0 { // else these are gone, and their recovery codes with them
		if err := u.note("otp.remove", "", ""); err != nil {
			return err
		}
		if _, err := u.runner.exec(with(dropRecovery, u.personID)); err != nil {
			return err
		}
	}
	return u.endOpenedByCodes(bound)
}

// endOpenedByCodes ends what one-time codes opened since then, and follows it.
func (u *undoing) endOpenedByCodes(since time.Time) error {
	theirs, err := u.openedByCodes(since)
	if err != nil {
		return err
	}
	for _, id := range theirs {
		if err := u.close(with(endCodesSession, id, micros(u.now), u.personID), with(endCodesGrants, id, micros(u.now))); err != nil {
			return err
		}
	}
	return u.added(theirs, "")
}

// openedByCodes are the sessions that the codes opened which were bound then: not
// by those that the person may have bound after them.
func (u *undoing) openedByCodes(bound time.Time) (theirs []string, err error) {
	var until time.Time
	err = u.runner.row(with(codesUntil, u.personID, timePrefix(bound.Add(-skew)), micros(bound)), moment{&until})
	if err != nil && !errors.Is(translate(err), idp.ErrNotFound) {
		return nil, err
	}
	during := func(e idp.Evidence) bool {
		return e.Method == idp.MethodOTP && !e.At.Before(bound) && (until.IsZero() || e.At.Before(until.Add(skew)))
	}
	err = u.runner.rows(with(byCodes, u.personID), func(scan scan) error {
		var id string
		var evidence []idp.Evidence
		if err := scan(&id, document{&evidence}); err != nil {
			return err
		}
		if slices.ContainsFunc(evidence, during) {
			theirs = append(theirs, id)
		}
		return nil
	})
	return theirs, err
}
