package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// row is a line of the main table.
type row struct {
	on             variant
	flow           string
	workers        int
	product, floor []result
}

func (r row) rate() float64 { return median(r.product, func(x result) float64 { return x.rate }) }
func (r row) of() float64   { return median(r.floor, func(x result) float64 { return x.rate }) }

// ratio is the median of the rounds' own ratios: both runs of a round met the
// same weather on the machine.
func (r row) ratio() float64 {
	pairs := make([]result, len(r.product))
	for i := range pairs {
		pairs[i].rate = r.product[i].rate / r.floor[i].rate
	}
	return median(pairs, func(x result) float64 { return x.rate })
}

func (r row) errors() (n int) {
	for _, x := range r.product {
		n += x.errors
	}
	return n
}

func (r row) gap() (worst time.Duration) {
	for _, x := range r.product {
		worst = max(worst, x.gap)
	}
	return worst
}

// report is all that make bench finds out.
type report struct {
	settings settings
	bare     float64
	floor    []calibrated
	rows     []row
	password passwordCost
	card     cardCost
	again    starts
	first    starts
	memory   float64
	grown    []grown
	phone    *phoneReport
	people   *peopleReport
}

// BenchmarkReport measures everything and writes the report: make bench runs
// this one alone.
func BenchmarkReport(b *testing.B) {
	for b.Loop() {
		r := &report{settings: chosen()}
		measure(b, r)
		text := r.markdown()
		b.Logf("\n%s", text)
		if *reportFile != "" {
			if err := os.WriteFile(*reportFile, []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func measure(b *testing.B, r *report) {
	const secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	binary := build(b, "taipeion.internal/idp/cmd/idp")
	floorBinary := build(b, "taipeion.internal/idp/internal/bench/floor")
	floors := map[string]*target{
		sqlite:   floorOn(b, floorBinary, sqlite, secret),
		postgres: floorOn(b, floorBinary, postgres, secret),
	}
	chosen := regexp.MustCompile(*only)
	if chosen.MatchString("floor") {
		r.bare, r.floor = calibrate(b, r.settings, floors)
	}
	for i, on := range variants {
		p, in := product(b, binary, on, secret)
		for _, f := range flows {
			if regexp.MustCompile(on.flows).MatchString(f.name) && chosen.MatchString(on.String()+"/"+f.name) {
				r.rows = append(r.rows, alternate(b, p, floors[on.engine], on, f, r.settings)...)
			}
		}
		if i == 0 && chosen.MatchString("password") {
			r.password = measurePassword(b, p, r.settings.logins)
		}
		in.halt()
		if i == 0 && chosen.MatchString("start") {
			r.again, r.first = measureStart(b, in, binary, 2*r.settings.rounds)
			r.memory = measureMemory(b, in, r.settings.idle)
		}
	}
	if chosen.MatchString("card") {
		r.card = measureCard(b)
	}
	if chosen.MatchString("growth") {
		r.grown = measureGrowth(b, binary, r.settings)
	}
	if chosen.MatchString("people") {
		r.people = measurePeople(b, binary)
	}
	if chosen.MatchString("phone") {
		r.phone = measurePhone(b)
	}
}

// alternate runs a flow on product and floor in turns.
func alternate(b testing.TB, p, floor *target, on variant, f flow, s settings) (rows []row) {
	b.Helper()
	for _, workers := range s.workers {
		line := row{on: on, flow: f.name, workers: workers}
		for range s.rounds {
			line.product = append(line.product, mustDrive(b, p, f, workers, s.duration))
			line.floor = append(line.floor, mustDrive(b, floor, f, workers, s.duration))
		}
		rows = append(rows, line)
		cpu := func(r result) float64 { return ms(r.cpu) }
		fmt.Fprintf(os.Stderr, "%-32s %-19s %3d workers %8.0f/s, floor %8.0f/s, ratio %.2f, CPU %.3f and %.3f ms\n", on, f.name, workers,
			line.rate(), line.of(), line.ratio(), median(line.product, cpu), median(line.floor, cpu))
	}
	return rows
}

var engineNames = map[string]string{sqlite: "SQLite", postgres: "PostgreSQL"}

func (r *report) markdown() string {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	p("# Benchmarks\n")
	p("Written by `make bench` on %s: %s, %d cores, %s, %s.", time.Now().UTC().Format("2006-01-02"), cpuModel(), runtime.NumCPU(),
		strings.TrimSpace(readFirst("/proc/sys/kernel/ostype")+" "+readFirst("/proc/sys/kernel/osrelease")), runtime.Version())
	p("The product (`idp serve`) and the load share that machine. Each figure is the median of %d runs of %v, product and", r.settings.rounds, r.settings.duration)
	p("floor in turns; the ratio is the median of the rounds' ratios. Single rates vary with the machine; compare ratios.\n")
	p("## The floor\n")
	p("`internal/bench/floor` is a bare `net/http` server that answers the same requests, makes the same signatures, and one")
	p("durable write for each request that must write (SQLite with WAL, `synchronous=FULL` and group commit; PostgreSQL by a")
	p("pool of 16). Driven by the same client at 16 workers, bare JSON runs at %.0f/s.\n", r.bare)
	p("| floor | rate /s | ratio to bare JSON | expected | difference |\n| --- | ---: | ---: | ---: | ---: |")
	for _, c := range r.floor {
		p("| %s | %.0f | %.3f | %.3f | %+.0f %% |", c.name, c.rate, c.ratio, c.want, 100*c.difference)
	}
	p("\n## Flows\n")
	for _, f := range flows {
		p("- `%s`: %s.", f.name, f.about)
	}
	p("\nAt least 60 %% of the floor's rate is asked for, no errors, and no second without a completion. Statements and")
	p("transactions are counted by the store; a transaction is often a group commit that several requests share. By")
	p("default (`tokens.cache: 500ms`) a node believes for half a second what it read of a grant or a session, so tokens that are")
	p("used again and again, codes that are redeemed at once, and people who open one system after the other save reads; rows with")
	p("0s show the product without that.\n")
	p("| store | flow | workers | rate /s | floor /s | ratio | p50 ms | p99 ms | errors | longest gap ms | CPU ms | floor's | reads | writes | transactions |")
	p("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, x := range r.rows {
		of := func(get func(result) float64) float64 { return median(x.product, get) }
		p("| %s | %s | %d | %.0f | %.0f | %.2f | %.2f | %.2f | %d | %.0f | %.3f | %.3f | %.2f | %.2f | %.2f |",
			x.on, x.flow, x.workers, x.rate(), x.of(), x.ratio(),
			of(func(y result) float64 { return ms(y.p50) }), of(func(y result) float64 { return ms(y.p99) }),
			x.errors(), ms(x.gap()), of(func(y result) float64 { return ms(y.cpu) }), median(x.floor, func(y result) float64 { return ms(y.cpu) }),
			of(func(y result) float64 { return y.reads }), of(func(y result) float64 { return y.writes }),
			of(func(y result) float64 { return y.transactions }))
	}
	r.others(p)
	if r.people != nil {
		out.WriteString(r.people.markdown())
	}
	if r.phone != nil {
		out.WriteString(r.phone.markdown())
	}
	return out.String()
}

func (r *report) others(p func(string, ...any)) {
	p("\n## Others\n")
	p("| what | measured | asked for |\n| --- | ---: | ---: |")
	p("| processor time of a login with a password, code exchange included | %.1f ms | |", ms(r.password.login))
	p("| of it argon2id (19 MiB, 2 passes) | %.1f ms | |", ms(r.password.argon))
	p("| the rest | %.1f ms | at most 3 ms |", ms(r.password.more()))
	p("| verifying a card's answer, an RSA-2048 issuer | %.0f µs | |", us(r.card.verify))
	p("| bare RSA-2048 verifications of signature and chain | %.0f µs | |", us(r.card.bare))
	p("| ratio | %.2f | at most 2 |", float64(r.card.verify)/float64(max(r.card.bare, 1)))
	p("| start to first 200, median of %d and the slowest | %.0f ms, %.0f ms | under 200 ms |", len(r.again), ms(r.again.median()), ms(r.again.worst()))
	p("| the same on new folders, where schema and keys are made | %.0f ms, %.0f ms | under 200 ms |", ms(r.first.median()), ms(r.first.worst()))
	p("| resident memory %v after the start | %.1f MB | under 40 MB |", r.settings.idle, r.memory)
	p("\n%d grants in the store (SQLite, 16 workers), p99:\n", r.settings.grants)
	p("| flow | without | with | change | asked for |\n| --- | ---: | ---: | ---: | ---: |")
	for _, g := range r.grown {
		p("| %s | %.2f ms | %.2f ms | %+.0f %% | under +20 %% |", g.flow, ms(g.small), ms(g.full), 100*g.change)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func cpuModel() string {
	for line := range strings.Lines(readFirst("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func readFirst(path string) string {
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
