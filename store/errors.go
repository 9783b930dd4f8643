package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	idp "taipeion.internal/idp"
)

// errDuplicate says that a unique index refused a row.
var errDuplicate = errors.New("duplicate")

// errClosed is what a closed store says; it wraps idp.ErrUnavailable.
var errClosed = fmt.Errorf("%w: the store is closed", idp.ErrUnavailable)

// translate turns a driver's error into the root's words.
func translate(err error) error {
	if err == nil || errors.Is(err, idp.ErrUnavailable) || errors.Is(err, idp.ErrNotFound) {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, pgx.ErrNoRows) {
		return idp.ErrNotFound
	}
	// Whose request was given up is told so, and nothing else.
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return fromSQLite(lite)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fromPostgres(refused)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrConnDone) || pgconn.SafeToRetry(err) {
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	return err
}

func fromSQLite(err *sqlite.Error) error {
	switch err.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", errDuplicate, err)
	}
	switch err.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	return err
}

// The classes are those of PostgreSQL's appendix A, error codes.
func fromPostgres(err *pgconn.PgError) error {
	if err.Code == "23505" { // unique_violation
		return fmt.Errorf("%w: %w", errDuplicate, err)
	}
	switch err.Code[:2] {
	case "08", "53", "57", "58", "XX": // connection, resources, operator, system, internal
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	if err.Code == "25006" || tryAgain(err) { // read_only_sql_transaction: a standby
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	return err
}

// tryAgain tells whether PostgreSQL gave the transaction up for another one's
// sake: serialization_failure, deadlock_detected.
func tryAgain(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "40001" || refused.Code == "40P01")
}
