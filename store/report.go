package store

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

const (
	reportAttempt query = `UPDATE qr_attempts SET state = 'denied', changed_at = $3 WHERE id = $1 AND device_id = $2 AND state IN ('scanned', 'approved', 'used')`
	// byAttempt finds the sessions by their evidence: $3 is how it stands in there.
	byAttempt          query = ` person_id = $1 AND evidence LIKE $3 ESCAPE '!'`
	endAttemptSessions query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND` + byAttempt
	attemptSessions    query = `SELECT id FROM sessions WHERE person_id = $1 AND evidence LIKE $2 ESCAPE '!'`
	// What was opened for somebody else does not outlive the session, whatever was
	// agreed: "offline" too.
	endAttemptGrants query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id <> ''
		AND session_id IN (SELECT id FROM sessions WHERE` + byAttempt + `)`
)

// ReportAttempt implements devicebind.AttemptStore. The attempt's row comes
// first: whoever is just using it has either opened the session by then, or
// will not.
func (s *Store) ReportAttempt(ctx context.Context, r devicebind.Reported, now time.Time, ev idp.Event) (out devicebind.Reporting, err error) {
	opened := `%"device":"` + literally(r.DeviceID) + `"%"act":"` + literally(r.Act) + `"%`
	err = s.write(ctx, func(run runner) error {
		out = devicebind.Reporting{}
		stopped, err := run.exec(with(reportAttempt, r.Attempt, r.DeviceID, micros(now)))
		if err != nil {
			return err
		}
		n, err := run.exec(with(endAttemptSessions, r.PersonID, micros(now), opened))
		if err != nil {
			return err
		}
		if _, err := run.exec(with(endAttemptGrants, r.PersonID, micros(now), opened)); err != nil {
			return err
		}
		theirs, err := names(run, with(attemptSessions, r.PersonID, opened))
		if err != nil {
			return err
		}
		out.Sessions = int(n)
		if len(theirs) > 0 || stopped > 0 && r.Used {
			// The browser counts as one that the person used: no longer.
			if _, err := run.exec(with(forgetBrowsers, r.PersonID)); err != nil {
				return err
			}
		}
		u := undoing{store: s, runner: run, personID: r.PersonID, now: now}
		if err := u.added(theirs, r.Act); err != nil {
			return err
		}
		out.Added, out.Known = u.found, len(theirs) > 0
		if out.Alarm = n+stopped+u.ended > 0 || len(u.events) > 0; !out.Alarm {
			return nil
		}
		kept := ev
		kept.Detail += out.Note()
		if err := keep(run, []idp.Event{kept}); err != nil {
			return err
		}
		return s.keepTold(run, "", u.events)
	})
	return out, err
}

// names reads one column.
func names(r runner, st statement) (list []string, err error) {
	err = r.rows(st, func(scan scan) error {
		list = append(list, "")
		return scan(&list[len(list)-1])
	})
	return list, err
}
