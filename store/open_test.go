package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func TestOpen_NeedsExactlyOneDatabase(t *testing.T) {
	for _, o := range []Options{{}, {SQLite: "a", PostgreSQL: "b"}} {
		if s, err := Open(t.Context(), o); err == nil {
			s.Close()
			t.Error("opened")
		}
	}
	_, err := Open(t.Context(), Options{PostgreSQL: "postgres://someone:secret@[nonsense"})
	if err == nil || len(err.Error()) > 60 {
		t.Errorf("an address may hold a password: %v", err)
	}
	_, err = Open(t.Context(), Options{PostgreSQL: "host=/nonexistent user=x connect_timeout=1"})
	if !errors.Is(err, idp.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
	_, err = Open(t.Context(), Options{SQLite: "/dev/null/x.db"})
	if err == nil {
		t.Error("opened below a device")
	}
}

func TestOpen_ManyNodesMigrateAtOnce(t *testing.T) {
	eachEmpty(t, func(t *testing.T, d *testDatabase) {
		stores := together(8, func(i int) *Store {
			s, err := Open(t.Context(), d.options)
			if err != nil {
				t.Error(err)
				return nil
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
		if t.Failed() {
			return
		}
		for i, s := range stores {
			must(t, s.Ping(t.Context()))
			addPerson(t, s, fmt.Sprint("p", i))
		}
		if n := personCount(t, stores[0]); n != 8 {
			t.Fatal(n)
		}
		// Once more is nothing.
		must(t, stores[0].Migrate(t.Context()))
	})
}

func TestOpen_WithoutMigrating(t *testing.T) {
	eachEmpty(t, func(t *testing.T, d *testDatabase) {
		d.options.NoMigrate = true
		s := d.open(t)
		if err := s.Record(t.Context(), idp.Event{At: noon}); err == nil {
			t.Fatal("there is no table")
		}
		must(t, s.Migrate(t.Context()))
		must(t, s.Record(t.Context(), idp.Event{At: noon}))
	})
}

func TestOpen_SQLiteIsOursAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such permissions")
	}
	d := freshSQLite(t)
	s := d.open(t)
	addPerson(t, s, "p1")
	for _, end := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(d.options.SQLite + end)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", info.Name(), info.Mode())
		}
	}
}

func TestSQLite_SyncsItsLog(t *testing.T) {
	s := freshSQLite(t).open(t)
	must(t, s.write(t.Context(), func(r runner) error {
		for q, want := range map[query]string{`PRAGMA journal_mode`: "wal", `PRAGMA synchronous`: "2", `PRAGMA foreign_keys`: "1", `PRAGMA page_size`: "2048"} {
			var got string
			if err := r.row(with(q), &got); err != nil || got != want {
				t.Errorf("%s = %q, %v", q, got, err)
			}
		}
		return nil
	}))
}

// What another process changes is seen at once: an operator unlocks a name
// while the server runs.
func TestOpen_SeesAnotherProcess(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		server, command := d.open(t), d.open(t)
		for i := range 5 {
			reserve(t, server, try("a", "p", time.Duration(i)))
		}
		must(t, command.Unlock(t.Context(), []string{"name a", "person p"}, idp.Event{At: noon, Kind: "unlock", Actor: "helpdesk", Detail: "asked by telephone"}))
		if res := reserve(t, server, try("a", "p", time.Second)); !res.May() {
			t.Fatalf("%+v", res)
		}
	})
}

func TestWrite_GivenUpBeforeItStarted(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, err := range map[string]error{
			"one":   s.NoteSource(ctx, "a", "b", noon),
			"all":   s.Record(ctx, idp.Event{At: noon}, idp.Event{At: noon}),
			"write": second(s.EndSession(ctx, "s", noon)),
			"read":  second(s.Person(ctx, "p")),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n, err := s.SourceNames(t.Context(), "a", noon, 10); err != nil || n != 0 {
			t.Fatal(n, err)
		}
	})
}

// A write that fails is undone alone: its neighbours in the group are kept.
func TestWrite_FailsAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		addPerson(t, s, "p1")
		errs := together(200, func(i int) error {
			g := codeGrant(int64(i / 2)) // each twice
			if i%4 < 2 {
				return s.CreateGrant(t.Context(), g)
			}
			return s.CreateGrant(t.Context(), g, idp.Event{At: noon, Kind: "grant"})
		})
		for code := range 100 {
			first, other := errs[2*code], errs[2*code+1]
			if (first == nil) == (other == nil) {
				t.Fatalf("code %d: %v, %v", code, first, other)
			}
			if _, _, err := s.GrantByCode(t.Context(), codeGrant(int64(code)).ID, hash('c', int64(code))); err != nil {
				t.Fatal(err)
			}
		}
		events, err := s.Events(t.Context(), EventFilter{})
		if err != nil || len(events) != 50 {
			t.Fatalf("%d events, %v", len(events), err)
		}
	})
}

// Whoever is waiting when the store is closed is either answered or told so.
func TestClose_AnswersEverybody(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		addPerson(t, s, "p1")
		errs := together(128, func(i int) error {
			if i == 64 {
				return s.Close()
			}
			return s.CreateGrant(t.Context(), codeGrant(int64(i)))
		})
		again := d.open(t)
		for i, err := range errs {
			if i == 64 {
				must(t, err)
				continue
			}
			_, _, found := again.GrantByCode(t.Context(), codeGrant(int64(i)).ID, hash('c', int64(i)))
			if err == nil && found != nil {
				t.Fatalf("acknowledged and lost: %v", found)
			}
			if err != nil && !errors.Is(err, idp.ErrUnavailable) {
				t.Fatal(err)
			}
		}
	})
}

func TestStats_OneWritePerStep(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		g := codeGrant(1)
		measure := func(run func()) Stats {
			before := s.Stats()
			run()
			after := s.Stats()
			return Stats{Reads: after.Reads - before.Reads, Writes: after.Writes - before.Writes, Transactions: after.Transactions - before.Transactions}
		}
		got := measure(func() { must(t, s.CreateGrant(t.Context(), g)) })
		if want := (Stats{Writes: 1, Transactions: 1}); got != want {
			t.Errorf("create: %+v", got)
		}
		got = measure(func() {
			_, _, err := s.GrantByCode(t.Context(), g.ID, g.CodeHash)
			must(t, err)
			must(t, s.RedeemCode(t.Context(), oidc.Issue{GrantID: g.ID, Generation: 1, AccessHash: hash('a', 1), At: noon}))
		})
		if want := (Stats{Reads: 1, Writes: 1, Transactions: 1}); got != want {
			t.Errorf("redeem: %+v", got)
		}
	})
}
