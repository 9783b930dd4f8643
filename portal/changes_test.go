package portal_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/portal"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

// Whom no mail reaches is told on the first page, in every session but the one
// that did it; nobody can put it away.
func TestT147_TellsWhomNoMailReaches(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		w.portal.Factors.Told = portal.Told{Mail: true, Events: func(ctx context.Context, a portal.AskChanges) ([]idp.Event, error) {
			return w.db.NewestEvents(ctx, store.NewestFilter(a))
		}}
		thief := w.browser()
		thief.in("ab1001", idp.MethodCard)
		card := false
		told := func(b *browser) []templates.FactorChange {
			t.Helper()
			list := b.get("/").view.(templates.Home).Changes
			if n := len(list); n > 0 && list[n-1].Kind == "card.bind" {
				list, card = list[:n-1], true // bound in the directory's world, long ago
			}
			return list
		}
		b := w.browser()
		b.in("ab1001", idp.MethodCard)
		if got := told(b); len(got) != 0 {
			w.Fatalf("before anything was changed: %+v", got)
		}
		if !card {
			w.Error("nothing is told of the card")
		}
		w.later(time.Second) // the card comes first
		phone := w.phone(thief)
		w.later(time.Minute)
		w.must(w.devices.SuspendFor(w.Context(), phone.DeviceID, true, "operator:chen", "lost"))
		b = w.browser()
		b.in("ab1001", idp.MethodCard)
		got := told(b)
		if len(got) != 2 || got[0].Kind != "phone.suspend" || !got[0].ByOther || got[1].Kind != "phone.bind" || got[1].ByOther {
			w.Fatalf("told %+v", got)
		}
		if body := b.get("/").body; !strings.Contains(body, "一支手機已暫停使用") || !strings.Contains(body, "由服務臺") {
			w.Errorf("the page does not say it: %s", body)
		}
		if got := told(thief); len(got) != 1 { // its own change is not news to it
			w.Errorf("the session that did it is told %+v", got)
		}
		// Whatever may be done without a fresh login, however often, pushes nothing away.
		var noise []idp.Event
		for i := range 600 {
			at := w.clock().Add(time.Duration(i) * time.Millisecond)
			noise = append(noise, idp.Event{At: at, Kind: "phone.rename", Result: "ok", PersonID: w.person["ab1001"].ID, SessionID: "theirs"},
				idp.Event{At: at, Kind: "phone.bind", Result: "refused", PersonID: w.person["ab1001"].ID, SessionID: "theirs"},
				idp.Event{At: at, Kind: "login", Result: "ok", PersonID: w.person["ab1001"].ID, SessionID: "theirs"})
		}
		w.must(w.db.Record(w.Context(), noise...))
		if got := told(b); len(got) != 5 || got[3].Kind != "phone.suspend" || got[4].Kind != "phone.bind" {
			w.Fatalf("pushed away: %+v", got)
		}
		other := w.browser()
		other.in("ab1002", idp.MethodPassword)
		if got := told(other); len(got) != 0 {
			w.Errorf("somebody else is told %+v", got)
		}
		person := *w.person["ab1001"]
		person.Email = "somebody@example.gov.tw"
		w.must(w.db.PutPerson(w.Context(), directory.Record{Person: person}))
		if got := told(b); len(got) != 0 {
			w.Errorf("who is told by mail is told %+v", got)
		}
		w.portal.Factors.Told.Mail = false
		if got := told(b); len(got) != 5 {
			w.Errorf("without a mail server: %+v", got)
		}
		w.later(91 * 24 * time.Hour)
		b = w.browser()
		b.in("ab1001", idp.MethodCard)
		if got := told(b); len(got) != 0 {
			w.Errorf("after three months: %+v", got)
		}
	})
}
