package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/sync"
)

const (
	putRun query = `INSERT INTO sync_runs (id, source, state, plan, actor, started_at, ended_at, summary) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, plan = excluded.plan, actor = excluded.actor, ended_at = excluded.ended_at,
			summary = excluded.summary`
	newestRuns query = `SELECT id, source, state, plan, actor, started_at, ended_at, summary FROM sync_runs
		WHERE source = $1 OR $1 = '' ORDER BY started_at DESC, id DESC LIMIT $2`
	newestRun query = `SELECT id, source, state, plan, actor, started_at, ended_at, summary FROM sync_runs
		WHERE source = $1 AND (plan = $2 OR $2 = '') AND state IN ($3, $4, $5, $6) ORDER BY started_at DESC, id DESC LIMIT 1`
	addChange query = `INSERT INTO sync_changes (run_id, seq, kind, person_id, line, body, state, reason)
		VALUES ($1, $2, $3, $4, $5, $6, 'waiting', '')`
	changesFrom query = `SELECT seq, kind, person_id, line, body, state, reason FROM sync_changes
		WHERE run_id = $1 AND seq >= $2 AND (state = 'waiting' OR NOT $3) ORDER BY seq LIMIT $4`
	countChanges query = `SELECT state, COUNT(*) FROM sync_changes WHERE run_id = $1 GROUP BY state`
	addFault     query = `INSERT INTO sync_faults (run_id, seq, line, account, reason, refused) VALUES ($1, $2, $3, $4, $5, $6)`
	faultsOf     query = `SELECT line, account, reason, refused FROM sync_faults WHERE run_id = $1 ORDER BY seq`
	// A run that is under way has not ended.
	pruneChanges query = `DELETE FROM sync_changes WHERE run_id = $1`
	pruneFaults  query = `DELETE FROM sync_faults WHERE run_id = $1`
	endedRuns    query = `SELECT id FROM sync_runs r WHERE (ended_at > 0 AND ended_at < $1 OR ended_at = 0 AND state = 'replaced' AND started_at < $1) AND (EXISTS (SELECT 1 FROM sync_changes c
		WHERE c.run_id = r.id) OR EXISTS (SELECT 1 FROM sync_faults f WHERE f.run_id = r.id))`

	historyOf query = `SELECT at, actor, kind, changes FROM history WHERE person_id = $1 ORDER BY at DESC, id DESC LIMIT $2`

	takeLease query = `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $4)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE leases.holder = excluded.holder OR leases.until <= $3`
	dropLease   query = `DELETE FROM leases WHERE name = $1 AND holder = $2`
	leaseHolder query = `SELECT holder FROM leases WHERE name = $1 AND until > $2`
)

// PutRun implements sync.Runs.
func (s *Store) PutRun(ctx context.Context, r *sync.Run) error {
	_, err := s.one(ctx, with(putRun, r.ID, r.Source, string(r.State), r.Plan, r.Actor, micros(r.StartedAt), micros(r.EndedAt), text(r.Summary)))
	return err
}

// planBatch is how many changes one transaction keeps.
const planBatch = 250

// PutPlan implements sync.Runs. The caller lets nobody see the plan before it is
// whole.
func (s *Store) PutPlan(ctx context.Context, runID string, changes []directory.Change, faults []directory.Fault) error {
	for len(changes) > 0 {
		n := min(planBatch, len(changes))
		list := make([]statement, n)
		for i, c := range changes[:n] {
			list[i] = with(addChange, runID, c.Seq, string(c.Kind), c.PersonID, int64(c.Line), text(c))
		}
		if err := s.all(ctx, list); err != nil {
			return err
		}
		changes = changes[n:]
	}
	for from := 0; from < len(faults); from += planBatch {
		var list []statement
		for i, f := range faults[from:min(from+planBatch, len(faults))] {
			list = append(list, with(addFault, runID, int64(from+i), int64(f.Line), f.Account, f.Reason, f.Refused))
		}
		if err := s.all(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// Runs implements sync.Runs.
func (s *Store) Runs(ctx context.Context, source string, limit int) ([]sync.Run, error) {
	var found []sync.Run
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(newestRuns, source, int64(limit)), func(scan scan) error {
			var run sync.Run
			if err := scan(runInto(&run)...); err != nil {
				return err
			}
			found = append(found, run)
			return nil
		})
	})
	return found, err
}

