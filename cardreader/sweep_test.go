package cardreader_test

import (
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// TestT106_SessionsOfARevokedCardEnd binds two cards, revokes one by a new list
// and sweeps: its binding and the session that it opened are gone, the others go on.
func TestT106_SessionsOfARevokedCardEnd(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		sessionsOfARevokedCardEnd(t, storetest.SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		sessionsOfARevokedCardEnd(t, storetest.PostgreSQL(t))
	})
}

func sessionsOfARevokedCardEnd(t *testing.T, options store.Options) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.Open(ctx, options)
	must(err)
	t.Cleanup(func() { s.Close() })
	certificates := map[string][]byte{}
	for i, id := range []string{"p1", "p2"} {
		cert, err := cardtest.G2().Issue(cardtest.Leaf{
			Name: "王小明", SubjectSerial: "000000000000000" + id[1:], IDTail: "6789", Key: cardtest.Key(i).Public(),
		})
		must(err)
		certificates[id] = cert.Raw
		must(s.PutPerson(ctx, directory.Record{Person: idp.Person{
			ID: id, Subject: "sub-" + id, Name: "王小明", State: idp.PersonEnabled, Agency: idp.Agency{Code: "GEAA", Name: "資訊局"},
		}}))
		must(s.BindCard(ctx, &idp.Card{
			ID: "card-" + id, PersonID: id, IssuerKeyID: cardtest.G2().KeyID(), SubjectSerial: "000000000000000" + id[1:],
			Fingerprint: id, Certificate: cert.Raw, Name: "王小明", NotAfter: cert.NotAfter, BoundAt: now,
		}))
		must(s.CreateSession(ctx, &idp.Session{
			ID: "s-" + id, PersonID: id, CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour),
			Evidence: []idp.Evidence{{Method: idp.MethodCard, At: now, Card: "card-" + id}},
		}, []byte("token "+id), nil))
	}
	r := newRevocable(t, cardtest.G2().CRL(cardtest.CRL{Number: 1, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}))
	must(r.files.Load())
	sweeper := &cardreader.Sweeper{Cards: s, Revocation: r.files, Moduli: &cardreader.Moduli{}, Now: func() time.Time { return now }}
	if n, err := sweeper.Sweep(ctx); n != 0 || err != nil {
		t.Fatalf("nothing is revoked: %d, %v", n, err)
	}
	before := r.files.Changes()
	must(r.replace(t, cardtest.G2().CRL(cardtest.CRL{
		Number: 2, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), Serials: [][]byte{serialOf(t, certificates["p1"])},
	})))
	if r.files.Changes() == before {
		t.Error("the new list is no change")
	}
	if n, err := sweeper.Sweep(ctx); n != 1 || err != nil {
		t.Fatalf("one is revoked: %d, %v", n, err)
	}
	if n, err := sweeper.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v", n, err)
	}
	if _, _, err := s.Session(ctx, []byte("token p1")); err == nil {
		t.Error("the revoked card's session lives")
	}
	if _, _, err := s.Session(ctx, []byte("token p2")); err != nil {
		t.Errorf("another card's session: %v", err)
	}
	if cards, err := s.CardsOf(ctx, "p1"); err != nil || len(cards) != 0 {
		t.Errorf("the revoked card is still bound: %v, %v", cards, err)
	}
	events, err := s.Events(ctx, store.EventFilter{PersonID: "p1", Limit: 10})
	must(err)
	if len(events) != 1 || events[0].Kind != "card.revoked" {
		t.Errorf("on record: %+v", events)
	}
}
