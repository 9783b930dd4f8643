package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func byPassword(id, person string, looked time.Time) *idp.Session {
	return &idp.Session{ID: id, PersonID: person, Evidence: []idp.Evidence{{Method: idp.MethodOTP, At: looked.Add(time.Hour)}, {Method: idp.MethodPassword, At: looked}},
		CreatedAt: looked, SeenAt: looked, EndsAt: looked.Add(12 * time.Hour)}
}

// A login that is under way with the former password opens nothing once that is
// changed, however long it took (its code was asked for, say).
func TestT147_TheFormerPasswordOpensNoSession(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		addPerson(t, s, "p2")
		must(t, s.CreateSession(t.Context(), byPassword("never changed", "p1", noon), []byte("0"), nil))
		must(t, s.SetPassword(t.Context(), newPassword(1, time.Time{}, noon.Add(time.Minute))))
		err := s.CreateSession(t.Context(), byPassword("before", "p1", noon.Add(59*time.Second)), []byte("1"), nil, idp.Event{At: noon, Kind: "lost"})
		var denied idp.Denied
		if !errors.As(err, &denied) || denied.Reason != idp.ReasonWrong {
			t.Errorf("the former password: %v", err)
		}
		must(t, s.CreateSession(t.Context(), byPassword("after", "p1", noon.Add(time.Minute)), []byte("2"), nil))
		must(t, s.CreateSession(t.Context(), byPassword("another's", "p2", noon), []byte("3"), nil))
		list, err := s.PersonSessions(t.Context(), "p1", noon)
		if err != nil || len(list) != 1 || list[0].ID != "after" {
			t.Errorf("%+v %v", list, err)
		}
		if events, err := s.Events(t.Context(), EventFilter{}); err != nil || len(events) != 0 {
			t.Errorf("%d events of what did not happen, %v", len(events), err)
		}
	})
}

// TestT147_RaceOfChangeAndSession: one node sets a new password while others keep
// sessions by the former one. Whichever comes first, none is left.
func TestT147_RaceOfChangeAndSession(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		for round := range 20 {
			person := fmt.Sprintf("person-%d", round)
			addPerson(t, nodes[0], person)
			errs := together(8, func(i int) error {
				if i == 7 {
					time.Sleep(time.Duration(round) * 200 * time.Microsecond)
					n := newPassword(1, time.Time{}, noon.Add(time.Minute))
					n.PersonID, n.Session, n.Deliveries = person, "", nil
					return nodes[0].SetPassword(t.Context(), n)
				}
				id := fmt.Sprintf("%d/%d", round, i)
				err := nodes[1].CreateSession(t.Context(), byPassword(id, person, noon), []byte(id), nil)
				var denied idp.Denied
				if errors.As(err, &denied) {
					err = nil
				}
				return err
			})
			for _, err := range errs {
				must(t, err)
			}
			list, err := nodes[1].PersonSessions(t.Context(), person, noon)
			if err != nil || len(list) != 0 {
				t.Fatalf("round %d: %d sessions by the former password are left, %v", round, len(list), err)
			}
		}
	})
}
