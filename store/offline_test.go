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
					if err == nil && n.Sessions != 1 {
						err = fmt.Errorf("%d sessions ended", n.Sessions)
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

// A card or phone that is taken from its person leaves nothing of what it opened,
// not what outlives its session and not of a session that was logged out of.
func TestT034_CardOrPhoneTakenAwayEndsWhatItOpened(t *testing.T) {
	type world struct {
		s      *Store
		at     time.Time
		phones []string
	}
	takes := map[string]func(t *testing.T, w *world){
		"card": func(t *testing.T, w *world) { must(t, w.s.UnbindCard(t.Context(), "k_1", w.at)) },
		"phone": func(t *testing.T, w *world) {
			must(t, w.s.RevokeDevice(t.Context(), w.phones[0], "p1", w.at, devicebind.With{}))
		},
		"suspended": func(t *testing.T, w *world) {
			must(t, w.s.SuspendDevice(t.Context(), w.phones[0], w.at, devicebind.With{}))
		},
	}
	ended := map[string]map[string]bool{
		"card": {"card": true, "raised": true, "of card": true}, "phone": {"of card": true}, "suspended": {"of card": true},
	}
	for name, take := range takes {
		t.Run(name, func(t *testing.T) {
			storeTest(t, func(t *testing.T, s *Store) {
				must(t, s.BindCard(t.Context(), aCard("k_1", "p1", "1111")))
				w := &world{s, noon.Add(time.Hour), []string{"d_1", "dx1"}}
				for i, id := range w.phones {
					must(t, s.write(t.Context(), func(r runner) error {
						_, err := r.exec(with(insertDevice, id, "p1", []string{"k_1", ""}[i], "x", "x", "pin", []byte("c"), []byte("s"), int64(1), int64(9e15), int64(0)))
						return err
					}))
				}
				var opened []string
				for how, evidence := range map[string][]idp.Evidence{
					"card": {{Method: idp.MethodCard, At: noon, Card: "k_1"}}, "password": {{Method: idp.MethodPassword, At: noon}},
					"raised":    {{Method: idp.MethodCard, At: noon, Card: "k_1"}, {Method: idp.MethodPassword, At: noon}},
					"of card":   {{Method: idp.MethodPhone, At: noon, Device: "d_1", Act: "a_1"}},
					"of nobody": {{Method: idp.MethodPhone, At: noon, Device: "dx1", Act: "a_2"}},
				} {
					for _, out := range []bool{false, true} {
						id := fmt.Sprintf("%s %v", how, out)
						openSession(t, s, id, "p1", evidence...)
						must(t, s.CreateGrant(t.Context(), offlineGrant(id, id, "p1")))
						if out {
							must(t, second(s.EndSession(t.Context(), id, noon)))
						}
						opened = append(opened, how)
					}
				}
				take(t, w)
				for _, how := range opened {
					for _, out := range []bool{false, true} {
						id := fmt.Sprintf("%s %v", how, out)
						if lives(t, s, []byte(id)) == ended[name][how] {
							t.Errorf("opened by %s, logged out %v: lives is not %v", how, out, !ended[name][how])
						}
						if _, _, err := s.Session(t.Context(), []byte("token of "+id)); !out && (err == nil) == ended[name][how] {
							t.Errorf("the session opened by %s: %v", how, err)
						}
					}
				}
			})
		})
	}
}
