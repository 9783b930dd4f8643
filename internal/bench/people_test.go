package bench

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/store"
)

// peopleReport is the synchronisation of a whole city, and what an Active
// Directory takes beside it.
type peopleReport struct {
	people, agencies, changed int
	stores                    []synced
	ad                        *adRate
	alone                     bool // there is no Active Directory on this machine
}

// synced is what was measured on a store.
type synced struct {
	engine                          string
	first, second, drawn, provision command
}

// command is what one run of a program took.
type command struct {
	took time.Duration
	peak float64 // resident memory in MB
}

// adRate is how fast the directory itself makes and changes accounts, by eight
// connections.
type adRate struct {
	accounts      int
	made, changed time.Duration
}

func (r *adRate) of(took time.Duration) float64 { return float64(r.accounts) / took.Seconds() }

const adWorkers = 8

func (r *peopleReport) measure(b testing.TB, binary string) {
	b.Helper()
	r.people, r.agencies, r.changed = 80_000, 1000, 800
	accounts := 300
	if *quick {
		r.people, r.changed, accounts = 8000, 80, 40
	}
	for _, engine := range []string{sqlite, postgres} {
		s := r.sync(b, binary, engine)
		r.stores = append(r.stores, s)
		fmt.Fprintf(os.Stderr, "%-12s first load %v, %.0f MB; 1 %% changed %v, %.0f MB; %d names drawn %v; provisioned %v\n", engineNames[engine],
			s.first.took, s.first.peak, s.second.took, s.second.peak, r.people, s.drawn.took, s.provision.took)
	}
	if _, err := exec.LookPath("samba-tool"); err != nil || os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "no Active Directory here: needs samba-ad-dc and root")
		r.alone = true
		return
	}
	r.ad = measureAD(b, accounts)
	fmt.Fprintf(os.Stderr, "Active Directory: %.0f made, %.0f changed a second\n", r.ad.of(r.ad.made), r.ad.of(r.ad.changed))
}

// feed is people of agencies; those whose number is a multiple of so many are of
// another rank.
func (r *peopleReport) feed(every int) []byte {
	var out bytes.Buffer
	out.WriteString("account,name,national_id,agency,agency_name,unit,title,state\n")
	for i := range r.people {
		title := "科員"
		if every > 0 && i%every == 0 {
			title = "科長"
		}
		id := fmt.Sprintf("A1%07d", 5_000_000+i) // none of the demo's
		sum := 1
		for at := 1; at < len(id); at++ {
			sum += int(id[at]-'0') * (9 - at)
		}
		fmt.Fprintf(&out, "user%d,人員𠮷%d,%s%d,A%03d,機關%d,單位%d,%s,在職\n", i, i, id, (10-sum%10)%10, i%r.agencies, i%r.agencies, i%7, title)
	}
	return out.Bytes()
}

func (r *peopleReport) sync(b testing.TB, binary, engine string) synced {
	b.Helper()
	in := install(b, binary, variant{engine, "500ms", ""}, "secret")
	feed := filepath.Join(in.dir, "people.csv")
	text, err := os.ReadFile(in.config())
	if err == nil {
		text = append(text, "sync:\n  every: 0s\n  sources:\n    - {name: portal, kind: csv, file: people.csv}\n"...)
		err = os.WriteFile(in.config(), text, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	_, _, stop := in.start(b) // makes the keys
	stop()
	s := synced{engine: engine}
	run := func(every int, want string) command {
		if err := os.WriteFile(feed, r.feed(every), 0o600); err != nil {
			b.Fatal(err)
		}
		took, out := watched(b, binary, "sync", "run", "--json", "--config", in.config())
		if !strings.Contains(compact(out), want) {
			b.Fatalf("the run should have %s: %.1000s", want, out)
		}
		return took
	}
	s.first = run(0, fmt.Sprintf(`"add":%d`, r.people))
	s.second = run(100, fmt.Sprintf(`"update":%d`, r.changed))
	ctx := context.Background()
	st, err := store.Open(ctx, in.options)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	began := time.Now()
	names, err := directory.DrawSingleNames(ctx, st, r.people, began)
	if err != nil || len(names) != r.people {
		b.Fatalf("%d names drawn, %v", len(names), err)
	}
	s.drawn.took = time.Since(began)
	s.provision, _ = watched(b, binary, "directory", "provision", "--config", in.config())
	return s
}

// compact is JSON without its spaces.
func compact(text []byte) string {
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return string(text)
	}
	return out.String()
}

// watched runs a program and looks at its memory meanwhile: the most that it had
// so far is what Linux says, so that only the last moment may be missed.
func watched(b testing.TB, binary string, args ...string) (command, []byte) {
	b.Helper()
	c := exec.Command(binary, args...)
	var out, faults bytes.Buffer
	c.Stdout, c.Stderr = &out, &faults
	began := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for done := (command{}); ; {
		select {
		case err := <-ended:
			if done.took = time.Since(began); err != nil {
				b.Fatalf("%v: %v\n%.2000s", args, err, &faults)
			}
			return done, out.Bytes()
		case <-tick.C:
			done.peak = max(done.peak, peakOf(c.Process.Pid))
		}
	}
}

// peakOf is the most memory that a process ever had, in MB; 0 if it is gone.
func peakOf(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err == nil {
				return kib * 1024 / 1e6
			}
		}
	}
	return 0
}

