package store

import (
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// TestBindFirst_WaitsFromTheBeginningOfAReset: the directory may have an
// administrator's password before we know that it does, and for ever if nobody
// can say.
func TestBindFirst_WaitsFromTheBeginningOfAReset(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		bind := func() error {
			return s.BindFirst(t.Context(), &idp.Card{ID: "c1", PersonID: "p1", IssuerKeyID: "k", SubjectSerial: "1", Fingerprint: "f",
				NotAfter: noon.Add(time.Hour), BoundAt: noon})
		}
		begin := func(id string, reset bool) {
			t.Helper()
			must(t, s.BeginPassword(t.Context(), directory.Intent{
				ID: id, PersonID: "p1", Account: "p1-tpead", Secret: []byte("sealed"), MadeAt: noon, DueAt: noon.Add(time.Minute), EndsAt: noon.Add(time.Hour),
				New: directory.NewPassword{PersonID: "p1", Reset: reset, Actor: "operator:alice", At: noon, Sealed: []byte("s"), Keep: 3},
			}))
		}
		open := func() (n int64) {
			t.Helper()
			must(t, s.read(t.Context(), func(r runner) error {
				return r.row(with(query("SELECT COUNT(*) FROM admin_changes WHERE settled_at = 0")), &n)
			}))
			return n
		}
		begin("i1", true)
		if err := bind(); !errors.Is(err, directory.ErrSecond) {
			t.Fatalf("while a reset is under way: %v", err)
		}
		must(t, s.DropIntent(t.Context(), "i1", "")) // it changed nothing
		begin("i2", true)
		must(t, s.SetPassword(t.Context(), directory.NewPassword{
			PersonID: "p1", Reset: true, Actor: "operator:alice", At: noon, Sealed: []byte("s"), Keep: 3, Intent: "i2",
		}))
		if n := open(); n != 1 {
			t.Errorf("one reset is noted %d times", n)
		}
		begin("i3", true)
		must(t, s.GiveUpIntent(t.Context(), "i3", "", noon))
		if err := bind(); !errors.Is(err, directory.ErrSecond) || open() != 2 {
			t.Errorf("nobody knows whether it was set: %v", err)
		}
	})
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.BeginPassword(t.Context(), directory.Intent{
			ID: "i1", PersonID: "p1", Account: "p1-tpead", Secret: []byte("sealed"), MadeAt: noon, DueAt: noon, EndsAt: noon,
			New: directory.NewPassword{PersonID: "p1", At: noon},
		}))
		must(t, s.BindFirst(t.Context(), &idp.Card{ID: "c1", PersonID: "p1", IssuerKeyID: "k", SubjectSerial: "1", Fingerprint: "f", NotAfter: noon, BoundAt: noon}))
	})
}
