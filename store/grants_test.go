package store

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func fullGrant() *oidc.Grant {
	return &oidc.Grant{ID: []byte("0123456789abcdef"), Kind: oidc.GrantCode, ClientID: "documents", PersonID: "p1", SessionID: "s1",
		Scopes: "openid profile", Request: []byte(`{"nonce":"n"}`), CodeHash: []byte("code"), CodeEndsAt: noon.Add(time.Minute),
		AccessHash: []byte("access"), AccessEndsAt: noon.Add(time.Hour), Generation: 3, RotatedAt: noon.Add(-time.Second),
		RefreshEndsAt: noon.Add(2 * time.Hour), EndsAt: noon.Add(24 * time.Hour), CreatedAt: noon}
}

func TestGrant_ComesBackWhole(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		want := fullGrant()
		must(t, s.CreateGrant(t.Context(), want, idp.Event{At: noon, Kind: "grant", PersonID: "p1"}))
		for name, get := range map[string]func() (*oidc.Grant, *idp.Person, error){
			"id":   func() (*oidc.Grant, *idp.Person, error) { return s.GrantByID(t.Context(), want.ID) },
			"code": func() (*oidc.Grant, *idp.Person, error) { return s.GrantByCode(t.Context(), want.ID, want.CodeHash) },
			"access": func() (*oidc.Grant, *idp.Person, error) {
				return s.GrantByAccess(t.Context(), want.ID, want.AccessHash)
			},
		} {
			got, p, err := get()
			must(t, err)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("by %s: %+v", name, got)
			}
			if p.Name != "王小明" || p.Agency.Code != "379" || p.Agency.Name != "資訊局" || p.State != idp.PersonEnabled || p.Username != "p1" {
				t.Errorf("by %s: person %+v", name, p)
			}
		}
		events, err := s.Events(t.Context(), EventFilter{PersonID: "p1"})
		must(t, err)
		if len(events) != 1 || events[0].Kind != "grant" {
			t.Errorf("events %+v", events)
		}
	})
}

func TestGrant_UnknownIsNotFound(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.CreateGrant(t.Context(), &oidc.Grant{ID: []byte("a"), Kind: oidc.GrantClient, ClientID: "c", AccessHash: []byte("hash"), CreatedAt: noon}))
		for _, h := range [][]byte{nil, {}, []byte("x")} {
			for _, get := range []func([]byte) error{
				func(h []byte) error { _, _, err := s.GrantByID(t.Context(), h); return err },
				func(h []byte) error { _, _, err := s.GrantByCode(t.Context(), []byte("a"), h); return err },
				func(h []byte) error { _, _, err := s.GrantByAccess(t.Context(), []byte("a"), h); return err },
				func(h []byte) error { _, _, err := s.GrantByAccess(t.Context(), h, []byte("hash")); return err },
			} {
				if err := get(h); !errors.Is(err, idp.ErrNotFound) {
					t.Errorf("%v: %v", h, err)
				}
			}
		}
	})
}

func TestGrant_OfAClientHasNoPerson(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for _, id := range []string{"a", "b"} {
			must(t, s.CreateGrant(t.Context(), &oidc.Grant{ID: []byte(id), Kind: oidc.GrantClient, ClientID: "c", AccessHash: []byte(id),
				AccessEndsAt: noon.Add(time.Hour), EndsAt: noon.Add(time.Hour), CreatedAt: noon}))
		}
		g, p, err := s.GrantByAccess(t.Context(), []byte("b"), []byte("b"))
		must(t, err)
		if p != nil || g.CodeHash != nil || string(g.ID) != "b" || !g.CodeEndsAt.IsZero() {
			t.Fatalf("%+v %+v", g, p)
		}
	})
}

func TestGrant_OfADisabledPersonSaysSo(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		g := fullGrant()
		must(t, s.CreateGrant(t.Context(), g))
		must(t, s.SetState(t.Context(), "p1", idp.PersonDisabled, noon, idp.Event{At: noon, Kind: "disable"}))
		_, p, err := s.GrantByAccess(t.Context(), g.ID, g.AccessHash)
		must(t, err)
		if p.State != idp.PersonDisabled {
			t.Fatal(p.State)
		}
	})
}

