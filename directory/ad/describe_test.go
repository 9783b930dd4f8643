package ad_test

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// TestSamba_ChangesOfPeopleGoOn: name, unit, title and agency reach the domain by
// the outbox, with the agency's place; what differs is found, and mended when asked.
func TestSamba_ChangesOfPeopleGoOn(t *testing.T) {
	dc := testenv.Samba(t)
	admin := open(t, dc)
	ctx := t.Context()
	place := fmt.Sprintf("OU=Water%d,%s", serial.Add(1), dc.Base)
	dc.Tool(t, "ou", "create", place)
	h := newHouse(t)
	d := open(t, dc, func(o *ad.Options) { o.Identities, o.Places = h.store, map[string]string{"WATER": place} })
	h.Routes = []directory.Route{route(d)}
	e := person(t, admin)
	h.add("GEAA", e.Name)
	put := func(agency idp.Agency, name, unit, title string) {
		t.Helper()
		p, err := h.store.Person(ctx, "p-"+e.Name)
		if err != nil {
			t.Fatal(err)
		}
		p.Agency, p.Name, p.Unit, p.Title, p.UpdatedAt = agency, name, unit, title, time.Now()
		r := directory.Record{Person: *p, Accounts: []idp.Account{{Name: e.Name, Kind: idp.AccountSingle}}}
		if err := h.store.PutPerson(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	tell := func(want int) {
		t.Helper()
		teller := &directory.Teller{Effects: h.store, Doors: h.store, Gate: h.Gate, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
		n, err := teller.Once(ctx)
		if waiting, failed, counted := h.store.EffectCounts(ctx); err != nil || counted != nil || n != want || waiting+failed > 0 {
			t.Fatalf("%d told, want %d; %d wait, %d failed: %v %v", n, want, waiting, failed, err, counted)
		}
	}
	drift := func(fields ...string) []directory.Drift {
		t.Helper()
		found, err := directory.FindDrift(ctx, h.Gate, h.store)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, f := range found {
			got[f.Field] = true
		}
		for _, f := range fields {
			if !got[f] {
				t.Errorf("no drift of %q in %+v", f, found)
			}
		}
		if len(found) != len(fields) {
			t.Errorf("drift %+v, want %q", found, fields)
		}
		return found
	}
	water := idp.Agency{Code: "WATER", Name: "臺北自來水事業處"}
	put(water, "歐陽小明", "供水科", "股長")
	put(water, "歐陽明", "供水科", "科長") // while the first waits
	tell(1)
	drift()
	moved, err := admin.Find(ctx, e.Name)
	if err != nil || moved.DisplayName != "歐陽明" || moved.ID != e.ID || moved.DN != "CN="+e.Name+","+place {
		t.Fatalf("%+v %v", moved, err)
	}
	ad.SetAttribute(ctx, t, admin, moved.DN, "title", "局長")
	ad.SetAttribute(ctx, t, admin, moved.DN, "sn", "歐")
	if _, err := admin.Move(ctx, e.ID, "CN=Users,"+dc.Base); err != nil {
		t.Fatal(err)
	}
	found := drift("title", "sn", "place")
	if n, err := directory.Mend(ctx, h.store, found, "operator:test"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	tell(1)
	drift()
	put(water, "歐陽明", "", "科長") // what is empty here is empty there
	tell(1)
	drift()
	h.add("GEAA", "zz0007") // in no directory: nothing to show
	drift("")
}

func TestSlapd_ChangesOfPeopleGoOn(t *testing.T) {
	d := openPlain(t, testenv.Slapd(t))
	e := person(t, d)
	a := idp.Account{Name: e.Name, Kind: idp.AccountSingle, PersonID: "p"}
	to := directory.Description{Name: "司馬 光", AgencyName: "工務局", Unit: "一科", Title: "技士"}
	for range 2 {
		if err := d.Describe(t.Context(), a, to); err != nil {
			t.Fatal(err)
		}
	}
	if fields, err := d.Differs(t.Context(), a, to); err != nil || len(fields) != 0 {
		t.Errorf("%+v %v", fields, err)
	}
}

// TestPlacesAreBelowTheBase: elsewhere nobody could be moved.
func TestPlacesAreBelowTheBase(t *testing.T) {
	o := ad.Options{
		Name: "tpead", Servers: []string{"ldaps://127.0.0.1:1"}, CA: pool(nil), BindDN: "cn=idp", Secret: "s", Base: "OU=People,DC=tpead,DC=test",
		Places: map[string]string{"WATER": "OU=Water, ou=people,dc=tpead,dc=test"},
	}
	if _, err := ad.New(o); err != nil {
		t.Error(err)
	}
	for _, place := range []string{"OU=Water,DC=tpead,DC=test", "OU=Water", "no name"} {
		o.Places["WATER"] = place
		if _, err := ad.New(o); err == nil {
			t.Errorf("%q is taken", place)
		}
	}
}
