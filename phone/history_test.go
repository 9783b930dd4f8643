package phone_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/phone"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// What else happens to a person pushes nothing out of the phone's history, and all
// of the last ninety days can be had, a page after the other.
func TestHistory_OfAllNinetyDays(t *testing.T) {
	for name, options := range map[string]store.Options{
		"sqlite": storetest.SQLite(t), "postgres": storetest.PostgreSQL(t),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const decisions, others = 120, 700
			list := make([]idp.Event, 0, decisions+others+3)
			kinds := []string{"phone.approve", "phone.deny", "phone.report"}
			for i := range decisions {
				list = append(list, idp.Event{At: clock().Add(-time.Duration(i+1) * 10 * time.Hour), Kind: kinds[i%3], Result: "ok", PersonID: "p1",
					ClientID: fmt.Sprint("system", i), Detail: "device ID attempt x"})
			}
			for i := range others { // newer than all of them
				list = append(list, idp.Event{At: clock().Add(-time.Duration(i) * time.Minute / 10), Kind: "login", Result: "ok", PersonID: "p1"})
			}
			list = append(list,
				idp.Event{At: clock().Add(-time.Minute), Kind: "phone.approve", Result: "ok", PersonID: "p2", ClientID: "another person's"},
				idp.Event{At: clock().Add(-91 * 24 * time.Hour), Kind: "phone.approve", Result: "ok", PersonID: "p1", ClientID: "long ago"},
				idp.Event{At: clock().Add(-time.Minute), Kind: "phone.approved", Result: "ok", PersonID: "p1", ClientID: "another kind"})
			if err := s.Record(t.Context(), list...); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, phone.Rates{})
			w.core.state = idp.PersonEnabled
			w.history.Events = func(ctx context.Context, a phone.AskDecided) ([]idp.Event, error) {
				return s.Events(ctx, store.EventFilter(a))
			}
			var got []string
			before, pages := int64(0), 0
			for more := true; more; pages++ {
				var answer struct {
					Decided []struct {
						At     int64  `json:"at"`
						Client string `json:"client_name"`
					} `json:"decided"`
					Before int64 `json:"decided_before"`
				}
				raw := w.post("/phone/api/self", fmt.Sprintf(`{"device_id":"ID","action":"status","before":%d}`, before)).Body.Bytes()
				if err := json.Unmarshal(raw, &answer); err != nil {
					t.Fatalf("%v: %s", err, raw)
				}
				for _, d := range answer.Decided {
					got = append(got, d.Client)
				}
				before, more = answer.Before, answer.Before != 0
				if pages > 10 {
					t.Fatal("no end")
				}
			}
			if len(got) != decisions || pages != 3 {
				t.Fatalf("%d decisions on %d pages: %q", len(got), pages, got)
			}
			for i, system := range got {
				if system != fmt.Sprint("system", i) {
					t.Fatalf("decision %d is of %s", i, system)
				}
			}
		})
	}
}