func runInto(r *sync.Run) []any {
	return []any{&r.ID, &r.Source, &r.State, &r.Plan, &r.Actor, moment{&r.StartedAt}, moment{&r.EndedAt}, document{&r.Summary}}
}

// NewestRun implements sync.Runs.
func (s *Store) NewestRun(ctx context.Context, source, plan string, states ...sync.RunState) (*sync.Run, error) {
	args := []any{source, plan, "", "", "", ""}
	for i, state := range states {
		args[2+i] = string(state)
	}
	run := &sync.Run{}
	if err := s.read(ctx, func(r runner) error { return r.row(with(newestRun, args...), runInto(run)...) }); err != nil {
		return nil, err
	}
	return run, nil
}

// Changes implements sync.Runs.
func (s *Store) Changes(ctx context.Context, runID string, from int64, waiting bool, limit int) ([]sync.KeptChange, error) {
	var found []sync.KeptChange
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(changesFrom, runID, from, waiting, int64(limit)), func(scan scan) error {
			var c sync.KeptChange
			var line int64
			if err := scan(&c.Seq, &c.Kind, &c.PersonID, &line, document{&c.Change}, &c.State, &c.Reason); err != nil {
				return err
			}
			c.Line = int(line)
			found = append(found, c)
			return nil
		})
	})
	return found, err
}

// Progress implements sync.Runs.
func (s *Store) Progress(ctx context.Context, runID string) (p sync.Progress, err error) {
	err = s.read(ctx, func(r runner) error {
		p = sync.Progress{}
		return r.rows(with(countChanges, runID), func(scan scan) error {
			var state string
			var n int64
			if err := scan(&state, &n); err != nil {
				return err
			}
			switch state {
			case "waiting":
				p.Waiting = int(n)
			case "done":
				p.Done = int(n)
			default:
				p.Failed = int(n)
			}
			return nil
		})
	})
	return p, err
}

// Faults implements sync.Runs.
func (s *Store) Faults(ctx context.Context, runID string) ([]directory.Fault, error) {
	var found []directory.Fault
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(faultsOf, runID), func(scan scan) error {
			var f directory.Fault
			var line int64
			if err := scan(&line, &f.Account, &f.Reason, &f.Refused); err != nil {
				return err
			}
			f.Line = int(line)
			found = append(found, f)
			return nil
		})
	})
	return found, err
}

// PrunePlans implements sync.Runs.
func (s *Store) PrunePlans(ctx context.Context, before time.Time) error {
	var old []string
	err := s.read(ctx, func(r runner) error {
		old = nil
		return r.rows(with(endedRuns, micros(before)), func(scan scan) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			old = append(old, id)
			return nil
		})
	})
	for _, id := range old {
		err = errors.Join(err, s.all(ctx, []statement{with(pruneChanges, id), with(pruneFaults, id)}))
	}
	return err
}

// History implements directory.Histories.
func (s *Store) History(ctx context.Context, personID string, limit int) ([]directory.Entry, error) {
	var found []directory.Entry
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(historyOf, personID, int64(limit)), func(scan scan) error {
			var e directory.Entry
			if err := scan(moment{&e.At}, &e.Actor, &e.Kind, document{&e.Fields}); err != nil {
				return err
			}
			found = append(found, e)
			return nil
		})
	})
	return found, err
}

// TakeLease implements directory.Leases.
func (s *Store) TakeLease(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	n, err := s.one(ctx, with(takeLease, name, holder, micros(now), micros(until)))
	return n == 1, err
}

// DropLease implements directory.Leases.
func (s *Store) DropLease(ctx context.Context, name, holder string) error {
	_, err := s.one(ctx, with(dropLease, name, holder))
	return err
}

// LeaseHolder implements directory.Leases.
func (s *Store) LeaseHolder(ctx context.Context, name string, now time.Time) (holder string, err error) {
	err = s.read(ctx, func(r runner) error { return r.row(with(leaseHolder, name, micros(now)), &holder) })
	if errors.Is(err, idp.ErrNotFound) {
		return "", nil
	}
	return holder, err
}
