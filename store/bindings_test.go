package store

import (
	"errors"
	"fmt"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/outbox"
)

func TestBind_StrictlyOneToOne(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s, other := d.open(t), d.open(t)
		town(t, s, 6)
		who := func(name string) string {
			a, err := s.Account(t.Context(), name)
			must(t, err)
			return a.PersonID
		}
		bind := func(portal, tpead, person string) error {
			return s.Bind(t.Context(), directory.Binding{Portal: portal, TPEAD: tpead, PersonID: person, How: "self", At: noon}, "test")
		}
		must(t, bind("user0", "old-0", who("user0")))
		must(t, bind("user0", "old-0", who("user0"))) // again is no harm
		if b, err := s.BindingOf(t.Context(), "user0"); err != nil || b.TPEAD != "old-0" || b.PersonID != who("user0") {
			t.Errorf("%+v %v", b, err)
		}
		for what, err := range map[string]error{
			"another person's TPEAD account":  bind("user2", "old-0", who("user2")),
			"another person's portal account": bind("user2", "fresh", who("user0")),
			"bound to the other portal":       bind("user0b", "old-0", who("user0")),
			"a shared account":                bind("box", "box-ad", who("box")),
			"a portal account as TPEAD":       bind("user0b", "user2", who("user0")),
			"nobody's portal account":         bind("nobody", "old-9", who("user0")),
		} {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.Account(t.Context(), "box-ad"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("half done: %v", err)
		}
		s.TellBy(func(e idp.Event, p *idp.Person, what string) []outbox.Message {
			return []outbox.Message{outbox.NewMail(p.ID, e.Kind+" "+what, "text", e.At)}
		})
		undone := idp.Event{At: noon, Kind: "account.unbind", Result: "ok", PersonID: who("user0")}
		must(t, s.Unbind(t.Context(), "user0", "admin", "asked by telephone", noon, undone))
		if got := told(t, s); len(got) != 1 || got[0] != who("user0")+" account.unbind user0" {
			t.Errorf("told %q", got)
		}
		if err := s.Unbind(t.Context(), "user0", "admin", "again", noon); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if h, err := s.History(t.Context(), who("user0"), 1); err != nil || len(h) != 1 {
			t.Errorf("%+v %v", h, err)
		}
		// Who claimed a colleague's account by mistake and binds their own lets it go.
		must(t, bind("user0", "colleague", who("user0")))
		must(t, s.KeepIdentity(t.Context(), "ad", idp.Account{Name: "colleague", PersonID: who("user0")}, "guid-c", noon))
		if err := bind("user2", "colleague", who("user2")); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("another person's: %v", err)
		}
		must(t, bind("user0", "old-0", who("user0")))
		if _, err := s.Account(t.Context(), "colleague"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the account stays with who claimed it: %v", err)
		}
		must(t, bind("user2", "colleague", who("user2")))
		must(t, s.KeepIdentity(t.Context(), "ad", idp.Account{Name: "colleague", PersonID: who("user2")}, "guid-c", noon))
		must(t, s.Unbind(t.Context(), "user2", "admin", "a colleague's", noon))
		if _, err := s.Account(t.Context(), "colleague"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the account stays after an administrator undid it: %v", err)
		}
		if a, err := s.Account(t.Context(), "old-0"); err != nil || a.PersonID != who("user0") {
			t.Errorf("what a feed gave stays: %+v %v", a, err)
		}
		// Many at once for one TPEAD account: one gets it.
		people := []string{"user2", "user4"}
		won, lost := split(together(8, func(i int) error {
			st := []*Store{s, other}[i%2]
			portal := people[i/2%2]
			return st.Bind(t.Context(), directory.Binding{Portal: portal, TPEAD: "wanted", PersonID: who(portal), How: "self", At: noon}, fmt.Sprint(i))
		}))
		if won == 0 {
			t.Error("nobody")
		}
		for _, err := range lost {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%v", err)
			}
		}
		a, errA := s.BindingOf(t.Context(), "user2")
		b, errB := s.BindingOf(t.Context(), "user4")
		if (errA == nil) == (errB == nil) {
			t.Errorf("%+v %+v", a, b)
		}
	})
}
