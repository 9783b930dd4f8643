package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
)

// groupLimit bounds how many writes one commit carries.
const groupLimit = 256

// job is a request's write that waits for the writer.
type job struct {
	ctx    context.Context
	run    func(runner) error
	atomic bool         // more than one statement: needs a savepoint of its own
	state  atomic.Int32 // waiting, then taken or given up
	done   chan error
}

const (
	waiting int32 = iota
	taken
	givenUp
)

// submit hands a write to the writer and returns when it is on disk. A context
// that ends before the writer took it takes it back.
func (e *liteEngine) submit(ctx context.Context, atomic bool, run func(runner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.closed.Load() {
		return errClosed
	}
	j := &job{ctx: ctx, run: run, atomic: atomic, done: make(chan error, 1)}
	select {
	case e.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closing:
		return errClosed
	}
	select {
	case err := <-j.done:
		return translate(err)
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, givenUp) {
			return ctx.Err()
		}
	case <-e.closing:
		// Queued after the writer emptied the queue for the last time.
		if j.state.CompareAndSwap(waiting, givenUp) {
			return errClosed
		}
	}
	return translate(<-j.done)
}

func (e *liteEngine) one(ctx context.Context, s statement, dest ...any) (n int64, err error) {
	err = e.submit(ctx, false, func(r runner) (err error) {
		if len(dest) > 0 {
			n = 1
			return r.row(s, dest...)
		}
		n, err = r.exec(s)
		return err
	})
	return n, err
}

func (e *liteEngine) all(ctx context.Context, list []statement) error {
	return e.submit(ctx, len(list) > 1, func(r runner) error {
		for _, s := range list {
			if _, err := r.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *liteEngine) write(ctx context.Context, fn func(runner) error) error {
	return e.submit(ctx, true, fn)
}

// liteWriter is the one goroutine that writes.
type liteWriter struct {
	engine   *liteEngine
	conn     *sql.Conn
	prepared map[query]*sql.Stmt
	group    []*job // in the transaction under way
	errs     []error
}

// run takes whatever has arrived into one transaction, commits, and answers:
// while one group is being synced to disk the next gathers.
func (w *liteWriter) run() {
	defer w.conn.Close()
	for {
		select {
		case j := <-w.engine.queue:
			w.commit(j)
		case <-w.engine.closing:
			for {
				select {
				case j := <-w.engine.queue:
					w.commit(j)
				default:
					return
				}
			}
		}
	}
}

const (
	begin       query = `BEGIN IMMEDIATE`
	commit      query = `COMMIT`
	rollback    query = `ROLLBACK`
	savepoint   query = `SAVEPOINT one`
	releaseOne  query = `RELEASE one`
	rollbackOne query = `ROLLBACK TO one`
)

func (w *liteWriter) commit(first *job) {
	w.group, w.errs = w.group[:0], w.errs[:0]
	err := w.frame(begin)
	for j := first; j != nil; j = w.next() {
		if !j.state.CompareAndSwap(waiting, taken) {
			continue
		}
		w.group = append(w.group, j)
		if err != nil {
			w.errs = append(w.errs, err)
			continue
		}
		w.errs = append(w.errs, w.runOne(j))
	}
	if err == nil {
		if err = w.frame(commit); err != nil {
			// Nothing of this group is kept; the reason is the answer to all.
			err = errors.Join(err, w.frame(rollback))
		} else if len(w.group) > 0 {
			w.engine.transactions.Add(1)
		}
	}
	for i, j := range w.group {
		answer := w.errs[i]
		if answer == nil && err != nil {
			answer = err
		}
		j.done <- answer
		w.group[i] = nil
	}
}

// next is another write that has arrived, or nil.
func (w *liteWriter) next() *job {
	if len(w.group) >= groupLimit {
		return nil
	}
	select {
	case j := <-w.engine.queue:
		return j
	default:
		return nil
	}
}

// runOne runs one write; if it fails it is rolled back alone. A single
// statement that fails leaves nothing behind by itself.
func (w *liteWriter) runOne(j *job) (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if !j.atomic {
		return j.run(w)
	}
	if err := w.frame(savepoint); err != nil {
		return err
	}
	if err := j.run(w); err != nil {
		return errors.Join(err, w.frame(rollbackOne), w.frame(releaseOne))
	}
	return w.frame(releaseOne)
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
