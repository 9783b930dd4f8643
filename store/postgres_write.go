package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	idp "taipeion.internal/idp"
)

// pgWriters is how many groups may be on their way at once: while one is being
// synced to disk the next is sent.
const pgWriters = 2

// pgDirect is how many writes go without waiting for a group.
const pgDirect = 4

func (e *pgEngine) one(ctx context.Context, s statement, dest ...any) (int64, error) {
	j := &job{ctx: ctx, list: []statement{s}, dest: dest}
	err := e.put(j)
	return j.rows, err
}

func (e *pgEngine) all(ctx context.Context, list []statement) error {
	return e.put(&job{ctx: ctx, list: list})
}

// put sends the write at once while few are on their way, and in a group with
// others when many are.
func (e *pgEngine) put(j *job) error {
	defer e.writing.Add(-1)
	if e.writing.Add(1) > pgDirect || e.closed.Load() {
		return e.submit(j)
	}
	if err := j.ctx.Err(); err != nil {
		return err
	}
	return e.alone(j)
}

func (e *pgEngine) alone(j *job) error {
	var found error
	err := e.again(j.ctx, func(ctx context.Context) error {
		if len(j.list) == 1 {
			r := pgRunner{ctx, e.pool, &e.writes}
			if len(j.dest) > 0 {
				found = r.row(j.list[0], j.dest...)
			} else {
				j.rows, found = r.exec(j.list[0])
			}
			if errors.Is(found, idp.ErrNotFound) {
				return nil
			}
			return found
		}
		answers, err := e.send([]*job{j})
		if err == nil {
			found = answers[0]
		}
		return err
	})
	if err != nil {
		return err
	}
	return translate(found)
}

// commit sends whatever has arrived in one round trip: a pipeline without
// BEGIN is one transaction (PostgreSQL 15, 55.2.3, extended query). If a
// statement is refused the whole group is undone, and each goes alone.
func (e *pgEngine) commit(first *job) {
	var jobs []*job
	for j := first; j != nil; j = e.next() {
		if !j.take() {
			continue
		}
		if err := j.ctx.Err(); err != nil {
			j.done <- err
			continue
		}
		jobs = append(jobs, j)
		if len(jobs) == groupLimit {
			break
		}
	}
	if len(jobs) == 0 {
		return
	}
	// Rows are taken in the order of their keys, so that two groups don't wait
	// for each other.
	slices.SortStableFunc(jobs, func(a, b *job) int { return bytes.Compare(keyOf(a), keyOf(b)) })
	answers, err := e.send(jobs)
	if err != nil && len(jobs) > 1 && refused(err) {
		for _, j := range jobs {
			j.done <- e.alone(j)
		}
		return
	}
	if err == nil {
		e.transactions.Add(1)
	}
	for i, j := range jobs {
		if err != nil {
			j.done <- err
		} else {
			j.done <- answers[i]
		}
	}
}

// refused tells whether the database itself said no, and nothing was kept.
func refused(err error) bool {
	var no *pgconn.PgError
	return errors.As(err, &no) && !errors.Is(translate(err), idp.ErrUnavailable) || tryAgain(err)
}

// keyOf is the key of the row that the job is about: its first argument.
func keyOf(j *job) []byte {
	switch key := j.list[0].args[0].(type) {
	case []byte:
		return key
	case string:
		return []byte(key)
	}
	return nil
}

// send runs the jobs in one transaction and returns what each found; with an
// error nothing was kept, or, if the connection was lost, nobody knows.
func (e *pgEngine) send(jobs []*job) ([]error, error) {
	ctx, cancel := bounded(context.Background())
	defer cancel()
	batch := &pgx.Batch{}
	for _, j := range jobs {
		for _, s := range j.list {
			batch.Queue(string(s.query), clean(s.args)...)
		}
	}
	e.writes.Add(int64(batch.Len()))
	results := e.pool.SendBatch(ctx, batch)
	answers := make([]error, len(jobs))
	var failed error
	for i, j := range jobs {
		if answers[i], failed = j.receive(results); failed != nil {
			break
		}
	}
	// The transaction is committed when this returns without an error.
	if err := results.Close(); err != nil && failed == nil {
		failed = err
	}
	if failed != nil && ctx.Err() != nil {
		failed = fmt.Errorf("%w: %w", idp.ErrUnavailable, failed)
	}
	return answers, failed
}

// checked takes one round trip, however many statements there are: see commit.
func (e *pgEngine) checked(ctx context.Context, checks []check, rest []statement) error {
	var found error
	err := e.again(ctx, func(ctx context.Context) (err error) {
		found = nil
		batch := &pgx.Batch{}
		for _, c := range checks {
			batch.Queue(c.orStop(), clean(c.args)...)
		}
		for _, s := range rest {
			batch.Queue(string(s.query), clean(s.args)...)
		}
		e.writes.Add(int64(batch.Len()))
		results := e.pool.SendBatch(ctx, batch)
		at := 0
		for ; at < batch.Len() && err == nil; at++ {
			_, err = results.Exec()
		}
		// The transaction is committed when this returns without an error.
		if closed := results.Close(); err == nil {
			err = closed
		}
		if stopped(err) && at <= len(checks) {
			found, err = checks[at-1].otherwise, nil
		}
		return err
	})
	if err == nil {
		err = found
	}
	return err
}

// noRow is what the database says for a check without a row: it can't be read as
// a number, and such an error is what ends a pipeline.
const noRow = "no row meets the condition"

// orStop is the check as a statement that fails without a row.
func (c check) orStop() string {
	text := string(c.query)
	if c.dest == nil {
		text += " RETURNING 1"
	}
	return "WITH met AS (" + text + ") SELECT CAST(CASE WHEN COUNT(*) > 0 THEN '1' ELSE '" + noRow + "' END AS INTEGER) FROM met"
}

func stopped(err error) bool {
	var no *pgconn.PgError
	return errors.As(err, &no) && no.Code == "22P02" && strings.Contains(no.Message, noRow)
}

// receive reads what the job's statements answered.
func (j *job) receive(results pgx.BatchResults) (answer, failed error) {
	for i := range j.list {
		rows, err := results.Query()
		if err != nil {
			return nil, err
		}
		if i == 0 && len(j.dest) > 0 {
			answer = idp.ErrNotFound
			if rows.Next() {
				answer = rows.Scan(j.dest...)
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, err
		}
		if i == 0 {
			j.rows = rows.CommandTag().RowsAffected()
		}
	}
	return answer, nil
}
