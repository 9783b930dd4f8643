package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/directory"
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
	memory   memoryCost
	grown    []grown
	phone    *phoneReport
	people   *peopleReport

	failed []string // parts
	ended  bool
}

// BenchmarkReport measures everything and writes the report: make bench runs
// this one alone.
func BenchmarkReport(b *testing.B) {
	r := &report{settings: chosen()}
	measure(b, r)
	r.ended = true
	r.write(b)
	b.Logf("\n%s", r.markdown())
}

func (r *report) write(b *testing.B) {
	if *reportFile == "" {
		return
	}
	if err := os.WriteFile(*reportFile, []byte(r.markdown()), 0o644); err != nil {
		b.Fatal(err)
	}
}

// part measures a part in a benchmark of its own: one that fails is named and
// takes no other with it. What there is so far is written.
func (r *report) part(b *testing.B, name string, measure func(*testing.B)) {
	before, done := len(r.failed), false
	ok := b.Run(name, func(b *testing.B) {
		if done {
			return // with another -benchtime than 1x it would be measured again
		}
		done = true
		defer func() {
			if b.Skipped() {
				r.failed = append(r.failed, name+" (skipped)")
			}
		}()
		measure(b)
	})
	if !ok && len(r.failed) == before { // else that part of it is named
		r.failed = append(r.failed, name)
	}
	r.write(b)
}

// clientSecret is that of the clients of product and floor.
const clientSecret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

func measure(b *testing.B, r *report) {
	const secret = clientSecret
	binary := build(b, "taipeion.internal/idp/cmd/idp")
	floorBinary := build(b, "taipeion.internal/idp/internal/bench/floor")
	floors := map[string]*target{
		sqlite:   floorOn(b, floorBinary, sqlite, secret),
		postgres: floorOn(b, floorBinary, postgres, secret),
	}
	chosen := regexp.MustCompile(*only)
	part := func(b *testing.B, name string, measure func(*testing.B)) {
		if chosen.MatchString(name) {
			r.part(b, name, measure)
		}
	}
	part(b, "floor", func(b *testing.B) { r.bare, r.floor = calibrate(b, r.settings, floors) })
	for i, on := range variants {
		r.part(b, on.String(), func(b *testing.B) {
			p, in := product(b, binary, on, secret)
			for _, f := range flows {
				if regexp.MustCompile(on.flows).MatchString(f.name) {
					part(b, on.String()+"/"+f.name, func(b *testing.B) { r.alternate(b, p, floors[on.engine], on, f) })
				}
			}
			if i == 0 {
				part(b, "password", func(b *testing.B) {
					cheap := unpack(b, binary, on)
					cheap.hasher = directory.NewHasher(directory.HasherOptions{Memory: 8, Time: 1})
					if err := cheap.fill(b.Context(), secret); err != nil {
						b.Fatal(err)
					}
					t := ready(b, cheap, secret)
					r.password = measurePassword(b, p, t, r.settings.logins, r.settings.rounds)
					cheap.halt()
				})
			}
			in.halt()
			if i == 0 {
				part(b, "start", func(b *testing.B) {
					r.again, r.first = measureStart(b, in, binary, 2*r.settings.rounds)
					r.memory = measureMemory(b, in, r.settings.idle)
				})
			}
		})
	}
	part(b, "card", func(b *testing.B) { r.card = measureCard(b) })
	part(b, "growth", func(b *testing.B) { r.grown = measureGrowth(b, binary, r.settings) })
	part(b, "people", func(b *testing.B) {
		r.people = &peopleReport{}
		r.people.measure(b, binary)
	})
	part(b, "phone", func(b *testing.B) {
		r.phone = &phoneReport{}
		r.phone.measure(b)
	})
}

// asked is what is asked for beside a figure, and that it is not met.
func asked(want string, met bool) string {
	if met {
		return want
	}
	return want + ", **not met**"
}

