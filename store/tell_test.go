package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
)

// told takes the subjects of the mails that wait, with whom they are to.
func told(t *testing.T, s *Store) (list []string) {
	t.Helper()
	messages, err := s.TakeMessages(t.Context(), "lease", noon.Add(48*time.Hour), noon.Add(49*time.Hour), 100)
	must(t, err)
	for _, m := range messages {
		list = append(list, m.To+" "+m.Subject)
		must(t, s.MessageDone(t.Context(), m.ID, "lease"))
	}
	slices.Sort(list)
	return list
}

// A thief who binds a card, and whoever undoes a binding, can't do so unseen.
func TestTell_OfCardsAndBindings(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		addPerson(t, s, "p2")
		s.TellBy(func(e idp.Event, p *idp.Person, what string) []outbox.Message {
			return []outbox.Message{outbox.NewMail(p.Email, e.Kind+" "+what, "text", e.At)}
		})
		event := func(kind, person string) idp.Event {
			return idp.Event{At: noon, Kind: kind, Result: "ok", PersonID: person}
		}
		want := func(what string, err, wanted error, mails ...string) {
			t.Helper()
			if !errors.Is(err, wanted) {
				t.Fatalf("%s: %v", what, err)
			}
			if got := told(t, s); !slices.Equal(got, mails) {
				t.Errorf("%s: told %q, want %q", what, got, mails)
			}
		}
		want("bind", s.BindFirst(t.Context(), aCard("k1", "p1", "1111"), event("card.bind", "p1")), nil, "p1@gov.taipei card.bind ")
		want("another's", s.BindFirst(t.Context(), aCard("k2", "p2", "1111"), event("card.bind", "p2")), idp.ErrConflict)
		want("unbind", s.UnbindCard(t.Context(), "k1", noon, event("card.unbind", "p1")), nil, "p1@gov.taipei card.unbind ")
		want("unbind again", s.UnbindCard(t.Context(), "k1", noon, event("card.unbind", "p1")), idp.ErrNotFound)
		must(t, s.GrantRole(t.Context(), Granted{Person: idp.Person{ID: "p2"}, Role: policy.Role{Kind: policy.RoleHelpdesk}, By: "operator:alice", At: noon}))
		for i, do := range []string{"refuse", "approve"} {
			p, err := s.Person(t.Context(), "p1")
			must(t, err)
			id := directory.NewID()
			must(t, s.WaitCard(t.Context(), &directory.WaitingCard{
				ID: id, Person: *p, Card: *aCard("w"+do, "p1", "1111"), AskedAt: noon, EndsAt: noon.Add(time.Hour),
			}, idp.Event{At: noon, Kind: "card.bind", Result: "waits", PersonID: "p1"}))
			call := []func() error{
				func() error {
					_, err := s.RefuseCard(t.Context(), directory.Decision{ID: id, PersonID: "p2", Reason: "r", At: noon}, event("card.refuse", ""))
					return err
				},
				func() error {
					_, err := s.ApproveCard(t.Context(), directory.Decision{ID: id, PersonID: "p2", Reason: "r", At: noon}, event("card.approve", ""))
					return err
				},
			}[i]
			want(do, call(), nil, "p1@gov.taipei card."+do+" ")
			want(do+" again", call(), directory.DecisionOver)
		}
	})
	storeTest(t, func(t *testing.T, s *Store) { // nobody to tell it by
		must(t, s.BindFirst(t.Context(), aCard("k1", "p1", "1111"), idp.Event{At: noon, Kind: "card.bind", Result: "ok", PersonID: "p1"}))
		if got := told(t, s); len(got) != 0 {
			t.Errorf("told %q", got)
		}
	})
}
