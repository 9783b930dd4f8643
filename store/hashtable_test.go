package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/policy"
)

const portalPassword = "Portal-2026!密"

// portalTables are tables of portals: as options, and as what runs a statement
// on them with all rights.
func portalTables(t *testing.T) map[string]func() (HashTableOptions, func(string, ...any)) {
	return map[string]func() (HashTableOptions, func(string, ...any)){
		"sqlite": func() (HashTableOptions, func(string, ...any)) {
			path := filepath.Join(t.TempDir(), "portal users.db")
			db, err := sql.Open("sqlite", path)
			must(t, err)
			t.Cleanup(func() { db.Close() })
			return HashTableOptions{SQLite: path}, func(s string, args ...any) {
				_, err := db.ExecContext(t.Context(), s, args...)
				must(t, err)
			}
		},
		"postgres": func() (HashTableOptions, func(string, ...any)) {
			address := testenv.Postgres(t)
			conn, err := pgx.Connect(t.Context(), address)
			must(t, err)
			t.Cleanup(func() { conn.Close(context.Background()) })
			return HashTableOptions{PostgreSQL: address}, func(s string, args ...any) {
				_, err := conn.Exec(t.Context(), s, args...)
				must(t, err)
			}
		},
	}
}

// portalGate is a gate over our own store, of which portal accounts are looked at
// in the table.
type portalGate struct {
	*directory.Gate
	t *testing.T
}

func newPortalGate(t *testing.T) *portalGate {
	s := freshSQLite(t).open(t)
	names := policy.Names{}
	key := func(context string, data []byte) []byte { return []byte(context + string(data)) }
	r := directory.Registrar{Accounts: s, Names: names, Key: key, Now: time.Now, Seal: func(b []byte, _ string) []byte { return b }}
	for _, name := range []string{"wang", "chen", "twice", "plain", "none"} {
		_, err := r.Put(t.Context(), directory.NewPerson{
			Person: idp.Person{ID: "p-" + name, Name: "王大明"}, Accounts: []idp.Account{{Name: name, Kind: idp.AccountPortal}},
		})
		must(t, err)
	}
	return &portalGate{t: t, Gate: &directory.Gate{
		Accounts: s, Tries: s, Hasher: directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1}), Names: names, Rules: policy.CityLockout(),
		Key: key, Record: s.Record, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}}
}

// at makes the gate ask another table.
func (g *portalGate) at(o HashTableOptions) *HashTable {
	g.t.Helper()
	o.Connections, o.Timeout = 4, 2*time.Second
	if o.Table == "" {
		o.Table, o.Account, o.Password = "staff", "login", "pw"
	}
	table, err := OpenHashTable(o)
	must(g.t, err)
	g.t.Cleanup(table.Close)
	f, err := directory.NewForeign(table, directory.HashBcrypt, o.Timeout, g.Logger)
	must(g.t, err)
	f.Hasher = g.Hasher
	g.Routes = []directory.Route{{Backend: f, Kinds: []idp.AccountKind{idp.AccountPortal}}}
	return table
}

func (g *portalGate) want(name, password, want string) {
	g.t.Helper()
	p, err := g.CheckPassword(g.t.Context(), name, password)
	got := "ok"
	var refusal *directory.Refusal
	if errors.As(err, &refusal) {
		got = string(refusal.Reason)
	} else if err != nil || p == nil || p.ID != "p-"+name {
		got = "?"
	}
	if got != want {
		g.t.Errorf("%s: %s (%v), want %s", name, got, err, want)
	}
}

func TestHashTable_ThroughTheGate(t *testing.T) {
	made, err := bcrypt.GenerateFromPassword([]byte(portalPassword), 5)
	must(t, err)
	for engine, open := range portalTables(t) {
		t.Run(engine, func(t *testing.T) {
			o, exec := open()
			exec(`CREATE TABLE staff (id BIGINT, login CHAR(20), pw CHAR(120))`)
			for i, row := range [][2]any{
				{"wang", string(made)}, {"chen", "{SSHA}0y77AhWxorbGTuoB3lZavVy/ScEaVdGE"}, {"twice", string(made)}, {"twice", string(made)},
				{"plain", portalPassword}, {"none", nil}, {"stranger", string(made)},
			} {
				exec(`INSERT INTO staff VALUES ($1, $2, $3)`, i, row[0], row[1])
			}
			g := newPortalGate(t)
			table := g.at(o)
			g.want("wang", portalPassword, "ok")
			g.want("chen", portalPassword, "ok")
			for _, name := range []string{"twice", "plain", "none", "stranger", "nobody", "x' OR 'a' = 'a"} {
				g.want(name, portalPassword, "wrong")
			}
			for range 4 {
				g.want("wang", "Wrong-2026!", "wrong")
			}
			g.want("wang", "Wrong-2026!", "locked")
			g.want("wang", portalPassword, "locked")
			// A table that is away looks at nothing: no try is lost.
			g.at(HashTableOptions{SQLite: filepath.Join(t.TempDir(), "away.db")})
			for range 8 {
				g.want("chen", portalPassword, "unavailable")
			}
			g.at(o)
			g.want("chen", portalPassword, "ok")
			// Whatever is said to it, nothing is written.
			for _, s := range []string{`UPDATE staff SET pw = 'x'`, `DELETE FROM staff`, `CREATE TABLE other (a TEXT)`} {
				var err error
				if table.pool != nil {
					_, err = table.pool.Exec(t.Context(), s)
				} else {
					_, err = table.file.ExecContext(t.Context(), s)
				}
				if err == nil {
					t.Errorf("%s was done", s)
				}
			}
		})
	}
}

// TestHashTable_HangsForNobody has a server that accepts and says nothing.
func TestHashTable_HangsForNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	g := newPortalGate(t)
	g.at(HashTableOptions{PostgreSQL: "postgres://portal@" + l.Addr().String() + "/portal?sslmode=disable"})
	for range 2 {
		started := time.Now()
		g.want("wang", portalPassword, "unavailable")
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

func TestHashTable_NamesAreNames(t *testing.T) {
	for _, o := range []HashTableOptions{
		{Table: "staff; DROP TABLE staff", Account: "a", Password: "p"}, {Table: "t", Account: "a = 'x' OR b", Password: "p"}, {Table: "t", Account: "a", Password: ""},
		{Table: "t", Account: "a", Password: "p", PostgreSQL: "postgres://user:secret@[/x"},
	} {
		if table, err := OpenHashTable(o); err == nil {
			table.Close()
			t.Errorf("%+v was taken", o)
		} else if text := err.Error(); o.PostgreSQL != "" && (len(text) > 60) {
			t.Errorf("%s", text)
		}
	}
	if _, err := os.Stat("staff"); err == nil {
		t.Error("a file was made")
	}
}
