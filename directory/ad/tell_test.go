package ad_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

var _ directory.Writer = (*ad.Directory)(nil)

// What batch jobs did here reaches a real domain, also when the controller was
// away at first.
func TestTeller_TellsTheDomain(t *testing.T) {
	dc := testenv.Samba(t)
	st, err := store.Open(t.Context(), storetest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	keep := func(o *ad.Options) { o.Identities = st }
	d := open(t, dc, keep)
	away := open(t, dc, keep, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} })
	old := person(t, d)
	now := time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(id string, accounts ...idp.Account) {
		must(st.PutPerson(t.Context(), directory.Record{
			Person: idp.Person{ID: id, Subject: id, Name: "王大明", State: idp.PersonEnabled, UpdatedAt: now}, Accounts: accounts, NationalIDHash: []byte(id),
		}))
	}
	put("new", idp.Account{Name: "newportal", Kind: idp.AccountPortal})
	put("old", idp.Account{Name: old.Name, Kind: idp.AccountTPEAD})

	jobs := &directory.Job{Store: st, Now: func() time.Time { return now }, Actor: "test"}
	names := map[string]string{}
	note := func(o directory.Outcome) { names[o.Former] = o.Account }
	must(jobs.Provision(t.Context(), note))
	must(jobs.Rename(t.Context(), note))
	tell := func(b directory.Backend, at time.Time) string {
		gate := &directory.Gate{Accounts: st, Routes: []directory.Route{{Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}, Backend: b}}}
		teller := &directory.Teller{Effects: st, Doors: st, Gate: gate, Now: func() time.Time { return at }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
		for n := 1; n > 0; {
			var err error
			n, err = teller.Once(t.Context())
			must(err)
		}
		waiting, failed, err := st.EffectCounts(t.Context())
		must(err)
		return fmt.Sprintf("%d waiting, %d failed", waiting, failed)
	}
	if got := tell(away, now.Add(time.Second)); got != "2 waiting, 0 failed" {
		t.Fatal(got)
	}
	// The answer to the first was lost: it was done all the same.
	pending, err := st.Account(t.Context(), names["newportal"])
	must(err)
	must(open(t, dc).MakeAccount(t.Context(), *pending, "王大明"))
	if got := tell(d, now.Add(time.Hour)); got != "0 waiting, 0 failed" {
		t.Fatal(got)
	}
	made, err := d.Find(t.Context(), names["newportal"])
	if err != nil || made.Disabled {
		t.Errorf("%+v %v", made, err)
	}
	renamed, err := d.Find(t.Context(), names[old.Name])
	if err != nil || renamed.ID != old.ID {
		t.Errorf("%+v %v", renamed, err)
	}
	check(t, d, names[old.Name], rightPassword, "ok")
	must(d.SwitchAccount(t.Context(), account(names[old.Name]), false))
	gate := &directory.Gate{Accounts: st, Routes: []directory.Route{{Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}, Backend: d}}}
	drift, err := directory.FindDrift(t.Context(), gate, st)
	if err != nil || len(drift) != 1 || drift[0].Account != names[old.Name] || drift[0].Here != "open" {
		t.Errorf("drift %+v %v", drift, err)
	}
	check(t, d, names[old.Name], rightPassword, "disabled")
	must(d.SwitchAccount(t.Context(), account("zz0000"), false))
	must(d.SwitchAccount(t.Context(), account(names[old.Name]), true))

	// Whom we closed we open again; whom the domain's own administrators closed we don't.
	turn := func(state idp.PersonState, want string) {
		t.Helper()
		now = now.Add(2 * time.Hour)
		must(st.SetState(t.Context(), "old", state, now))
		if got := tell(d, now.Add(time.Hour)); got != want {
			t.Errorf("%s: %s", state, got)
		}
	}
	turn(idp.PersonDisabled, "0 waiting, 0 failed")
	check(t, d, names[old.Name], rightPassword, "disabled")
	turn(idp.PersonEnabled, "0 waiting, 0 failed")
	check(t, d, names[old.Name], rightPassword, "ok")
	must(d.Disable(t.Context(), old.ID))
	turn(idp.PersonDisabled, "0 waiting, 0 failed")
	turn(idp.PersonEnabled, "0 waiting, 1 failed")
	check(t, d, names[old.Name], rightPassword, "disabled")
}
