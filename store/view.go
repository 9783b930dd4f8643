package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// View is a view or table of another system's database, as rows of text. It
// implements feed.Records. It only reads.
type View struct {
	PostgreSQL string // address
	SQLite     string // file
	Name       string // VIEW or SCHEMA.VIEW
}

// No other name is ever put into a statement.
var viewName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)

// Each implements feed.Records; a line is the number of a row, the first being 2
// as in a file.
func (v View) Each(ctx context.Context, yield func(line int, values []string, fault string) error) error {
	if !viewName.MatchString(v.Name) {
		return errors.New("the name of the view can't be one")
	}
	if v.PostgreSQL != "" {
		return v.postgres(ctx, yield)
	}
	return v.sqlite(ctx, yield)
}

func (v View) postgres(ctx context.Context, yield func(line int, values []string, fault string) error) error {
	config, err := pgx.ParseConfig(v.PostgreSQL)
	if err != nil {
		// The driver's text may hold the address, and that a password.
		return errors.New("the PostgreSQL address can't be read")
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // all values come as text
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["client_encoding"] = "UTF8"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open the source: %w", translate(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SELECT * FROM "+v.Name)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	var columns []string
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	if err := yield(1, columns, ""); err != nil {
		return err
	}
	for line := 2; rows.Next(); line++ {
		values := make([]string, len(columns))
		for i, raw := range rows.RawValues() {
			values[i] = string(raw)
		}
		if err := yield(line, values, ""); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

func (v View) sqlite(ctx context.Context, yield func(line int, values []string, fault string) error) error {
	address := url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(v.SQLite)}).EscapedPath(),
		RawQuery: url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(10000)"}}.Encode(),
	}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+v.Name)
	if err != nil {
		return fmt.Errorf("open the source: %w", translate(err))
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return translate(err)
	}
	if err := yield(1, columns, ""); err != nil {
		return err
	}
	cells := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for line := 2; rows.Next(); line++ {
		if err := rows.Scan(into...); err != nil {
			return translate(err)
		}
		values := make([]string, len(columns))
		for i, c := range cells {
			values[i] = c.String
		}
		if err := yield(line, values, ""); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}