// alternate runs a flow on product and floor in turns.
func (r *report) alternate(b testing.TB, p, floor *target, on variant, f flow) {
	b.Helper()
	for _, workers := range r.settings.workers {
		if on.cache != variants[0].cache && workers != 16 {
			continue // one row shows what the cache saves
		}
		line := row{on: on, flow: f.name, workers: workers}
		for range r.settings.rounds {
			line.product = append(line.product, mustDrive(b, p, f, workers, r.settings.duration))
			line.floor = append(line.floor, mustDrive(b, floor, f, workers, r.settings.duration))
		}
		r.rows = append(r.rows, line)
		cpu := func(r result) float64 { return ms(r.cpu) }
		fmt.Fprintf(os.Stderr, "%-32s %-19s %3d workers %8.0f/s, floor %8.0f/s, ratio %.2f, CPU %.3f and %.3f ms\n", on, f.name, workers,
			line.rate(), line.of(), line.ratio(), median(line.product, cpu), median(line.floor, cpu))
	}
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
	if len(r.failed) > 0 {
		p("**Failed: %s.** What they would have measured is missing below.\n", strings.Join(r.failed, "; "))
	}
	if !r.ended {
		p("**This run did not come to its end.** What is missing below was not measured.\n")
	}
	p("## The floor\n")
	p("`internal/bench/floor` is a bare `net/http` server that answers the same requests, makes the same signatures, and one")
	p("durable write for each request that must write (SQLite with WAL, `synchronous=FULL` and group commit; PostgreSQL by a")
	p("pool of 16).\n")
	if r.bare > 0 {
		p("Driven by the same client at 16 workers, bare JSON runs at %.0f/s.\n", r.bare)
		p("| floor | rate /s | ratio to bare JSON | expected | difference |\n| --- | ---: | ---: | ---: | ---: |")
	}
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
	p("| store | flow | workers | rate /s | floor /s | ratio | asked for | p50 ms | p99 ms | errors | longest gap ms | CPU ms | floor's | reads | writes | transactions |")
	p("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, x := range r.rows {
		of := func(get func(result) float64) float64 { return median(x.product, get) }
		p("| %s | %s | %d | %.0f | %.0f | %.2f | %s | %.2f | %.2f | %s | %s | %.3f | %.3f | %.2f | %.2f | %.2f |",
			x.on, x.flow, x.workers, x.rate(), x.of(), x.ratio(), asked("0.60", x.ratio() >= .60),
			of(func(y result) float64 { return ms(y.p50) }), of(func(y result) float64 { return ms(y.p99) }),
			asked(strconv.Itoa(x.errors()), x.errors() == 0), asked(fmt.Sprintf("%.0f", ms(x.gap())), x.gap() < time.Second), of(func(y result) float64 { return ms(y.cpu) }), median(x.floor, func(y result) float64 { return ms(y.cpu) }),
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
	if r.password.login > 0 {
		c := r.password
		p("| processor time of a login with a password, code exchange included | %.1f ms | |", ms(c.login))
		p("| of it argon2id (19 MiB, 2 passes); a core does so many a second | %.1f ms; %.0f | |", ms(c.argon), 1/c.argon.Seconds())
		part := func(what string, s starts) {
			p("| %s, median of %d rounds, lowest and highest | %.1f ms (%.1f, %.1f), %.0f %% of the argon2id | %s |", what, len(s), ms(s.median()),
				ms(s[0]), ms(s.worst()), 100*float64(s.median())/float64(c.argon),
				asked(fmt.Sprintf("at most 3 ms where a core does 46 argon2id a second, 14 %%: here %.1f ms", ms(c.asked())), s.median() <= c.asked()))
		}
		part("the rest, one from the other", c.rest)
		part("at least, by itself: a whole login whose hash costs nothing (8 KiB, one pass), with warm caches", c.cheap)
	}
	if r.card.bare > 0 {
		ratio := float64(r.card.verify) / float64(r.card.bare)
		p("| verifying a card's answer, an RSA-2048 issuer | %.0f µs | |", us(r.card.verify))
		p("| bare RSA-2048 verifications of signature and chain | %.0f µs | |", us(r.card.bare))
		p("| ratio | %.2f | %s |", ratio, asked("at most 2", ratio <= 2))
	}
	start := func(what string, s starts) {
		if len(s) > 0 {
			p("| %s | %.0f ms, %.0f ms | %s |", what, ms(s.median()), ms(s.worst()), asked("under 200 ms", s.worst() < 200*time.Millisecond))
		}
	}
	start(fmt.Sprintf("start to first 200, median of %d and the slowest", len(r.again)), r.again)
	start("the same on new folders, where schema and keys are made", r.first)
	if m := r.memory; m.after > 0 {
		p("| resident memory %v after the start | %.1f MB | %s |", r.settings.idle, m.after, asked("under 40 MB", m.after < 40))
		p("| the same %v after the start | %.1f MB | |", earlyOn, m.before)
		p("| the first token after that, and the median of the next twenty | %.1f ms, %.1f ms | |", ms(m.first), ms(m.then))
		p("\nThe program gives back, 5 s after its start, what only the start needed: the free pages of its heap, and the pages of its")
		p("own file, which leave the page cache too where nobody else runs it. The first requests read the few that are used again.")
	}
	if len(r.grown) > 0 {
		p("\n%d grants in the store (SQLite, 16 workers), p99:\n", r.settings.grants)
		p("| flow | without | with | change | asked for |\n| --- | ---: | ---: | ---: | ---: |")
	}
	for _, g := range r.grown {
		p("| %s | %.2f ms | %.2f ms | %+.0f %% | %s |", g.flow, ms(g.small), ms(g.full), 100*g.change, asked("under +20 %", g.change < .20))
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
