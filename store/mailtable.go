package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// MailTable is the table in which a mail system looks passwords up, such as that
// of Dovecot's SQL passdb. It implements directory.Mailbox, and is given hashes.
type MailTable struct {
	Of         string // the connector's name
	PostgreSQL string // address
	SQLite     string // file
	Table      string // TABLE or SCHEMA.TABLE
	Account    string // column with the mailbox's name
	Password   string // column with the hash
	Scheme     string // put before the hash; "{ARGON2ID}" if empty
}

// Check tells whether the names can be put into a statement.
func (m *MailTable) Check() error {
	for _, name := range []string{m.Table, m.Account, m.Password} {
		if !viewName.MatchString(name) {
			return fmt.Errorf("%q can't be the name of a table or column", name)
		}
	}
	return nil
}

// Name implements directory.Mailbox.
func (m *MailTable) Name() string { return m.Of }

// TakesHash implements directory.Mailbox.
func (m *MailTable) TakesHash() bool { return true }

// Takes implements directory.Mailbox: it is the one of all agencies.
func (m *MailTable) Takes(string) bool { return true }

// Deliver implements directory.Mailbox: exactly one row changes, or none.
func (m *MailTable) Deliver(ctx context.Context, of idp.Account, hash string) error {
	account := of.Name
	if err := m.Check(); err != nil {
		return err
	}
	scheme := m.Scheme
	if scheme == "" {
		scheme = "{ARGON2ID}"
	}
	update := "UPDATE " + m.Table + " SET " + m.Password + " = $1 WHERE " + m.Account + " = $2"
	if m.PostgreSQL != "" {
		return m.postgres(ctx, update, scheme+hash, account)
	}
	return m.sqlite(ctx, update, scheme+hash, account)
}

func (m *MailTable) postgres(ctx context.Context, update, secret, account string) error {
	config, err := pgx.ParseConfig(m.PostgreSQL)
	if err != nil {
		// The driver's text may hold the address, and that a password.
		return errors.New("the PostgreSQL address can't be read")
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open the mail system's table: %w", translate(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", translate(err))
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after a commit there is nothing to undo
	tag, err := tx.Exec(ctx, update, secret, account)
	if err != nil {
		return fmt.Errorf("update: %w", translate(err))
	}
	if err := only(tag.RowsAffected()); err != nil {
		return err
	}
	return translate(tx.Commit(ctx))
}

func (m *MailTable) sqlite(ctx context.Context, update, secret, account string) error {
	address := url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(m.SQLite)}).EscapedPath(),
		RawQuery: url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)"}}.Encode(),
	}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open the mail system's table: %w", translate(err))
	}
	defer tx.Rollback() // after a commit there is nothing to undo
	done, err := tx.ExecContext(ctx, update, secret, account)
	if err != nil {
		return fmt.Errorf("update: %w", translate(err))
	}
	n, err := done.RowsAffected()
	if err == nil {
		err = only(n)
	}
	if err != nil {
		return err
	}
	return translate(tx.Commit())
}

func only(rows int64) error {
	switch {
	case rows == 0:
		return fmt.Errorf("no mailbox has that name: %w", idp.ErrNotFound)
	case rows > 1:
		return fmt.Errorf("%w: %d mailboxes have that name", directory.ErrUndeliverable, rows)
	}
	return nil
}

var _ directory.Mailbox = (*MailTable)(nil)
