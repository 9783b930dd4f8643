package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// readers is how many connections read.
const readers = 8

// liteEngine is SQLite: one connection writes, in one goroutine (sqlite_write.go),
// and several read beside it (write-ahead log).
type liteEngine struct {
	*counters
	path            string
	readDB, writeDB *sql.DB
	prepared        sync.Map // query -> *sql.Stmt on readDB
	group
	due chan struct{} // the log has grown: copy it into the file
}

func openSQLite(ctx context.Context, path string, c *counters) (*liteEngine, error) {
	fresh, err := makePrivate(path)
	if err == nil && fresh {
		err = persist(ctx, func() error { return setPages(ctx, path) })
	}
	if err != nil {
		return nil, fmt.Errorf("make the database: %w", err)
	}
	writeDB, err := sql.Open("sqlite", liteAddress(path, writing))
	if err != nil {
		return nil, err
	}
	writeDB.SetMaxOpenConns(1)
	writeDB.SetMaxIdleConns(1)
	// Turning the log on fails at once, whatever the busy time-out, while
	// another process does the same.
	if err := persist(ctx, func() error { return writeDB.PingContext(ctx) }); err != nil {
		writeDB.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	readDB, err := sql.Open("sqlite", liteAddress(path, append([]string{"query_only(1)"}, pragmas...)))
	if err != nil {
		writeDB.Close()
		return nil, err
	}
	readDB.SetMaxOpenConns(readers)
	readDB.SetMaxIdleConns(readers)
	conn, err := writeDB.Conn(ctx)
	if err != nil {
		return nil, errors.Join(translate(err), readDB.Close(), writeDB.Close())
	}
	e := &liteEngine{counters: c, path: path, readDB: readDB, writeDB: writeDB, group: newGroup(), due: make(chan struct{}, 1)}
	w := &liteWriter{engine: e, conn: conn, prepared: map[query]*sql.Stmt{}}
	e.writers.Go(func() {
		defer conn.Close()
		e.serve(w.commit)
	})
	e.writers.Go(e.checkpoint)
	return e, nil
}

// pragmas of every connection: another process may write as well, so wait for
// it.
var pragmas = []string{"busy_timeout(10000)", "foreign_keys(1)", "temp_store(2)"}

// writing are those of a connection that writes: a commit is on disk when it is
// answered (synchronous FULL), in the write-ahead log.
var writing = append([]string{"journal_mode(WAL)", "synchronous(2)", "journal_size_limit(67108864)", "wal_autocheckpoint(8000)", "cache_size(-16000)"}, pragmas...)

func liteAddress(path string, pragmas []string) string {
	values := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: values.Encode()}).String()
}

// makePrivate sees to it that the file, and with it SQLite's log beside it, is
// readable by us alone.
func makePrivate(path string) (fresh bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, file.Close()
}

// setPages gives a new file small pages: a hash goes anywhere in its index, so
// each costs a page, and with many grants 2 KiB halve what is written. The
// size must be set before the log is turned on.
func setPages(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", liteAddress(path, pragmas))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, pragma := range []string{"PRAGMA page_size = 2048", "PRAGMA journal_mode = WAL"} {
		if _, err := db.ExecContext(ctx, pragma); err != nil {
			return err
		}
	}
	return nil
}

// read runs without the request's context once it has begun: a look-up takes
// microseconds, and watching a context costs the driver a goroutine each time.
func (e *liteEngine) read(ctx context.Context, fn func(runner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.closed.Load() {
		return errClosed
	}
	err := translate(fn((*liteReader)(e)))
	if err != nil && e.closed.Load() {
		return errClosed
	}
	return err
}

func (e *liteEngine) aside(ctx context.Context, fn func(runner) error) error { return e.read(ctx, fn) }

// liteReader runs statements on the reading connections.
type liteReader liteEngine

func (r *liteReader) prepare(q query) (*sql.Stmt, error) {
	if s, ok := r.prepared.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := r.readDB.Prepare(string(q))
	if err != nil {
		return nil, err
	}
	if other, raced := r.prepared.LoadOrStore(q, s); raced {
		s.Close()
		return other.(*sql.Stmt), nil
	}
	return s, nil
}

func (r *liteReader) exec(statement) (int64, error) {
	return 0, errors.New("a read can't change anything")
}

func (r *liteReader) row(s statement, dest ...any) error {
	p, err := r.prepare(s.query)
	if err != nil {
		return err
	}
	r.reads.Add(1)
	return p.QueryRow(clean(s.args)...).Scan(dest...)
}

func (r *liteReader) rows(s statement, each func(scan) error) error {
	p, err := r.prepare(s.query)
	if err != nil {
		return err
	}
	r.reads.Add(1)
	return eachRow(p, s.args, each)
}

func eachRow(p *sql.Stmt, args []any, each func(scan) error) error {
	rows, err := p.Query(clean(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// checkpoint copies the log into the file beside the writer, so that what is
// left for the writer's own checkpoint, which holds up everybody, is short.
func (e *liteEngine) checkpoint() {
	for {
		select {
		case <-e.closing:
			return
		case <-e.due:
			// Without success the writer does it in the end.
			e.readDB.Exec("PRAGMA wal_checkpoint(PASSIVE)")
		}
	}
}

func (e *liteEngine) ping(ctx context.Context) error {
	return e.read(ctx, func(r runner) error {
		var one int64
		return r.row(with(ping), &one)
	})
}

const ping query = `SELECT COUNT(*) FROM (SELECT 1 FROM agencies LIMIT 1) AS one`

// close answers what is queued, and then closes.
func (e *liteEngine) close() error {
	if !e.group.close() {
		return nil
	}
	return errors.Join(e.readDB.Close(), e.writeDB.Close())
}

// migrate may race with another process: whoever comes second finds the work
// half seen, fails, and finds it done the next time.
func (e *liteEngine) migrate(ctx context.Context) error {
	db, err := sql.Open("sqlite", liteAddress(e.path, writing))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	return persist(ctx, func() error { return migrateUp(ctx, "sqlite3", db, nil) })
}

// persist tries for some seconds what another process may be in the midst of.
func persist(ctx context.Context, try func() error) (err error) {
	for range 100 {
		if err = try(); err == nil || !passing(err) {
			return translate(err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20*time.Millisecond + rand.N(20*time.Millisecond)):
		}
	}
	return translate(err)
}

// passing tells whether the error may be another process's work half seen: a
// lock, or a table that is there already.
func passing(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_SCHEMA:
		return true
	}
	return false
}
