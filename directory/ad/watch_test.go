package ad_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

func (h *house) watch(most int) *directory.Watch {
	return &directory.Watch{
		Gate: h.Gate, Live: h.store, Most: func(int) int { return most }, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func (h *house) session(name string) {
	h.t.Helper()
	now := time.Now()
	s := &idp.Session{ID: "s-" + name, PersonID: "p-" + name, CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour)}
	if err := h.store.CreateSession(h.t.Context(), s, []byte(name), nil); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) alive(name string) bool {
	_, _, err := h.store.Session(h.t.Context(), []byte(name))
	return err == nil
}

func TestT061_WhoIsDisabledRemovedOrOutOfTheGroupLosesSessions(t *testing.T) {
	dc := testenv.Samba(t)
	city := open(t, dc)
	ctx := t.Context()
	var all []*ad.Entry
	var dns []string
	for range 5 {
		e := person(t, city)
		all, dns = append(all, e), append(dns, e.DN)
	}
	group, err := city.CreateGroup(ctx, "may-log-in", "CN=Users,"+dc.Base, dns...)
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, dc, func(o *ad.Options) { o.Filter = "(memberOf:1.2.840.113556.1.4.1941:=" + group.DN + ")" })
	h := newHouse(t, route(d))
	for _, e := range all {
		h.add("GEAA", e.Name)
		h.want(e.Name, rightPassword, "ok")
		h.session(e.Name)
	}
	h.add("GEAA", "portal-only") // is in no directory: nothing is said of it
	w := h.watch(10)
	if n, err := w.Sweep(ctx); err != nil || n != 0 {
		t.Fatalf("%d ended, %v", n, err)
	}
	if err := city.Disable(ctx, all[1].ID); err != nil {
		t.Fatal(err)
	}
	if err := city.RemoveMember(ctx, group.DN, all[2].DN); err != nil {
		t.Fatal(err)
	}
	if err := city.Delete(ctx, all[3].ID); err != nil {
		t.Fatal(err)
	}
	ad.SetAttribute(ctx, t, city, all[4].DN, "accountExpires", "132000000000000000")
	if n, err := h.watch(3).Sweep(ctx); err != nil || n != 0 { // too many at once
		t.Errorf("%d ended, %v", n, err)
	}
	if n, err := w.Sweep(ctx); err != nil || n != 4 {
		t.Errorf("%d ended, %v", n, err)
	}
	for i, e := range all {
		if got := h.alive(e.Name); got != (i == 0) {
			t.Errorf("session %d is alive: %v", i, got)
		}
	}
	h.want(all[2].Name, rightPassword, "wrong") // out of the group
}

func TestT061_ADirectoryThatIsAwayEndsNothing(t *testing.T) {
	s := script(t, plainly)
	h := newHouse(t, route(joined(t, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} }, s)))
	h.add("GEAA", "ab1234")
	h.session("ab1234")
	if n, err := h.watch(10).Sweep(t.Context()); err == nil || n != 0 || !h.alive("ab1234") {
		t.Errorf("%d, %v", n, err)
	}
}

func TestT066_ANameGivenToAnotherEntryOpensNothing(t *testing.T) {
	dc := testenv.Samba(t)
	h := newHouse(t)
	d := open(t, dc, func(o *ad.Options) { o.Identities = h.store })
	h.Routes = []directory.Route{route(d)}
	ctx := t.Context()
	e := person(t, d)
	h.add("GEAA", e.Name)
	h.want(e.Name, rightPassword, "ok")
	// Renamed there, not yet here: still the same entry.
	if _, err := d.Rename(ctx, e.ID, "zx0001"); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, rightPassword, "ok")
	// The old name is somebody else's now.
	if _, err := d.Create(ctx, ad.NewAccount{Name: e.Name, Password: "Other-2026!"}); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, "Other-2026!", "wrong")
	h.want(e.Name, rightPassword, "wrong") // two entries may be meant
	if err := d.Delete(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, "Other-2026!", "wrong")
	if err := h.store.ForgetIdentity(ctx, e.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Unlock(ctx, e.Name, "helpdesk", "the entry was made anew"); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, "Other-2026!", "ok")
	// An entry is one person's.
	h.add("WATER", "another")
	if err := h.store.KeepIdentity(ctx, "tpead", idp.Account{Name: "another", PersonID: "p-another"}, e.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.want("another", rightPassword, "wrong")
}
