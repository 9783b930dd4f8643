package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func aSession(id string) *idp.Session {
	return &idp.Session{ID: id, PersonID: "p1", Evidence: []idp.Evidence{{Method: idp.MethodPassword, At: noon}}, CreatedAt: noon, SeenAt: noon,
		EndsAt: noon.Add(12 * time.Hour), Address: "192.0.2.1", UserAgent: "Mozilla \xff"}
}

func TestSession_ComesBackWhole(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		want := aSession("s1")
		must(t, s.CreateSession(t.Context(), want, []byte("t1"), nil, idp.Event{At: noon, Kind: "login"}))
		want.UserAgent = "Mozilla \ufffd"
		got, p, err := s.Session(t.Context(), []byte("t1"))
		must(t, err)
		if !reflect.DeepEqual(got, want) || p.ID != "p1" || p.Agency.Name != "資訊局" {
			t.Fatalf("%+v %+v", got, p)
		}
		must(t, s.TouchSession(t.Context(), "s1", noon.Add(time.Minute)))
		must(t, s.TouchSession(t.Context(), "s1", noon)) // never back
		got, _, err = s.Session(t.Context(), []byte("t1"))
		must(t, err)
		if !got.SeenAt.Equal(noon.Add(time.Minute)) {
			t.Fatal(got.SeenAt)
		}
		for _, token := range [][]byte{nil, {}, []byte("t")} {
			if _, _, err := s.Session(t.Context(), token); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%v: %v", token, err)
			}
		}
	})
}

func TestCreateSession_EndsTheOneItReplaces(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.CreateSession(t.Context(), aSession("s1"), []byte("t1"), nil))
		must(t, s.CreateSession(t.Context(), aSession("s2"), []byte("t2"), []byte("t1")))
		must(t, s.CreateSession(t.Context(), aSession("s3"), []byte("t3"), []byte("unknown")))
		if _, _, err := s.Session(t.Context(), []byte("t1")); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		// A token twice: nothing of it is kept, the old session goes on.
		if err := s.CreateSession(t.Context(), aSession("s4"), []byte("t3"), []byte("t2"), idp.Event{At: noon, Kind: "lost"}); err == nil {
			t.Fatal("one token for two sessions")
		}
		if _, _, err := s.Session(t.Context(), []byte("t2")); err != nil {
			t.Fatal(err)
		}
		list, err := s.PersonSessions(t.Context(), "p1", noon)
		must(t, err)
		if len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		list, err = s.PersonSessions(t.Context(), "p1", noon.Add(12*time.Hour))
		if err != nil || len(list) != 0 {
			t.Fatalf("past their end: %+v %v", list, err)
		}
	})
}

func TestRenewSession_OnlyFromTheLiveToken(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		s := nodes[0]
		addPerson(t, s, "p1")
		must(t, s.CreateSession(t.Context(), aSession("s1"), []byte("old"), nil))
		must(t, s.BindCard(t.Context(), aCard("k", "p1", "1111")))
		card := []idp.Evidence{{Method: idp.MethodCard, At: noon, Card: "k"}}
		succeeded, failed := split(together(32, func(i int) error {
			return nodes[i%2].RenewSession(t.Context(), []byte("old"), []byte{byte(i)}, card, noon.Add(time.Minute), idp.Event{At: noon, Kind: "stepup"})
		}))
		if succeeded != 1 || !errors.Is(failed[0], idp.ErrConflict) {
			t.Fatalf("%d, %v", succeeded, failed[0])
		}
		if _, _, err := s.Session(t.Context(), []byte("old")); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		list, err := s.PersonSessions(t.Context(), "p1", noon)
		must(t, err)
		if len(list) != 1 || !reflect.DeepEqual(list[0].Evidence, card) {
			t.Fatalf("%+v", list)
		}
		events, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
	})
}

func sessionGrant(t *testing.T, s *Store, id, session, client, scopes string) {
	t.Helper()
	g := fullGrant()
	g.ID, g.CodeHash, g.AccessHash, g.SessionID, g.ClientID, g.Scopes = []byte(id), []byte("c"+id), []byte("a"+id), session, client, scopes
	must(t, s.CreateGrant(t.Context(), g))
}

func revoked(t *testing.T, s *Store, id string) bool {
	t.Helper()
	g, _, err := s.GrantByID(t.Context(), []byte(id))
	must(t, err)
	return !g.RevokedAt.IsZero()
}

func TestEndSession_EndsItsGrantsButOfflineOnes(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.CreateSession(t.Context(), aSession("s1"), []byte("t1"), nil))
		sessionGrant(t, s, "1", "s1", "mail", "openid")
		sessionGrant(t, s, "2", "s1", "documents", "openid offline_access")
		sessionGrant(t, s, "3", "s1", "mail", "not_offline_access")
		sessionGrant(t, s, "4", "other", "attendance", "openid")
		must(t, s.CreateGrant(t.Context(), &oidc.Grant{ID: []byte("5"), Kind: oidc.GrantClient, ClientID: "service", CreatedAt: noon}))
		for range 2 {
			clients, err := s.EndSession(t.Context(), "s1", noon, idp.Event{At: noon, Kind: "logout"})
			if err != nil || !reflect.DeepEqual(clients, []string{"documents", "mail"}) {
				t.Fatal(clients, err)
			}
		}
		for id, want := range map[string]bool{"1": true, "2": false, "3": true, "4": false, "5": false} {
			if revoked(t, s, id) != want {
				t.Errorf("grant %s: revoked is not %v", id, want)
			}
		}
		if _, _, err := s.Session(t.Context(), []byte("t1")); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		// An empty ID, as client credentials have, is nobody's session.
		if clients, err := s.EndSession(t.Context(), "", noon); err != nil || len(clients) != 0 || revoked(t, s, "5") {
			t.Fatal(clients, err)
		}
		if err := s.RenewSession(t.Context(), []byte("t1"), []byte("t2"), nil, noon); !errors.Is(err, idp.ErrConflict) {
			t.Fatalf("an ended session was renewed: %v", err)
		}
	})
}
