package store

import (
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// A card that was never bound is no longer kept once it is decided or over.
func TestPrune_CardsThatWaited(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		p, err := s.Person(t.Context(), "p1")
		must(t, err)
		must(t, s.WaitCard(t.Context(), &directory.WaitingCard{ID: "w1", Person: *p, Card: idp.Card{ID: "c1", Name: "王小明"}, AskedAt: noon, EndsAt: noon.Add(time.Hour)}))
		kept := func() string {
			w, err := s.WaitingOf(t.Context(), "p1")
			if err != nil {
				return "nothing"
			}
			return w.Card.Name
		}
		for _, step := range []struct {
			now  time.Time
			want string
		}{{noon, "王小明"}, {noon.Add(2 * time.Hour), ""}} {
			_, err := s.Prune(t.Context(), step.now)
			must(t, err)
			if got := kept(); got != step.want {
				t.Errorf("at %s: %q", step.now, got)
			}
		}
		_, err = s.PruneEvents(t.Context(), noon.Add(2*time.Hour))
		must(t, err)
		if got := kept(); got != "nothing" {
			t.Errorf("after the retention time: %q", got)
		}
	})
}
