package store

import (
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/policy"
)

func TestSmoke(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		p, err := s.Person(t.Context(), "p1")
		must(t, err)
		if p.Name != "王小明" || p.Agency.Name != "資訊局" || p.Username != "p1" || !p.HasPassword || !p.UpdatedAt.Equal(noon) {
			t.Fatalf("%+v", p)
		}
		ev := idp.Event{At: noon, Kind: "test"}
		must(t, s.CreateGrant(t.Context(), &oidc.Grant{ID: []byte("g"), Kind: oidc.GrantCode, PersonID: "p1", CodeHash: []byte("c"), CodeEndsAt: noon.Add(time.Minute), EndsAt: noon.Add(time.Hour)}, ev))
		g, p, err := s.GrantByCode(t.Context(), []byte("c"))
		must(t, err)
		if g.AccessHash != nil || p.ID != "p1" {
			t.Fatalf("%+v %+v", g, p)
		}
		is := oidc.Issue{GrantID: []byte("g"), Generation: 1, AccessHash: []byte("a"), At: noon, AccessEndsAt: noon.Add(time.Hour), RefreshEndsAt: noon.Add(time.Hour), Events: []idp.Event{ev}}
		must(t, s.RedeemCode(t.Context(), is))
		if err := s.RedeemCode(t.Context(), is); !errors.Is(err, idp.ErrUsed) {
			t.Fatal(err)
		}
		is.Generation, is.Events = 2, nil
		must(t, s.Rotate(t.Context(), is))
		if err := s.Rotate(t.Context(), is); !errors.Is(err, idp.ErrConflict) {
			t.Fatal(err)
		}
		try := directory.Try{NameKey: "b", PersonKey: "a", At: noon, Rules: policy.CityLockout()}
		for i := range 7 {
			r, err := s.Reserve(t.Context(), try)
			must(t, err)
			if r.May() != (i < 5) || r.LocksName != (i == 4) || r.LocksPerson != (i == 4) {
				t.Fatalf("%d %+v", i, r)
			}
			if i == 3 {
				must(t, s.GiveBack(t.Context(), r))
				r, err = s.Reserve(t.Context(), try)
				must(t, err)
			}
		}
		c := &idp.Card{ID: "k", PersonID: "p1", IssuerKeyID: "i", SubjectSerial: "s", BoundAt: noon}
		must(t, s.BindCard(t.Context(), c))
		must(t, s.UnbindCard(t.Context(), "k", noon))
		must(t, s.PutClient(t.Context(), &idp.Client{ID: "c1", Scopes: []string{"openid"}}))
		cl, err := s.Client(t.Context(), "c1")
		must(t, err)
		if len(cl.Scopes) != 1 || cl.CreatedAt != noon {
			t.Fatalf("%+v", cl)
		}
		must(t, s.CreateSession(t.Context(), &idp.Session{ID: "s1", PersonID: "p1", CreatedAt: noon, EndsAt: noon.Add(time.Hour)}, []byte("t"), nil, ev))
		_, _, err = s.Session(t.Context(), []byte("t"))
		must(t, err)
		_, err = s.EndSession(t.Context(), "s1", noon, ev)
		must(t, err)
		_, err = s.Prune(t.Context(), noon.Add(1000*time.Hour))
		must(t, err)
		es, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(es) != 4 {
			t.Fatal(len(es))
		}
	})
}
