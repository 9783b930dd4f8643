package store

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/portal"
)

func TestChallenge_UsedOnceByItsBrowser(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		s := nodes[0]
		want := &cardreader.Issued{Key: []byte("flow"), Browser: []byte("browser"), Purpose: "bind", Client: "documents", ClientName: "公文", PersonID: "p1",
			Nonce: []byte("nonce"), IssuedAt: noon, EndsAt: noon.Add(2 * time.Minute)}
		old := *want
		old.Nonce = []byte("old")
		must(t, s.CreateChallenge(t.Context(), &old))
		must(t, s.CreateChallenge(t.Context(), want))
		for name, err := range map[string]error{
			"foreign": second(s.UseChallenge(t.Context(), want.Key, []byte("x"), noon)),
			"late":    second(s.UseChallenge(t.Context(), want.Key, want.Browser, want.EndsAt)),
			"unknown": second(s.UseChallenge(t.Context(), []byte("x"), want.Browser, noon)),
		} {
			if !errors.Is(err, idp.ErrUsed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		got := make([]*cardreader.Issued, 32)
		succeeded, failed := split(together(32, func(i int) (err error) {
			got[i], err = nodes[i%2].UseChallenge(t.Context(), want.Key, want.Browser, noon)
			return err
		}))
		if succeeded != 1 || !errors.Is(failed[0], idp.ErrUsed) {
			t.Fatalf("%d, %v", succeeded, failed[0])
		}
		for _, one := range got {
			if one != nil && !reflect.DeepEqual(one, want) {
				t.Fatalf("%+v", one)
			}
		}
	})
}

func aCard(id, person, serial string) *idp.Card {
	return &idp.Card{ID: id, PersonID: person, IssuerKeyID: "ab12", SubjectSerial: serial, Fingerprint: "f " + id, Certificate: []byte("DER " + id), Name: "王小明", NotAfter: noon.Add(time.Hour), BoundAt: noon}
}

func TestBindCard(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		addPerson(t, s, "p2")
		card := aCard("k1", "p1", "1111")
		must(t, s.BindCard(t.Context(), card, idp.Event{At: noon, Kind: "card.bind"}))
		got, p, err := s.CardByHolder(t.Context(), "ab12", "1111")
		must(t, err)
		if !reflect.DeepEqual(got, card) || p.ID != "p1" || p.Agency.Name != "資訊局" {
			t.Fatalf("%+v %+v", got, p)
		}
		// The same holder again, with a new certificate: the same binding.
		renewed := aCard("k2", "p1", "1111")
		renewed.BoundAt = noon.Add(time.Hour)
		must(t, s.BindCard(t.Context(), renewed))
		if renewed.ID != "k1" || !renewed.BoundAt.Equal(noon) {
			t.Fatalf("%+v", renewed)
		}
		cards, err := s.CardsOf(t.Context(), "p1")
		must(t, err)
		if len(cards) != 1 || cards[0].Fingerprint != "f k2" {
			t.Fatalf("%+v", cards)
		}
		for name, c := range map[string]*idp.Card{"the holder is another's": aCard("k3", "p2", "1111"), "the person has another": aCard("k4", "p1", "2222")} {
			if err := s.BindCard(t.Context(), c, idp.Event{At: noon, Kind: "lost"}); !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		events, err := s.Events(t.Context(), EventFilter{})
		must(t, err)
		if len(events) != 1 {
			t.Fatalf("%+v", events)
		}
	})
}

func TestUnbindCard_EndsWhatItOpened(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		addPerson(t, s, "p2")
		must(t, s.BindCard(t.Context(), aCard("k1", "p1", "1111")))
		byCard, byPassword := aSession("card"), aSession("password")
		byCard.Evidence = append(byCard.Evidence, idp.Evidence{Method: idp.MethodCard, At: noon, Card: "k1"})
		must(t, s.CreateSession(t.Context(), byCard, []byte("t1"), nil))
		must(t, s.CreateSession(t.Context(), byPassword, []byte("t2"), nil))
		sessionGrant(t, s, "1", "card", "mail", "openid")
		sessionGrant(t, s, "2", "password", "mail", "openid")
		must(t, s.UnbindCard(t.Context(), "k1", noon.Add(time.Hour), idp.Event{At: noon, Kind: "card.unbind"}))
		if _, _, err := s.CardByHolder(t.Context(), "ab12", "1111"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		if _, _, err := s.Session(t.Context(), []byte("t1")); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		if _, _, err := s.Session(t.Context(), []byte("t2")); err != nil {
			t.Fatal(err)
		}
		if !revoked(t, s, "1") || revoked(t, s, "2") {
			t.Fatal("the grants of the session that the card opened, and no other")
		}
		if err := s.UnbindCard(t.Context(), "k1", noon); !errors.Is(err, idp.ErrNotFound) {
			t.Fatal(err)
		}
		// The holder is free again.
		must(t, s.BindCard(t.Context(), aCard("k9", "p2", "1111")))
	})
}

