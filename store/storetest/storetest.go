package storetest

import (
	"context"
	"testing"

	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/store"
)

// SQLite is a database of the test's own.
func SQLite(t testing.TB) store.Options {
	t.Helper()
	return store.Options{NoMigrate: true, SQLite: testenv.FileCopy(t, "idp.db", func(path string) error {
		return migrate(store.Options{SQLite: path})
	})}
}

// PostgreSQL is one on the private server of the test process.
func PostgreSQL(t testing.TB) store.Options {
	t.Helper()
	return store.Options{NoMigrate: true, PostgreSQL: testenv.PostgresCopy(t, func(address string) error {
		return migrate(store.Options{PostgreSQL: address})
	})}
}

func migrate(o store.Options) error {
	s, err := store.Open(context.Background(), o)
	if err != nil {
		return err
	}
	return s.Close()
}
