package store

import (
	"context"
	"strings"
	"unicode/utf8"
)

// query is a statement's text. All of them are constants of this type, which
// is how the test that prepares every one finds them, and why no text from
// outside can become one.
type query string

// statement is a query with what it is given.
type statement struct {
	query query
	args  []any // string, int64, bool, []byte or nil
}

func with(q query, args ...any) statement { return statement{q, args} }

// check is a statement on whose row the rest of its transaction depends.
type check struct {
	statement
	otherwise error // the answer when there is no row
	dest      []any // of a SELECT, what its row is read into; nil: it changes a row
}

// needs is a check that changes a row.
func needs(s statement, otherwise error) check { return check{statement: s, otherwise: otherwise} }

// scan reads the columns of one row.
type scan func(dest ...any) error

// runner runs statements: on a connection of its own, or in a transaction.
type runner interface {
	// exec returns how many rows changed.
	exec(s statement) (int64, error)
	// row reads one row; idp.ErrNotFound without one.
	row(s statement, dest ...any) error
	// rows calls each for every row.
	rows(s statement, each func(scan) error) error
}

// reader is the part of an engine that changes nothing.
type reader interface {
	// read gives reads a connection; no promise that they see one state.
	read(ctx context.Context, fn func(runner) error) error
	// aside is read on a connection of its own, which the requests don't wait for
	// and which does not wait for them.
	aside(ctx context.Context, fn func(runner) error) error
}

// engine is a database. Its errors are the root's sentinels, errDuplicate, or
// the driver's own.
type engine interface {
	reader
	// one runs one statement, which is its own transaction. Without dest it
	// returns how many rows changed, with dest 1 or idp.ErrNotFound.
	one(ctx context.Context, s statement, dest ...any) (int64, error)
	// all runs unconditional statements in one transaction.
	all(ctx context.Context, list []statement) error
	// checked runs the checks, each of which must change or find a row, and then
	// the unconditional statements, all in one transaction. The first check that
	// does not answers with its own error, and nothing is kept.
	checked(ctx context.Context, checks []check, rest []statement) error
	// write runs fn in one transaction, again from its start if the database
	// asks for that: fn must set its results anew each time.
	write(ctx context.Context, fn func(runner) error) error
	migrate(ctx context.Context) error
	ping(ctx context.Context) error
	close() error
}

// clean makes what came from outside fit for a TEXT column of either engine:
// PostgreSQL refuses NUL and what is not UTF-8, and a refused look-up would be
// an error where "not found" is the truth.
func clean(args []any) []any {
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				args[i] = strings.ReplaceAll(strings.ToValidUTF8(v, "\ufffd"), "\x00", "\ufffd")
			}
		case []byte:
			if v == nil {
				args[i] = nil
			}
		}
	}
	return args
}
