package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	idp "taipeion.internal/idp"
)

func (e *liteEngine) one(ctx context.Context, s statement, dest ...any) (int64, error) {
	j := &job{ctx: ctx, list: []statement{s}, dest: dest}
	err := e.submit(j)
	return j.rows, err
}

func (e *liteEngine) all(ctx context.Context, list []statement) error {
	return e.submit(&job{ctx: ctx, list: list})
}

func (e *liteEngine) write(ctx context.Context, fn func(runner) error) error {
	return e.submit(&job{ctx: ctx, run: fn})
}

func (e *liteEngine) checked(ctx context.Context, checks []check, rest []statement) error {
	return e.write(ctx, func(r runner) error {
		for _, c := range checks {
			if err := c.run(r); err != nil {
				return err
			}
		}
		for _, s := range rest {
			if _, err := r.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// run runs the check on its own.
func (c check) run(r runner) error {
	if c.dest != nil {
		err := r.row(c.statement, c.dest...)
		if errors.Is(err, idp.ErrNotFound) {
			err = c.otherwise
		}
		return err
	}
	n, err := r.exec(c.statement)
	if err == nil && n == 0 {
		err = c.otherwise
	}
	return err
}

// liteWriter is the one goroutine that writes.
type liteWriter struct {
	engine   *liteEngine
	conn     *sql.Conn
	prepared map[query]*sql.Stmt
	group    []*job // in the transaction under way
	errs     []error
	kept     bool // the transaction under way holds what has to be kept
	since    int  // writes since the last checkpoint beside us
}

const (
	begin       query = `BEGIN IMMEDIATE`
	commit      query = `COMMIT`
	rollback    query = `ROLLBACK`
	savepoint   query = `SAVEPOINT one`
	releaseOne  query = `RELEASE one`
	rollbackOne query = `ROLLBACK TO one`
)

// commit takes whatever has arrived into one transaction, commits, and answers.
func (w *liteWriter) commit(first *job) {
	w.group, w.errs, w.kept = w.group[:0], w.errs[:0], false
	err := w.frame(begin)
	begun := err == nil
	for j := first; j != nil; j = w.engine.next() {
		if !j.take() {
			continue
		}
		answer := err
		if answer == nil {
			answer, err = w.runOne(j)
			w.kept = w.kept || answer == nil
		}
		w.group, w.errs = append(w.group, j), append(w.errs, answer)
		if len(w.group) == groupLimit {
			break
		}
	}
	if err == nil {
		err = w.frame(commit)
	}
	switch {
	case err == nil && len(w.group) > 0:
		w.engine.transactions.Add(1)
		w.grown()
	case err != nil && begun:
		// Nothing of this group is kept. The reason is the answer to all, also to those
		// who found what another one had written.
		err = errors.Join(err, w.frame(rollback))
	}
	for i, j := range w.group {
		answer := err
		if err == nil {
			answer = w.errs[i]
		}
		j.done <- answer
		w.group[i] = nil
	}
}

// grown has the log copied into the file now and then.
func (w *liteWriter) grown() {
	if w.since += len(w.group); w.since < checkpointEvery {
		return
	}
	select {
	case w.engine.due <- struct{}{}:
		w.since = 0
	default:
	}
}

// checkpointEvery is after how many writes; each is a handful of pages.
const checkpointEvery = 200

// runOne runs one write; if it fails it is rolled back alone. A single
// statement that fails leaves nothing behind by itself, and the first write to be
// kept shares its transaction with nobody yet. broken says that there is no
// transaction to go on in.
func (w *liteWriter) runOne(j *job) (answer, broken error) {
	if err := j.ctx.Err(); err != nil {
		return err, nil
	}
	alone, single := !w.kept, len(j.list) == 1
	if !alone && !single {
		if err := w.frame(savepoint); err != nil {
			return err, err
		}
	}
	if j.run != nil {
		answer = j.run(w)
	} else {
		answer = w.runList(j)
	}
	switch {
	case errors.Is(answer, idp.ErrUnavailable):
		// The disk is full or fails: SQLite may have rolled back everything by itself,
		// and what came next would be kept without a transaction.
		broken = answer
	case single:
	case alone:
		if answer != nil {
			broken = w.frames(rollback, begin)
		}
	case answer != nil:
		broken = w.frames(rollbackOne, releaseOne)
	default:
		broken = w.frame(releaseOne)
	}
	return answer, broken
}

// frames runs the ones after the others, up to the first that fails.
func (w *liteWriter) frames(list ...query) error {
	for _, q := range list {
		if err := w.frame(q); err != nil {
			return err
		}
	}
	return nil
}

// runList runs the job's statements.
func (w *liteWriter) runList(j *job) (err error) {
	for i, s := range j.list {
		var n int64
		if i == 0 && len(j.dest) > 0 {
			n, err = 1, w.row(s, j.dest...)
		} else {
			n, err = w.exec(s)
		}
		if err != nil {
			return err
		}
		if i == 0 {
			j.rows = n
		}
	}
	return nil
}

// frame runs a statement that frames a transaction.
func (w *liteWriter) frame(q query) error {
	p, err := w.prepare(q)
	if err != nil {
		return err
	}
	if _, err := p.Exec(); err != nil {
		return fmt.Errorf("%s: %w", q, translate(err))
	}
	return nil
}

func (w *liteWriter) prepare(q query) (*sql.Stmt, error) {
	if s, ok := w.prepared[q]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), string(q))
	if err == nil {
		w.prepared[q] = s
	}
	return s, err
}

func (w *liteWriter) exec(s statement) (int64, error) {
	p, err := w.prepare(s.query)
	if err != nil {
		return 0, err
	}
	w.engine.writes.Add(1)
	result, err := p.Exec(clean(s.args)...)
	if err != nil {
		return 0, translate(err)
	}
	return result.RowsAffected()
}

func (w *liteWriter) row(s statement, dest ...any) error {
	p, err := w.prepare(s.query)
	if err != nil {
		return err
	}
	w.engine.writes.Add(1)
	return translate(p.QueryRow(clean(s.args)...).Scan(dest...))
}

func (w *liteWriter) rows(s statement, each func(scan) error) error {
	p, err := w.prepare(s.query)
	if err != nil {
		return err
	}
	w.engine.writes.Add(1)
	return translate(eachRow(p, s.args, each))
}
