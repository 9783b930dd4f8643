package store

import (
	"context"
	"database/sql"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
)

// TestMailTable_DovecotTakesWhatIsDelivered asks Dovecot's own program whether
// the hash in the table is that of the password.
func TestMailTable_DovecotTakesWhatIsDelivered(t *testing.T) {
	const create = `CREATE TABLE users (userid TEXT NOT NULL, password TEXT NOT NULL)`
	const fill = `INSERT INTO users VALUES ('wang', 'old'), ('li', 'old'), ('twice', 'old'), ('twice', 'old')`
	const read = `SELECT password FROM users WHERE userid = $1`
	hash, err := directory.NewHasher(directory.HasherOptions{}).Hash(t.Context(), "seven lanterns & fog 密")
	must(t, err)
	for engine, open := range map[string]func(t *testing.T) (*MailTable, func(account string) string){
		"sqlite": func(t *testing.T) (*MailTable, func(string) string) {
			path := filepath.Join(t.TempDir(), "mail users.db")
			db, err := sql.Open("sqlite", path)
			must(t, err)
			t.Cleanup(func() { db.Close() })
			for _, s := range []string{create, fill} {
				_, err := db.ExecContext(t.Context(), s)
				must(t, err)
			}
			return &MailTable{SQLite: path}, func(account string) (p string) {
				must(t, db.QueryRowContext(t.Context(), read, account).Scan(&p))
				return p
			}
		},
		"postgres": func(t *testing.T) (*MailTable, func(string) string) {
			address := testenv.Postgres(t)
			conn, err := pgx.Connect(t.Context(), address)
			must(t, err)
			t.Cleanup(func() { conn.Close(context.Background()) })
			for _, s := range []string{create, fill} {
				_, err := conn.Exec(t.Context(), s)
				must(t, err)
			}
			return &MailTable{PostgreSQL: address}, func(account string) (p string) {
				must(t, conn.QueryRow(t.Context(), read, account).Scan(&p))
				return p
			}
		},
	} {
		t.Run(engine, func(t *testing.T) {
			m, get := open(t)
			m.Of, m.Table, m.Account, m.Password = "dovecot", "users", "userid", "password"
			must(t, m.Deliver(t.Context(), idp.Account{Name: "wang"}, hash))
			must(t, m.Deliver(t.Context(), idp.Account{Name: "wang"}, hash)) // again is no error
			// A mailbox that is not there yet may be made within the day.
			for account, want := range map[string]error{"nobody": idp.ErrNotFound, "twice": directory.ErrUndeliverable, "x' OR 'a' = 'a": idp.ErrNotFound} {
				err := m.Deliver(t.Context(), idp.Account{Name: account}, hash)
				if !errors.Is(err, want) || errors.Is(err, directory.ErrUndeliverable) != (want == directory.ErrUndeliverable) {
					t.Errorf("%s: %v", account, err)
				}
			}
			if get("li") != "old" || get("twice") != "old" {
				t.Error("others were changed")
			}
			kept := get("wang")
			if kept != "{ARGON2ID}"+hash {
				t.Fatalf("kept %q", kept)
			}
			testenv.Need(t, "doveadm", "apt-get install dovecot-core")
			for password, right := range map[string]bool{"seven lanterns & fog 密": true, "wrong": false} {
				err := exec.CommandContext(t.Context(), "doveadm", "pw", "-t", kept, "-p", password).Run()
				if (err == nil) != right {
					t.Errorf("Dovecot on %q: %v", password, err)
				}
			}
		})
	}
	bad := &MailTable{Table: "users; DROP TABLE users", Account: "a", Password: "p"}
	if err := bad.Check(); err == nil {
		t.Error("a statement is a name")
	}
}