func TestBindCard_RacedBindsOneToOne(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		people := 4
		for i := range people {
			addPerson(t, nodes[0], fmt.Sprint("p", i))
		}
		errs := together(32, func(i int) error {
			return nodes[i%2].BindCard(t.Context(), aCard(fmt.Sprint("k", i), fmt.Sprint("p", i%people), "1111"))
		})
		c, _, err := nodes[0].CardByHolder(t.Context(), "ab12", "1111")
		must(t, err)
		for i, err := range errs {
			if owner := fmt.Sprint("p", i%people) == c.PersonID; owner && err != nil || !owner && !errors.Is(err, idp.ErrConflict) {
				t.Errorf("try %d: %v", i, err)
			}
		}
		// One person, many cards at once.
		addPerson(t, nodes[0], "greedy")
		succeeded, failed := split(together(32, func(i int) error {
			return nodes[i%2].BindCard(t.Context(), aCard(fmt.Sprint("g", i), "greedy", fmt.Sprint(i)))
		}))
		if succeeded != 1 || !errors.Is(failed[0], idp.ErrConflict) {
			t.Fatalf("%d, %v", succeeded, failed[0])
		}
	})
}

func TestPending_OnePerSessionTakenOnce(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		old := &portal.Pending{Key: []byte("old"), SessionID: "s1", EndsAt: noon.Add(time.Minute)}
		want := &portal.Pending{Key: []byte("key"), SessionID: "s1", Card: *aCard("k", "p1", "1"), Details: []byte(`{}`), EndsAt: noon.Add(time.Minute)}
		must(t, s.SavePending(t.Context(), old))
		must(t, s.SavePending(t.Context(), want))
		for name, err := range map[string]error{
			"replaced": second(s.TakePending(t.Context(), old.Key, "s1", noon)),
			"foreign":  second(s.TakePending(t.Context(), want.Key, "s2", noon)),
			"late":     second(s.TakePending(t.Context(), want.Key, "s1", want.EndsAt)),
		} {
			if !errors.Is(err, idp.ErrUsed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		got, err := s.TakePending(t.Context(), want.Key, "s1", noon)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatal(got, err)
		}
		if _, err := s.TakePending(t.Context(), want.Key, "s1", noon); !errors.Is(err, idp.ErrUsed) {
			t.Fatal(err)
		}
	})
}

// TestUnbindCard_EndsThePhonesSessions: a phone is as good as the card that
// vouched for it, and so are the sessions that it opened.
func TestUnbindCard_EndsThePhonesSessions(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.BindCard(t.Context(), aCard("k1", "p1", "1111")))
		for id, card := range map[string]string{"withCard": "k1", "without": ""} {
			must(t, s.write(t.Context(), func(r runner) error {
				_, err := r.exec(with(query(`INSERT INTO devices VALUES ($1, 'p1', $2, 'x', 'x', 'pin', $3, $3, 1, 0, 9000000000000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`),
					id, card, []byte("x")))
				return err
			}))
			must(t, s.CreateSession(t.Context(), &idp.Session{
				ID: "s " + id, PersonID: "p1", CreatedAt: noon, SeenAt: noon, EndsAt: noon.Add(time.Hour),
				Evidence: []idp.Evidence{{Method: idp.MethodPhone, At: noon, Device: id, Near: true}},
			}, []byte(id), nil))
		}
		must(t, s.UnbindCard(t.Context(), "k1", noon))
		if _, _, err := s.Session(t.Context(), []byte("withCard")); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the session of the card's phone: %v", err)
		}
		if _, _, err := s.Session(t.Context(), []byte("without")); err != nil {
			t.Errorf("the session of another phone: %v", err)
		}
	})
}

// TestT106_CardUnboundBeforeItsSession: another node ends the binding between the
// look at the card and the session.
func TestT106_CardUnboundBeforeItsSession(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		here, there := d.open(t), d.open(t)
		addPerson(t, here, "p1")
		byCard := func(id, card string) error {
			s := aSession(id)
			s.Evidence = []idp.Evidence{{Method: idp.MethodCard, At: noon, Card: card}}
			return here.CreateSession(t.Context(), s, []byte(id), nil)
		}
		unusable := func(err error) {
			t.Helper()
			if !errors.Is(err, idp.Denied{Reason: idp.ReasonCardUnusable}) {
				t.Fatalf("the session is kept: %v", err)
			}
		}
		must(t, here.BindCard(t.Context(), aCard("k0", "p1", "1111")))
		must(t, here.CreateSession(t.Context(), aSession("before"), []byte("before"), nil))
		must(t, there.UnbindCard(t.Context(), "k0", noon))
		unusable(byCard("late", "k0"))
		unusable(here.RenewSession(t.Context(), []byte("before"), []byte("raised"), []idp.Evidence{{Method: idp.MethodCard, At: noon, Card: "k0"}}, noon))
		for i := range 20 {
			card := fmt.Sprintf("r%d", i)
			must(t, here.BindCard(t.Context(), aCard(card, "p1", card)))
			errs := together(2, func(k int) error {
				if k == 0 {
					return there.UnbindCard(t.Context(), card, noon)
				}
				return byCard("s"+card, card)
			})
			must(t, errs[0])
			if errs[1] != nil {
				unusable(errs[1])
			}
			if _, _, err := here.Session(t.Context(), []byte("s"+card)); !errors.Is(err, idp.ErrNotFound) {
				t.Fatalf("the card's session goes on: %v", err)
			}
		}
	})
}