// measureAD makes and changes accounts in a domain of its own.
func measureAD(b testing.TB, accounts int) *adRate {
	b.Helper()
	dc := testenv.Samba(b)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(dc.CA)
	d, err := ad.New(ad.Options{
		Name: "tpead", Servers: []string{"ldaps://" + dc.LDAPS}, CA: roots, BindDN: dc.Admin, Secret: dc.Password, Base: dc.Base,
		Suffix: "tpead.test", Pool: adWorkers, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	ids := make([]string, accounts)
	r := &adRate{accounts: accounts}
	r.made = inParallel(b, accounts, func(i int) error {
		e, err := d.Create(b.Context(), ad.NewAccount{Name: fmt.Sprintf("qa%04d", i), DisplayName: "王大明", Password: "Lanterns7&Fog"})
		if err == nil {
			ids[i] = e.ID
		}
		return err
	})
	r.changed = inParallel(b, accounts, func(i int) error { return d.Disable(b.Context(), ids[i]) })
	return r
}

func inParallel(b testing.TB, n int, do func(i int) error) time.Duration {
	b.Helper()
	began := time.Now()
	var all sync.WaitGroup
	next := make(chan int)
	for range adWorkers {
		all.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return time.Since(began)
}

func (r *peopleReport) markdown() string {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	p("\n## People\n")
	p("%d people of %d agencies, from a CSV file, by `idp sync run` and `idp directory provision` as processes of their own;", r.people, r.agencies)
	p("the memory is the most that such a process ever had.\n")
	p("| what | store | measured | asked for |\n| --- | --- | ---: | ---: |")
	sec := func(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
	for _, s := range r.stores {
		on := engineNames[s.engine]
		p("| first load: read, plan, apply | %s | %s | %s |", on, sec(s.first.took), asked("under 60 s", s.first.took < time.Minute))
		p("| its memory | %s | %.0f MB | |", on, s.first.peak)
		p("| %d changed: read, plan, apply | %s | %s | %s |", r.changed, on, sec(s.second.took), asked("under 15 s", s.second.took < 15*time.Second))
		p("| its memory | %s | %.0f MB | %s |", on, s.second.peak, asked("at most 300 MB", s.second.peak <= 300))
		p("| %d single accounts drawn | %s | %s | %s |", r.people, on, sec(s.drawn.took), asked("under 5 s", s.drawn.took < 5*time.Second))
		p("| the same, given to people and bound | %s | %s | |", on, sec(s.provision.took))
	}
	if r.ad == nil {
		if r.alone {
			p("\nThere was no Active Directory on this machine.")
		}
		return out.String()
	}
	whole := time.Duration(float64(r.people) / r.ad.of(r.ad.made) * float64(time.Second))
	p("\nAn Active Directory's own rate beside it (Samba as a domain controller on the same machine, LDAPS, %d connections,", adWorkers)
	p("%d accounts): %.0f accounts made with their passwords and %.0f changed a second. For %d that is %v: what is kept", r.ad.accounts,
		r.ad.of(r.ad.made), r.ad.of(r.ad.changed), r.people, whole.Round(time.Minute))
	p("here does not wait for it, the outbox tells it afterwards.")
	return out.String()
}
