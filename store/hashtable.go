package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// HashTable is the table or view in which another system looks passwords up. It
// implements directory.Hashes. It only reads: its sessions can do nothing else.
type HashTable struct {
	query string
	pool  *pgxpool.Pool
	file  *sql.DB
}

// HashTableOptions say where it is.
type HashTableOptions struct {
	PostgreSQL  string // address
	SQLite      string // file
	Table       string // TABLE or SCHEMA.TABLE
	Account     string // column with the account's name
	Password    string // column with the hash
	Connections int
	Timeout     time.Duration // to connect, and for one answer
}

// OpenHashTable connects to nobody yet.
func OpenHashTable(o HashTableOptions) (*HashTable, error) {
	for _, name := range []string{o.Table, o.Account, o.Password} {
		if !viewName.MatchString(name) {
			return nil, fmt.Errorf("%q can't be the name of a table or column", name)
		}
	}
	t := &HashTable{query: "SELECT CAST(" + o.Password + " AS TEXT) FROM " + o.Table + " WHERE " + o.Account + " = $1 LIMIT 2"}
	if o.PostgreSQL == "" {
		return t, t.openFile(o)
	}
	config, err := pgxpool.ParseConfig(o.PostgreSQL)
	if err != nil {
		// The driver's text may hold the address, and that a password.
		return nil, errors.New("the PostgreSQL address can't be read")
	}
	config.MaxConns = int32(o.Connections)
	config.ConnConfig.ConnectTimeout = o.Timeout
	// Nothing is left on the server, which may be a pooler.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	config.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(o.Timeout.Milliseconds())
	config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	t.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	return t, translate(err)
}

func (t *HashTable) openFile(o HashTableOptions) (err error) {
	address := url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(o.SQLite)}).EscapedPath(),
		RawQuery: url.Values{
			"mode": {"ro"}, "_pragma": {"query_only(1)", fmt.Sprintf("busy_timeout(%d)", o.Timeout.Milliseconds())},
		}.Encode(),
	}
	if t.file, err = sql.Open("sqlite", address.String()); err != nil {
		return err
	}
	t.file.SetMaxOpenConns(o.Connections)
	return nil
}

// Hash implements directory.Hashes, by one query.
func (t *HashTable) Hash(ctx context.Context, account string) (string, error) {
	found, err := t.read(ctx, account)
	switch {
	case err != nil:
		return "", fmt.Errorf("read the table of passwords: %w", translate(err))
	case len(found) == 0 || len(found) == 1 && found[0] == nil:
		return "", idp.ErrNotFound
	case len(found) > 1:
		return "", idp.ErrConflict
	}
	return *found[0], nil
}

func (t *HashTable) read(ctx context.Context, account string) (found []*string, err error) {
	if t.pool != nil {
		rows, err := t.pool.Query(ctx, t.query, account)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[*string])
	}
	rows, err := t.file.QueryContext(ctx, t.query, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one *string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

// Close ends the connections.
func (t *HashTable) Close() {
	if t.pool != nil {
		t.pool.Close()
	}
	if t.file != nil {
		_ = t.file.Close() // it only read
	}
}

var _ directory.Hashes = (*HashTable)(nil)