func TestCreateGrant_KeepsNothingWithoutItsEvents(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		g := fullGrant()
		must(t, s.CreateGrant(t.Context(), g))
		if err := s.CreateGrant(t.Context(), fullGrant(), idp.Event{At: noon, Kind: "lost"}); err == nil {
			t.Fatal("the same grant twice")
		}
		events, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(events) != 0 {
			t.Fatalf("an event of what did not happen: %+v", events)
		}
	})
}

func redemption(id []byte, access string) oidc.Issue {
	return oidc.Issue{GrantID: id, Generation: 1, AccessHash: []byte(access), AccessEndsAt: noon.Add(time.Hour), RefreshEndsAt: noon.Add(2 * time.Hour), At: noon}
}

func TestRedeemCode_OnlyAFreshUnusedCode(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		fresh := func(id string, change func(*oidc.Grant)) []byte {
			g := &oidc.Grant{ID: []byte(id), Kind: oidc.GrantCode, ClientID: "c", PersonID: "p1", CodeHash: []byte("code " + id),
				CodeEndsAt: noon.Add(time.Minute), EndsAt: noon.Add(24 * time.Hour), CreatedAt: noon}
			change(g)
			must(t, s.CreateGrant(t.Context(), g))
			return g.ID
		}
		used := fresh("used", func(g *oidc.Grant) {})
		must(t, s.RedeemCode(t.Context(), redemption(used, "first")))
		revoked := fresh("revoked", func(g *oidc.Grant) {})
		must(t, s.RevokeGrant(t.Context(), revoked, noon))
		for name, id := range map[string][]byte{
			"used":    used,
			"revoked": revoked,
			"at end":  fresh("end", func(g *oidc.Grant) { g.CodeEndsAt = noon }),
			"no code": fresh("none", func(g *oidc.Grant) { g.CodeHash = nil }),
			"unknown": []byte("unknown"),
		} {
			i := redemption(id, "again "+name)
			i.Events = []idp.Event{{At: noon, Kind: "lost"}}
			if err := s.RedeemCode(t.Context(), i); !errors.Is(err, idp.ErrUsed) {
				t.Errorf("%s with events: %v", name, err)
			}
			i.Events = nil
			if err := s.RedeemCode(t.Context(), i); !errors.Is(err, idp.ErrUsed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		g, _, err := s.GrantByID(t.Context(), used)
		must(t, err)
		if string(g.AccessHash) != "first" || !g.CodeUsedAt.Equal(noon) || g.Generation != 1 || !g.RotatedAt.Equal(noon) {
			t.Errorf("%+v", g)
		}
		events, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(events) != 0 {
			t.Errorf("%d events of what did not happen", len(events))
		}
	})
}

func TestRotate_OnlyTheNextGeneration(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		fresh := func(id string, change func(*oidc.Grant)) []byte {
			g := fullGrant()
			g.ID, g.CodeHash, g.AccessHash, g.Generation = []byte(id), []byte("code "+id), []byte("access "+id), 1
			change(g)
			must(t, s.CreateGrant(t.Context(), g))
			return g.ID
		}
		next := func(id []byte, generation int64) error {
			i := redemption(id, "new "+string(id))
			i.Generation = generation
			return s.Rotate(t.Context(), i)
		}
		good := fresh("good", func(*oidc.Grant) {})
		must(t, next(good, 2))
		revoked := fresh("revoked", func(*oidc.Grant) {})
		must(t, s.RevokeGrant(t.Context(), revoked, noon))
		for name, err := range map[string]error{
			"again":        next(good, 2),
			"skipped":      next(good, 4),
			"revoked":      next(revoked, 2),
			"idle end":     next(fresh("idle", func(g *oidc.Grant) { g.RefreshEndsAt = noon }), 2),
			"absolute end": next(fresh("end", func(g *oidc.Grant) { g.EndsAt = noon }), 2),
			"no refresh":   next(fresh("zero", func(g *oidc.Grant) { g.Generation = 0 }), 1),
			"unknown":      next([]byte("unknown"), 2),
		} {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, next(good, 3))
		if _, _, err := s.GrantByAccess(t.Context(), good, []byte("access good")); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the old access token: %v", err)
		}
	})
}

