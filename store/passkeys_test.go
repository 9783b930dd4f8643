package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

func addPasskey(t *testing.T, s *Store, id []byte) {
	t.Helper()
	must(t, s.AddPasskey(t.Context(), &devicebind.Passkey{ID: id, PersonID: "p1", Name: "筆電", Sealed: []byte("x"), CreatedAt: noon},
		append([]byte("challenge"), id...), noon.Add(time.Minute), devicebind.With{}))
}

func byPasskey(session string, id []byte) *idp.Session {
	s := aSession(session)
	s.Evidence = []idp.Evidence{{Method: idp.MethodPasskey, At: noon, Passkey: passkeyName(id)}}
	return s
}

// TestRemovePasskey_EndsWhatItOpened: who has a stolen passkey removed has the
// thief out, with every token, and their browser forgotten.
func TestRemovePasskey_EndsWhatItOpened(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		// In base64url "-__-" and "-_A-": a wildcard would find the other one, too.
		stolen, kept := []byte{0xfb, 0xff, 0xfe}, []byte{0xfb, 0xf0, 0x3e}
		addPasskey(t, s, stolen)
		addPasskey(t, s, kept)
		for session, id := range map[string][]byte{"thief": stolen, "owner": kept} {
			must(t, s.CreateSession(t.Context(), byPasskey(session, id), []byte(session), nil))
			sessionGrant(t, s, session+"1", session, "mail", "openid")
			sessionGrant(t, s, session+"2", session, "mail", "openid offline_access")
		}
		must(t, s.RememberBrowser(t.Context(), "p1", []byte("browser"), noon))
		if err := s.RemovePasskey(t.Context(), stolen, "p2", noon, devicebind.With{}); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("another person's: %v", err)
		}
		must(t, s.RemovePasskey(t.Context(), stolen, "", noon.Add(time.Second), devicebind.With{}))
		if _, _, err := s.Session(t.Context(), []byte("thief")); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the passkey's session goes on: %v", err)
		}
		if _, _, err := s.Session(t.Context(), []byte("owner")); err != nil {
			t.Errorf("the other passkey's session: %v", err)
		}
		for id, want := range map[string]bool{"thief1": true, "thief2": true, "owner1": false, "owner2": false} {
			if revoked(t, s, id) != want {
				t.Errorf("grant %s revoked: %v", id, !want)
			}
		}
		if _, err := s.KnownBrowser(t.Context(), "p1", []byte("browser")); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the browser is known: %v", err)
		}
	})
}

// TestRemovePasskey_RaceWithItsLogin: another node removes it between the look at
// the answer and the session.
func TestRemovePasskey_RaceWithItsLogin(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		here, there := d.open(t), d.open(t)
		addPerson(t, here, "p1")
		refused := func(err error) {
			t.Helper()
			if !errors.Is(err, idp.Denied{Reason: devicebind.ReasonPasskey}) {
				t.Fatalf("the session is kept: %v", err)
			}
		}
		must(t, here.CreateSession(t.Context(), aSession("before"), []byte("before"), nil))
		refused(here.CreateSession(t.Context(), byPasskey("late", []byte("gone")), []byte("late"), nil))
		refused(here.RenewSession(t.Context(), []byte("before"), []byte("raised"), byPasskey("before", []byte("gone")).Evidence, noon))
		for i := range 20 {
			id, session := fmt.Appendf(nil, "key %d", i), fmt.Sprint("s", i)
			addPasskey(t, here, id)
			errs := together(2, func(k int) error {
				if k == 0 {
					return there.RemovePasskey(t.Context(), id, "p1", noon, devicebind.With{})
				}
				return here.CreateSession(t.Context(), byPasskey(session, id), []byte(session), nil)
			})
			must(t, errs[0])
			if errs[1] != nil {
				refused(errs[1])
			}
			if _, _, err := here.Session(t.Context(), []byte(session)); !errors.Is(err, idp.ErrNotFound) {
				t.Fatalf("the passkey's session goes on: %v", err)
			}
		}
	})
}
