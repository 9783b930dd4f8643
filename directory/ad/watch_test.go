package ad_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// recheck is how soon who vanished loses sessions.
const recheck = 4 * time.Minute

func (h *house) watch(most int) *directory.Watch {
	return &directory.Watch{
		Gate: h.Gate, Live: h.store, Leases: h.store, Most: func(int) int { return most },
		Now: func() time.Time { return time.Now().Add(h.later) }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// sweep looks once, a while after the last look.
func (h *house) sweep(w *directory.Watch) (ended int, err error) {
	h.t.Helper()
	h.later += recheck / 2
	return w.Sweep(h.t.Context(), recheck)
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
	if n, err := h.sweep(w); err != nil || n != 0 {
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
	if n, err := h.sweep(w); err != nil || n != 2 { // who is closed there is believed at once, who is not found is not
		t.Errorf("%d ended, %v", n, err)
	}
	for i, e := range all {
		if got := h.alive(e.Name); got != (i == 0 || i == 2 || i == 3) {
			t.Errorf("session %d is alive after one look: %v", i, got)
		}
	}
	if n, err := h.sweep(h.watch(1)); err != nil || n != 0 { // too many vanished at once
		t.Errorf("%d ended, %v", n, err)
	}
	if n, err := h.sweep(w); err != nil || n != 2 {
		t.Errorf("%d ended, %v", n, err)
	}
	for i, e := range all {
		if got := h.alive(e.Name); got != (i == 0) {
			t.Errorf("session %d is alive: %v", i, got)
		}
	}
	h.want(all[2].Name, rightPassword, "wrong") // out of the group
	state := func(e *ad.Entry) idp.PersonState {
		t.Helper()
		p, err := h.store.Person(ctx, "p-"+e.Name)
		if err != nil {
			t.Fatal(err)
		}
		return p.State
	}
	// Card, phone and passkey ask the person's state: they open nothing either, until
	// the account is open again.
	for i, e := range all {
		if got := state(e); (got == idp.PersonEnabled) != (i == 0) {
			t.Errorf("person %d is %s", i, got)
		}
	}
	if err := city.Enable(ctx, all[1].ID); err != nil {
		t.Fatal(err)
	}
	if n, err := h.sweep(w); err != nil || n != 0 {
		t.Errorf("%d ended, %v", n, err)
	}
	for i, e := range all {
		if got := state(e); (got == idp.PersonEnabled) != (i < 2) {
			t.Errorf("person %d is %s", i, got)
		}
	}
	h.want(all[1].Name, rightPassword, "ok")
	// What an administrator writes of who is closed there does not make it ours.
	p, err := h.store.Person(ctx, "p-"+all[4].Name)
	if err != nil {
		t.Fatal(err)
	}
	p.Title = "科員"
	if err := h.store.PutPerson(ctx, directory.Record{Person: *p, Accounts: []idp.Account{{Name: all[4].Name, Kind: idp.AccountSingle}}}); err != nil {
		t.Fatal(err)
	}
	ad.SetAttribute(ctx, t, city, all[4].DN, "accountExpires", "0")
	if _, err := h.sweep(w); err != nil {
		t.Error(err)
	}
	if got := state(all[4]); got != idp.PersonEnabled {
		t.Errorf("it is %s", got)
	}
}

// TestT061_OneNodeOfManyAsks: within the time, also when the one that asked is
// gone.
func TestT061_OneNodeOfManyAsks(t *testing.T) {
	dc := testenv.Samba(t)
	city := open(t, dc)
	d := &counting{Directory: city}
	h := newHouse(t, route(d))
	e := person(t, city)
	h.add("GEAA", e.Name)
	h.session(e.Name)
	now, every := time.Now(), 4*time.Minute
	var nodes [3]*directory.Watch
	for i := range nodes {
		nodes[i] = h.watch(10)
		nodes[i].Now, nodes[i].Leases = func() time.Time { return now }, h.store
	}
	look := func(list ...*directory.Watch) {
		t.Helper()
		for _, w := range list {
			if _, err := w.IfDue(t.Context(), every); err != nil {
				t.Fatal(err)
			}
		}
	}
	look(nodes[:]...)
	if d.asked != 1 {
		t.Errorf("asked %d times", d.asked)
	}
	if err := city.Disable(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	for end := now.Add(every); h.alive(e.Name); now = now.Add(every / 10) {
		if now.After(end) {
			t.Fatal("the session goes on")
		}
		look(nodes[1:]...)
	}
	if d.asked != 3 { // in the second sweep also of who was just closed
		t.Errorf("asked %d times", d.asked)
	}
}

// TestT061_OneDirectoryThatIsAwayHidesNoOther ends who is closed in the one that
// answers.
func TestT061_OneDirectoryThatIsAwayHidesNoOther(t *testing.T) {
	dc := testenv.Samba(t)
	city := open(t, dc)
	away := open(t, dc, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} })
	h := newHouse(t, route(away, "WATER"), route(city))
	e := person(t, city)
	h.add("GEAA", e.Name)
	h.add("WATER", "zw0001")
	h.session(e.Name)
	h.session("zw0001")
	if err := city.Disable(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if n, err := h.sweep(h.watch(10)); err == nil || n != 1 || h.alive(e.Name) || !h.alive("zw0001") {
		t.Errorf("%d ended, %v", n, err)
	}
}

// counting counts how often it is asked.
type counting struct {
	*ad.Directory
	asked int
}

func (c *counting) Open(ctx context.Context, accounts []idp.Account) ([]idp.Account, error) {
	c.asked++
	return c.Directory.Open(ctx, accounts)
}

func TestT061_ADirectoryThatIsAwayEndsNothing(t *testing.T) {
	s := script(t, plainly)
	h := newHouse(t, route(joined(t, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} }, s)))
	h.add("GEAA", "ab1234")
	h.session("ab1234")
	if n, err := h.sweep(h.watch(10)); err == nil || n != 0 || !h.alive("ab1234") {
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
