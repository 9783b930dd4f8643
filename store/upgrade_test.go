package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Each release's schema, with rows, is upgraded to today's, and what was in it
// is read by today's code.
func TestUpgrade_FromEveryRelease(t *testing.T) {
	files, err := filepath.Glob("testdata/schema-*-with-rows.sql")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no schema kept")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			eachEmpty(t, func(t *testing.T, d *testDatabase) {
				tables := d.restore(t, file)
				s := d.open(t)
				for _, table := range tables {
					var n int64
					must(t, s.read(t.Context(), func(r runner) error { return r.row(with(query("SELECT COUNT(*) FROM "+table)), &n) }))
					if n == 0 {
						t.Errorf("%s: its rows are gone", table)
					}
				}
				checkReleaseOne(t, s)
			})
		})
	}
}

// restore makes a database as the release of that file left it.
func (d *testDatabase) restore(t *testing.T, file string) (tables []string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	text, dialect := string(raw), database.DialectSQLite3
	var db *sql.DB
	if d.engine == "postgres" {
		text, dialect = regexp.MustCompile(`X'([0-9a-f]*)'`).ReplaceAllString(text, `'\x$1'`), database.DialectPostgres
		d.options.NoMigrate = true
		s := d.open(t)
		db = stdlib.OpenDBFromPool(s.engine.(*pgEngine).pool)
	} else {
		db, err = sql.Open("sqlite", liteAddress(d.options.SQLite, writing))
		must(t, err)
	}
	d.options.NoMigrate = false
	defer db.Close()
	_, err = db.Exec(text)
	must(t, err)
	var version int64
	_, err = fmt.Sscanf(filepath.Base(file), "schema-%d-", &version)
	must(t, err)
	versions, err := database.NewStore(dialect, versionTable)
	must(t, err)
	must(t, versions.CreateVersionTable(t.Context(), db))
	for v := range version + 1 {
		must(t, versions.Insert(t.Context(), db, database.InsertRequest{Version: v}))
	}
	for _, match := range regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`).FindAllStringSubmatch(text, -1) {
		tables = append(tables, match[1])
	}
	return tables
}

func checkReleaseOne(t *testing.T, s *Store) {
	t.Helper()
	now := time.UnixMicro(1800000000000000)
	p, err := s.Person(t.Context(), "p1")
	if err != nil || p.Name != "王小明" || p.Agency.Name != "資訊局" || p.State != idp.PersonEnabled {
		t.Errorf("person %+v %v", p, err)
	}
	session, _, err := s.Session(t.Context(), []byte{0x11, 0x11})
	if err != nil || session.Evidence[0].Card != "k1" {
		t.Errorf("session %+v %v", session, err)
	}
	g, _, err := s.GrantByAccess(t.Context(), []byte{0x44, 0x44}, []byte{0x66, 0x66})
	if err != nil || g.Generation != 2 || g.SessionID != "s1" {
		t.Errorf("grant %+v %v", g, err)
	}
	c, err := s.Client(t.Context(), "documents")
	if err != nil || !c.FirstParty || strings.Join(c.RedirectURIs, " ") != "https://rp.example/cb" {
		t.Errorf("client %+v %v", c, err)
	}
	k, err := s.Keys().SigningKeys(t.Context(), now)
	if err != nil || len(k) != 1 || k[0].KID != "kid1" {
		t.Errorf("keys %+v %v", k, err)
	}
	until, _, err := s.LockedUntil(t.Context(), "person p1", now, policy.CityLockout())
	if err != nil || until.IsZero() {
		t.Errorf("lock %v %v", until, err)
	}
	must(t, s.FinishFlow(t.Context(), []byte{0x22, 0x22}, []byte{0x33, 0x33}, now))
	if _, err := s.UseChallenge(t.Context(), []byte{0xbb, 0xbb}, []byte{0x33, 0x33}, now); err != nil {
		t.Errorf("challenge %v", err)
	}
	if pending, err := s.TakePending(t.Context(), []byte{0xdd, 0xdd}, "s1", now); err != nil || pending.Card.ID != "k1" {
		t.Errorf("pending %+v %v", pending, err)
	}
	if scopes, err := s.Consent(t.Context(), "p1", "documents"); err != nil || len(scopes) != 2 {
		t.Errorf("consent %v %v", scopes, err)
	}
	if cards, err := s.CardsOf(t.Context(), "p1"); err != nil || len(cards) != 1 {
		t.Errorf("cards %v %v", cards, err)
	}
	if events, err := s.Events(t.Context(), EventFilter{PersonID: "p1", Since: time.UnixMicro(1600000000000000)}); err != nil || len(events) != 1 {
		t.Errorf("events %v %v", events, err)
	}
}

// The kept schema of the newest version and the migrations end in the same
// tables: what is tested is what is deployed.
func TestUpgrade_NewestSchemaIsKept(t *testing.T) {
	provider, err := newProvider(goose.DialectSQLite3, new(sql.DB), nil)
	must(t, err)
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	if _, err := os.Stat(fmt.Sprintf("testdata/schema-%03d-with-rows.sql", newest)); err != nil {
		t.Errorf("keep the schema of version %d with rows: %v", newest, err)
	}
}
