package store

import (
	"context"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

const (
	reportAttempt query = `UPDATE qr_attempts SET state = 'denied', changed_at = $3 WHERE id = $1 AND device_id = $2 AND state IN ('scanned', 'approved', 'used')`
	// byAttempt finds the sessions by their evidence: $3 is how it stands in there.
	byAttempt          query = ` person_id = $1 AND evidence LIKE $3 ESCAPE '!'`
	endAttemptSessions query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND` + byAttempt
	// What was opened for somebody else does not outlive the session, whatever was
	// agreed: "offline" too.
	endAttemptGrants query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND session_id <> ''
		AND session_id IN (SELECT id FROM sessions WHERE` + byAttempt + `)`
)

// ReportAttempt implements devicebind.AttemptStore. The attempt's row comes
// first: whoever is just using it has either opened the session by then, or
// will not.
func (s *Store) ReportAttempt(ctx context.Context, r devicebind.Reported, now time.Time, ev idp.Event) (sessions int, err error) {
	opened := `%"device":"` + literally(r.DeviceID) + `"%"act":"` + literally(r.Act) + `"%`
	err = s.write(ctx, func(run runner) error {
		if _, err := run.exec(with(reportAttempt, r.Attempt, r.DeviceID, micros(now))); err != nil {
			return err
		}
		n, err := run.exec(with(endAttemptSessions, r.PersonID, micros(now), opened))
		if err != nil {
			return err
		}
		if _, err := run.exec(with(endAttemptGrants, r.PersonID, micros(now), opened)); err != nil {
			return err
		}
		sessions = int(n)
		if n > 0 || r.Used {
			// The browser counts as one that the person used: no longer.
			if _, err := run.exec(with(forgetBrowsers, r.PersonID)); err != nil {
				return err
			}
		}
		kept := ev
		kept.Detail += fmt.Sprintf(", sessions ended: %d", n)
		return keep(run, []idp.Event{kept})
	})
	return sessions, err
}
