package directory_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// world is one database with one person in it and any number of nodes.
type world struct {
	t     *testing.T
	now   atomic.Int64
	open  func() *store.Store
	names policy.Names
	hash  string
	looks *looks
	*directory.Gate
}

// looks counts how often a person's password was read to be looked at.
type looks struct {
	directory.Accounts
	n      atomic.Int64
	fail   atomic.Bool
	before func() // before a look
}

func (l *looks) PasswordHash(ctx context.Context, personID string) (string, error) {
	if l.before != nil {
		l.before()
	}
	if l.fail.Load() {
		return "", fmt.Errorf("directory: %w", idp.ErrUnavailable)
	}
	if personID != "" {
		l.n.Add(1)
	}
	return l.Accounts.PasswordHash(ctx, personID)
}

func testKey(context string, data []byte) []byte {
	m := hmac.New(sha256.New, []byte("test key/"+context))
	m.Write(data)
	return m.Sum(nil)
}

func eachWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, storetest.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { test(t, newWorld(t, storetest.PostgreSQL(t))) })
}

const rightPassword = "Right-2026!"

func newWorld(t *testing.T, options store.Options) *world {
	w := &world{t: t, names: policy.Names{Domains: []string{"TPEAD"}, Suffixes: []string{"tpead.gov.taipei"}}}
	w.now.Store(noon.UnixMicro())
	w.open = func() *store.Store {
		s, err := store.Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := w.open()
	w.Gate = w.node(s)
	hash, err := w.Hasher.Hash(t.Context(), rightPassword)
	if err != nil {
		t.Fatal(err)
	}
	w.hash = hash
	w.add("p1", "ab1234", "wang.daming", "GEAA-000001")
	return w
}

func (w *world) add(id, single, portal, tpead string) {
	r := directory.Registrar{
		Accounts: w.Gate.Accounts, Names: w.names, Key: testKey, Now: w.clock,
		Seal: func(plain []byte, _ string) []byte { return plain },
	}
	_, err := r.Put(w.t.Context(), directory.NewPerson{
		Person: idp.Person{ID: id, Name: "王大明", Agency: idp.Agency{Code: "GEAA", Name: "資訊局"}},
		Accounts: []idp.Account{{Name: portal, Kind: idp.AccountPortal}, {Name: tpead, Kind: idp.AccountTPEAD},
			{Name: single, Kind: idp.AccountSingle}, {Name: portal + ".mail", Kind: idp.AccountMail}},
		PasswordHash: w.hash,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clock() time.Time           { return time.UnixMicro(w.now.Load()).UTC() }
func (w *world) pass(d time.Duration)       { w.now.Add(d.Microseconds()) }
func (w *world) at(d time.Duration)         { w.now.Store(noon.Add(d).UnixMicro()) }
func (w *world) context() context.Context   { return from("10.1.2.3") }
func (w *world) try(name, pw string) string { return outcome(w.CheckPassword(w.context(), name, pw)) }

func (w *world) node(s *store.Store) *directory.Gate {
	w.looks = &looks{Accounts: s}
	return &directory.Gate{
		Accounts: w.looks, Tries: s, Hasher: directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1, Waiting: 1000, Wait: time.Minute}),
		Names: w.names, Rules: policy.CityLockout(), Key: testKey, Record: s.Record, Now: w.clock,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func from(address string) context.Context {
	return idp.WithOrigin(context.Background(), idp.Origin{RequestID: "r", Address: netip.MustParseAddr(address)})
}

// outcome is "ok", the reason, or "locked until" with the time since noon.
func outcome(p *idp.Person, err error) string {
	var r *directory.Refusal
	switch {
	case err == nil && p != nil:
		return "ok"
	case errors.As(err, &r) && r.Reason == idp.ReasonLocked:
		return "locked until " + r.Until.Sub(noon).String()
	case errors.As(err, &r):
		return string(r.Reason)
	}
	return fmt.Sprint(err)
}

func (w *world) want(got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("got %q, want %q", got, want)
	}
}