func TestRevokeGrant_TwiceKeepsTheFirstTime(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		g := fullGrant()
		must(t, s.CreateGrant(t.Context(), g))
		must(t, s.RevokeGrant(t.Context(), g.ID, noon, idp.Event{At: noon, Kind: "grant.revoke"}))
		must(t, s.RevokeGrant(t.Context(), g.ID, noon.Add(time.Hour)))
		must(t, s.RevokeGrant(t.Context(), []byte("unknown"), noon))
		got, _, err := s.GrantByID(t.Context(), g.ID)
		must(t, err)
		if !got.RevokedAt.Equal(noon) {
			t.Fatal(got.RevokedAt)
		}
	})
}

// Many codes, each redeemed by 32 at once over two nodes: one success each,
// the others are told so without an error of the database.
func TestT026_ParallelRedemptionSucceedsOnce(t *testing.T) {
	codes := 1000
	if testing.Short() {
		codes = 100
	}
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		addPerson(t, nodes[0], "p1")
		grants := fill(t, nodes[0], codes)
		won := make([]int, codes)
		errs := together(codes*32, func(i int) error {
			// Neighbours work on different codes, so that groups mix them.
			code := i % codes
			return nodes[i/codes%2].RedeemCode(t.Context(), oidc.Issue{GrantID: grants[code].ID, Generation: 1, AccessHash: hash('w', int64(i)),
				AccessEndsAt: noon.Add(time.Hour), At: noon})
		})
		winner := map[int][]byte{}
		for i, err := range errs {
			switch {
			case err == nil:
				won[i%codes]++
				winner[i%codes] = hash('w', int64(i))
			case !errors.Is(err, idp.ErrUsed):
				t.Fatal(err)
			}
		}
		for code, n := range won {
			g, _, err := nodes[1].GrantByID(t.Context(), grants[code].ID)
			must(t, err)
			if n != 1 || !bytes.Equal(g.AccessHash, winner[code]) {
				t.Fatalf("code %d was redeemed %d times", code, n)
			}
		}
	})
}

func TestRotate_RacedSucceedsOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		addPerson(t, nodes[0], "p1")
		g := fullGrant()
		must(t, nodes[0].CreateGrant(t.Context(), g))
		succeeded, failed := split(together(32, func(i int) error {
			issue := redemption(g.ID, string(rune('A'+i)))
			issue.Generation = 4
			if i%3 == 0 {
				issue.Events = []idp.Event{{At: noon, Kind: "refresh"}}
			}
			return nodes[i%2].Rotate(t.Context(), issue)
		}))
		if succeeded != 1 {
			t.Fatalf("%d rotations", succeeded)
		}
		for _, err := range failed {
			if !errors.Is(err, idp.ErrConflict) {
				t.Fatal(err)
			}
		}
	})
}

// TestGrantOfAnEndedSession inserts a grant after its session has ended, as a
// request that was under way then does: what would outlive the session is not
// made, and the other is dead. What was made before an ordinary logout lives on.
func TestGrantOfAnEndedSession(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		openSession(t, s, "ended", "p1")
		before := offlineGrant("before the end..", "ended", "p1")
		must(t, s.CreateGrant(t.Context(), before))
		must(t, second(s.EndSession(t.Context(), "ended", noon)))
		if !lives(t, s, before.ID) {
			t.Error("an offline grant ended with a logout")
		}
		for _, session := range []string{"ended", "never there"} {
			err := s.CreateGrant(t.Context(), offlineGrant("after "+session[:5]+"......", session, "p1"), idp.Event{At: noon, Kind: "lost"})
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("offline, session %s: %v", session, err)
			}
		}
		plain := offlineGrant("plain...........", "ended", "p1")
		plain.Scopes = "openid"
		must(t, s.CreateGrant(t.Context(), plain))
		if lives(t, s, plain.ID) {
			t.Error("a grant outlives its session without offline_access")
		}
		if events, err := s.Events(t.Context(), EventFilter{}); err != nil || len(events) != 0 {
			t.Errorf("%d events of what did not happen, %v", len(events), err)
		}
	})
}
