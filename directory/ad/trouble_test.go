package ad_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// troubled is the domain by two controllers that have trouble.
type troubled struct {
	*ad.Directory
	proxies [2]*testenv.Proxy
}

func openTroubled(t *testing.T, dc *testenv.AD, change ...func(*ad.Options)) *troubled {
	t.Helper()
	w := &troubled{}
	servers := []string{}
	for i := range w.proxies {
		w.proxies[i] = testenv.NewProxy(t, dc.LDAPS)
		servers = append(servers, "ldaps://"+w.proxies[i].Address)
	}
	w.Directory = open(t, dc, append(change, func(o *ad.Options) {
		o.Servers, o.Connect, o.Answer, o.Login = servers, 500*time.Millisecond, 700*time.Millisecond, 2*time.Second
	})...)
	return w
}

// begin makes both controllers have that trouble.
func (w *troubled) begin(how string) {
	for _, p := range w.proxies {
		switch how {
		case "killed":
			p.Kill()
		case "hung":
			p.Hang(true)
		case "slow":
			p.Slow(300 * time.Millisecond)
		}
	}
}

// end heals them.
func (w *troubled) end(t *testing.T) {
	t.Helper()
	for _, p := range w.proxies {
		p.Kill()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestControllers_FailWhileAPasswordChanges has the controllers killed, hung and
// slow in the middle of a change: it is done with all that follows or not at all,
// and never asked of a second controller.
func TestControllers_FailWhileAPasswordChanges(t *testing.T) {
	dc := testenv.Samba(t)
	options := storetest.SQLite(t)
	done := map[bool]int{}
	for _, how := range []string{"killed", "hung", "slow"} {
		w := openTroubled(t, dc)
		for _, after := range []time.Duration{0, 25 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
			k := newKilled(t, dc, options)
			k.How, k.Step = "change", how
			person, err := k.store.Person(t.Context(), "p-"+k.Account)
			k.must(err)
			p := passwordsOf(w, dying{Store: k.store}, time.Now)
			var begun sync.WaitGroup
			begun.Go(func() { time.Sleep(after); w.begin(how) })
			var changed error
			within(t, 10*time.Second, func() {
				_, changed = p.ChangeOwn(t.Context(), person, rightPassword, newPassword, "s-"+k.Account)
			})
			begun.Wait()
			w.end(t)
			if changed != nil {
				time.Sleep(300 * time.Millisecond) // what was sent is done
				later := time.Now().Add(61 * time.Second)
				if _, err := passwordsOf(k.d, dying{Store: k.store}, func() time.Time { return later }).Finish(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
			is := outcome(k.d.Check(t.Context(), account(k.Account), newPassword)) == "ok"
			was := outcome(k.d.Check(t.Context(), account(k.Account), rightPassword)) == "ok"
			if is == was || changed == nil && !is {
				t.Errorf("%s after %v: new %v, old %v, %v", how, after, is, was, changed)
			}
			k.whole(is)
			done[is]++
		}
	}
	t.Logf("%d were changed, %d were not", done[true], done[false])
}

// TestTeller_ControllersFailInTheMiddle has what synchronisation and batch jobs
// did here told to controllers that are killed, hung and slow in turn: all of it
// arrives, once.
func TestTeller_ControllersFailInTheMiddle(t *testing.T) {
	dc := testenv.Samba(t)
	st, err := store.Open(t.Context(), storetest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	keep := func(o *ad.Options) { o.Identities = st }
	d, w := open(t, dc, keep), openTroubled(t, dc, keep)
	const each = 8
	now := time.Now()
	entries := map[string]string{} // ID by old name
	for i := range 2 * each {
		id := fmt.Sprintf("trouble%d", i)
		accounts := []idp.Account{{Name: "portal." + id, Kind: idp.AccountPortal}}
		if i >= each {
			e := person(t, d)
			entries[e.Name] = e.ID
			accounts = []idp.Account{{Name: e.Name, Kind: idp.AccountTPEAD}}
		}
		if err := st.PutPerson(t.Context(), directory.Record{
			Person: idp.Person{ID: id, Subject: id, Name: "王大明", State: idp.PersonEnabled, UpdatedAt: now}, Accounts: accounts, NationalIDHash: []byte(id),
		}); err != nil {
			t.Fatal(err)
		}
	}
	jobs := &directory.Job{Store: st, Now: func() time.Time { return now }, Actor: "test"}
	names := map[string]string{}
	note := func(o directory.Outcome) { names[o.Former] = o.Account }
	if err := jobs.Provision(t.Context(), note); err != nil {
		t.Fatal(err)
	}
	if err := jobs.Rename(t.Context(), note); err != nil {
		t.Fatal(err)
	}
	gate := &directory.Gate{Accounts: st, Routes: []directory.Route{{Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}, Backend: w}}}
	rounds, waiting := 0, 2*each
	for ; waiting > 0 && rounds < 20; rounds++ {
		// Each round is a day later: whatever waits is due.
		teller := &directory.Teller{Effects: st, Doors: st, Gate: gate, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now.Add(time.Duration(rounds+1) * 24 * time.Hour) }}
		var begun sync.WaitGroup
		if rounds < 3 {
			begun.Go(func() {
				time.Sleep([]time.Duration{150, 250, 0}[rounds] * time.Millisecond)
				w.begin([]string{"killed", "hung", "slow"}[rounds])
			})
		}
		if _, err := teller.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun.Wait()
		w.end(t)
		var failed int
		if waiting, failed, err = st.EffectCounts(t.Context()); err != nil || failed != 0 {
			t.Fatalf("%d have failed, %v", failed, err)
		}
		t.Logf("round %d: %d wait", rounds+1, waiting)
	}
	if waiting > 0 {
		t.Errorf("%d rounds, %d wait", rounds, waiting)
	}
	for former, name := range names {
		e, err := d.Find(t.Context(), name)
		if err != nil || e.Disabled || entries[former] != "" && entries[former] != e.ID {
			t.Errorf("%s, once %s: %+v, %v", name, former, e, err)
		}
	}
	if len(names) != 2*each {
		t.Errorf("%d names", len(names))
	}
}
