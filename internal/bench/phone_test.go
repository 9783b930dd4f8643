package bench

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
)

// phoneSettings say how much: about five minutes, or one with -quick.
func phoneSettings() (pages, logins int, dwell time.Duration) {
	if *quick {
		return 2_000, 40, 32 * time.Second
	}
	return 10_000, 400, 90 * time.Second
}

// phoneReport is what logging in by phone costs.
type phoneReport struct {
	pages    int
	memory   float64 // MB, resident
	each     float64 // KB for each page
	cpu      float64 // of one core
	rotated  float64 // codes shown to each page in a minute
	lost     int64
	one, two []time.Duration // from the approval to the browser on its way
	rates    []row
}

// BenchmarkPhone measures the phones' part of the report alone.
func BenchmarkPhone(b *testing.B) {
	for b.Loop() {
		r := &phoneReport{}
		r.measure(b)
		b.Logf("\n%s", r.markdown())
	}
}

func (r *phoneReport) measure(b *testing.B) {
	b.Helper()
	const secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	binary := build(b, "taipeion.internal/idp/cmd/idp")
	floorBinary := build(b, "taipeion.internal/idp/internal/bench/phonefloor")
	for _, engine := range []string{sqlite, postgres} {
		t, in := product(b, binary, variant{engine: engine, cache: "500ms"}, secret)
		phones := bindPhones(b, in, t.users[:32])
		bare, same := phoneFloorOn(b, binary, floorBinary, engine, t.users[:32])
		r.measureRate(b, engine, [2]*target{t, bare}, [2][]*handset{phones, same})
		if engine == sqlite {
			r.one = r.measureWaiting(b, t, phones)
		} else {
			r.two = measureAcross(b, t, in, phones)
		}
		in.halt()
	}
}

// measureWaiting lets many pages wait on one node, looks at what that takes, and
// logs in beside them.
func (r *phoneReport) measureWaiting(b *testing.B, t *target, phones []*handset) []time.Duration {
	b.Helper()
	pages, logins, dwell := phoneSettings()
	before, err := memoryOf(t.pids[0])
	check(b, err)
	c, err := gather(t, t.base, pages)
	check(b, err)
	defer c.end()
	time.Sleep(5 * time.Second) // what opening them took is over
	start, err := t.usage()
	check(b, err)
	heard, begin := c.events.Load(), time.Now()
	time.Sleep(dwell)
	end, err := t.usage()
	check(b, err)
	took := time.Since(begin)
	r.pages, r.lost = len(c.pages), c.lost.Load()
	r.cpu = (end.cpu - start.cpu).Seconds() / took.Seconds()
	r.rotated = float64(c.events.Load()-heard) / float64(len(c.pages)) / took.Minutes()
	r.memory, err = memoryOf(t.pids[0])
	check(b, err)
	r.each = 1000 * (r.memory - before) / float64(len(c.pages))
	b.Logf("%d pages: %.0f MB (%.1f KB each), %.1f %% of a core, %.2f codes a minute, %d lost", r.pages, r.memory, r.each, 100*r.cpu, r.rotated, r.lost)
	return react(b, t, t.base, phones, logins)
}

// measureAcross does the same with the pages on a second node and the phones on
// the first.
func measureAcross(b *testing.B, t *target, in *installation, phones []*handset) []time.Duration {
	b.Helper()
	pages, logins, _ := phoneSettings()
	second := &installation{binary: in.binary, dir: b.TempDir(), listen: freeAddress(b), metrics: freeAddress(b)}
	for _, name := range []string{"master.key", "postgresql.url"} {
		raw, err := os.ReadFile(filepath.Join(in.dir, name))
		check(b, err)
		check(b, os.WriteFile(filepath.Join(second.dir, name), raw, 0o600))
	}
	config := fmt.Sprintf(configText, in.listen, "postgresql_file: postgresql.url", second.metrics, "500ms")
	config = strings.Replace(config, "listen: "+in.listen, "listen: "+second.listen+"\nhosts: ["+second.listen+"]", 1)
	check(b, os.WriteFile(second.config(), []byte(config), 0o600))
	other, _, _ := second.start(b)
	c, err := gather(t, other.base, pages)
	check(b, err)
	defer c.end()
	time.Sleep(5 * time.Second)
	return react(b, t, other.base, phones, logins)
}

