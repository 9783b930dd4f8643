package store

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
)

// testDatabase is a fresh database, of which open gives any number of stores.
type testDatabase struct {
	engine  string
	options Options
}

// eachEngine runs the test on a database of its own on each engine, with the schema
// in it: a copy, as migrating costs ten times as much.
func eachEngine(t *testing.T, test func(t *testing.T, d *testDatabase)) {
	t.Helper()
	migrated := func(o Options) error {
		s, err := Open(context.Background(), o)
		if err != nil {
			return err
		}
		return s.Close()
	}
	t.Run("sqlite", func(t *testing.T) {
		path := testenv.FileCopy(t, strangeName, func(path string) error { return migrated(Options{SQLite: path}) })
		test(t, &testDatabase{"sqlite", Options{SQLite: path, NoMigrate: true, Now: clock}})
	})
	t.Run("postgres", func(t *testing.T) {
		address := testenv.PostgresCopy(t, func(address string) error { return migrated(Options{PostgreSQL: address}) })
		test(t, &testDatabase{"postgres", Options{PostgreSQL: address, NoMigrate: true, Now: clock}})
	})
}

// eachEmpty runs the test on an empty database of each engine.
func eachEmpty(t *testing.T, test func(t *testing.T, d *testDatabase)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, freshSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, freshPostgres(t)) })
}

const strangeName = "it's 100% #1?.db"

func freshSQLite(t testing.TB) *testDatabase {
	return &testDatabase{"sqlite", Options{SQLite: filepath.Join(t.TempDir(), strangeName), Now: clock}}
}

func freshPostgres(t testing.TB) *testDatabase {
	return &testDatabase{"postgres", Options{PostgreSQL: testenv.Postgres(t), Now: clock}}
}

func (d *testDatabase) open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), d.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// noon is when the tests happen: a whole microsecond, as times are kept.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)

func clock() time.Time { return noon }

// storeTest runs the test on one store of each engine, with a person in it.
func storeTest(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		addPerson(t, s, "p1")
		test(t, s)
	})
}

func record(id string) directory.Record {
	return directory.Record{
		Person: idp.Person{ID: id, Subject: "sub-" + id, Name: "王小明", Agency: idp.Agency{Code: "379", Name: "資訊局"}, Unit: "一科", Title: "科員",
			Email: id + "@gov.taipei", Phone: "02", Address: "市府路1號", IDTail: "6789", State: idp.PersonEnabled, UpdatedAt: noon},
		Accounts:   []idp.Account{{Name: id + "-tpead", Kind: idp.AccountTPEAD, PersonID: id}, {Name: id, Kind: idp.AccountSingle, PersonID: id}},
		NationalID: []byte("sealed " + id), NationalIDHash: []byte("hash " + id), PasswordHash: "$argon2id$" + id,
	}
}

func addPerson(t testing.TB, s *Store, id string) {
	t.Helper()
	must(t, s.PutPerson(t.Context(), record(id)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// together runs n calls at once and returns their answers.
func together[T any](n int, call func(i int) T) []T {
	answers := make([]T, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			answers[i] = call(i)
		})
	}
	close(start)
	all.Wait()
	return answers
}

func split(errs []error) (succeeded int, failed []error) {
	for _, err := range errs {
		if err == nil {
			succeeded++
		} else {
			failed = append(failed, err)
		}
	}
	return succeeded, failed
}
