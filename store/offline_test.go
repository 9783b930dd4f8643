package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/oidc"
)

// openSession is a session of the person, with evidence.
func openSession(t *testing.T, s *Store, id, person string, evidence ...idp.Evidence) {
	t.Helper()
	must(t, s.CreateSession(t.Context(), &idp.Session{ID: id, PersonID: person, Evidence: evidence,
		CreatedAt: noon, SeenAt: noon, EndsAt: noon.Add(12 * time.Hour)}, []byte("token of "+id), nil))
}

// offlineGrant is one that outlives that session, not kept yet.
func offlineGrant(id, session, person string) *oidc.Grant {
	return &oidc.Grant{ID: []byte(id), Kind: oidc.GrantCode, ClientID: "c", PersonID: person, SessionID: session, Scopes: "openid offline_access",
		CodeHash: []byte("code " + id), CodeEndsAt: noon.Add(time.Minute), Generation: 1, RefreshEndsAt: noon.Add(7 * 24 * time.Hour),
		EndsAt: noon.Add(30 * 24 * time.Hour), CreatedAt: noon}
}

func lives(t *testing.T, s *Store, id []byte) bool {
	t.Helper()
	g, _, err := s.GrantByID(t.Context(), id)
	must(t, err)
	return g.RevokedAt.IsZero()
}

// What outlives a session is made while the session lives: one node ends it while
// another goes on making grants.
func TestT155_NoOfflineGrantOfAnEndedSession(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		addPerson(t, nodes[0], "p1")
		for round := range 20 {
			session, act := fmt.Sprintf("s%d", round), fmt.Sprintf("act-%d", round)
			openSession(t, nodes[0], session, "p1", idp.Evidence{Method: idp.MethodPhone, At: noon, Device: "d1", Act: act})
			id := func(i int) string { return fmt.Sprintf("grant %02d/%07d", round, i) }
			errs := together(8, func(i int) error {
				if i == 7 {
					time.Sleep(time.Duration(round) * 200 * time.Microsecond)
					n, err := nodes[0].ReportAttempt(t.Context(), devicebind.Reported{Attempt: []byte(act), Act: act, DeviceID: "d1", PersonID: "p1", Used: true},
						noon, idp.Event{At: noon, Kind: "report"})
					if err == nil && n != 1 {
						err = fmt.Errorf("%d sessions ended", n)
					}
					return err
				}
				err := nodes[1].CreateGrant(t.Context(), offlineGrant(id(i), session, "p1"))
				if errors.Is(err, idp.ErrConflict) {
					err = nil
				}
				return err
			})
			for _, err := range errs {
				must(t, err)
			}
			for i := range 7 {
				g, _, err := nodes[0].GrantByID(t.Context(), []byte(id(i)))
				if err == nil && g.RevokedAt.IsZero() {
					t.Fatalf("round %d: a grant of the session that was reported lives for 30 days", round)
				}
			}
			if err := nodes[1].CreateGrant(t.Context(), offlineGrant(id(9), session, "p1")); !errors.Is(err, idp.ErrConflict) {
				t.Fatalf("after the end: %v", err)
			}
		}
	})
}

// A session is kept as long as what outlives it.
func TestPrune_KeepsTheSessionOfAnOfflineGrant(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		openSession(t, s, "with", "p1")
		openSession(t, s, "without", "p1")
		must(t, s.CreateGrant(t.Context(), offlineGrant("0123456789abcdef", "with", "p1")))
		count := func() (n int64) {
			must(t, s.read(t.Context(), func(r runner) error { return r.row(with("SELECT COUNT(*) FROM sessions"), &n) }))
			return n
		}
		must(t, second(s.Prune(t.Context(), noon.Add(29*24*time.Hour))))
		if n := count(); n != 1 {
			t.Errorf("%d sessions after 29 days", n)
		}
		must(t, second(s.Prune(t.Context(), noon.Add(31*24*time.Hour))))
		if n := count(); n != 0 {
			t.Errorf("%d sessions after 31 days", n)
		}
	})
}