// react logs in again and again, each phone in turn, with the page on the node
// at that address; it returns how long each took from the moment the phone sent
// its approval to the browser's answer that sends it on its way, sorted.
func react(b *testing.B, t *target, at string, phones []*handset, logins int) []time.Duration {
	b.Helper()
	w := newWorker(t)
	browser := newWorker(t).client
	var all []time.Duration
	for i := range logins {
		p, err := w.openPage()
		check(b, err)
		p.base = at
		check(b, p.listen())
		code, err := p.hears("waiting")
		check(b, err)
		phone := phones[i%len(phones)]
		s, err := phone.scan(w.client, t.base, code.Link)
		check(b, err)
		shown, err := p.hears("scanned")
		check(b, err)
		done := make(chan error, 1)
		var end time.Time
		go func() {
			_, err := p.hears("approved")
			if err == nil {
				_, _, err = p.enter(browser)
			}
			end = time.Now()
			done <- err
		}()
		begin := time.Now()
		check(b, phone.approve(w.client, t.base, s, shown.Number))
		check(b, <-done)
		all = append(all, end.Sub(begin))
		_ = p.conn.Close()
	}
	slices.Sort(all)
	return all
}

// phoneFloorOn starts the floor on a store like the product's, with phones of
// its own bound in it.
func phoneFloorOn(b testing.TB, binary, floorBinary, engine string, users []user) (*target, []*handset) {
	b.Helper()
	in := install(b, binary, variant{engine: engine, cache: "500ms"}, clientSecret)
	phones := bindPhones(b, in, users)
	if engine == postgres {
		return startFloor(b, floorBinary, "-postgres", in.options.PostgreSQL), phones
	}
	return startFloor(b, floorBinary, "-sqlite", in.options.SQLite), phones
}

// measureRate compares whole logins with the bare cost of what is in them: the
// same requests, with three signatures of phones verified and the same durable
// statements made. on and phones are the product's and the floor's.
func (r *phoneReport) measureRate(b *testing.B, engine string, on [2]*target, phones [2][]*handset) {
	b.Helper()
	s, n := chosen(), len(phones[0])
	product := flow{"QR login", "", none, func(w *worker) error { return w.qrLogin(phones[0][w.id%n]) }}
	floor := flow{"QR login", "", none, func(w *worker) error { return w.bareQRLogin(phones[1][w.id%n]) }}
	for _, workers := range s.workers {
		if workers > n {
			continue // a phone does one thing at a time
		}
		line := row{on: variant{engine: engine}, flow: "QR login", workers: workers}
		for range s.rounds {
			line.product = append(line.product, mustDrive(b, on[0], product, workers, s.duration))
			line.floor = append(line.floor, mustDrive(b, on[1], floor, workers, s.duration))
		}
		b.Logf("%-9s QR login %3d workers %6.0f/s, bare %6.0f/s, ratio %.2f", engine, workers, line.rate(), line.of(), line.ratio())
		r.rates = append(r.rates, line)
	}
}

// qrLogin is a whole login by phone, of a browser that polls, up to the code.
func (w *worker) qrLogin(phone *handset) error {
	p, err := w.openPage()
	if err != nil {
		return err
	}
	code, err := w.codeOf(p)
	if err != nil {
		return err
	}
	s, err := phone.scan(w.client, w.base, code)
	if err != nil {
		return err
	}
	shown, err := w.look(p)
	if err != nil {
		return err
	}
	if err := phone.approve(w.client, w.base, s, shown.Number); err != nil {
		return err
	}
	to, cookies, err := p.enter(w.client)
	for err == nil && strings.HasPrefix(to, "/") {
		to, err = w.get(to, cookies)
	}
	if err == nil && !strings.HasPrefix(to, redirectURI) {
		err = fmt.Errorf("led to %q", to)
	}
	return err
}

// bareQRLogin is what nobody can log in by phone with less than: see phonefloor.
// The phone signs as much as for the product: both share the machine with it.
func (w *worker) bareQRLogin(phone *handset) error {
	if _, err := phone.NewScan("code", time.Now()); err != nil {
		return err
	}
	if _, err := phone.NewDecision(&devicebind.Scanned{}, devicebind.VerdictApprove, "10", "", time.Now()); err != nil {
		return err
	}
	phone.auth.Get(make([]byte, 32))
	form := url.Values{"device": {phone.DeviceID}, "person": {phone.person}}.Encode()
	for _, step := range []string{"authorize", "page", "scan", "state", "decide", "enter", "resume"} {
		req, err := http.NewRequest(http.MethodPost, w.base+"/"+step, strings.NewReader(form))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, body, err := w.do(req)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("floor: %s: %d %s", step, resp.StatusCode, body)
		}
	}
	return nil
}
