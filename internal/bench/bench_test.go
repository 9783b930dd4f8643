package bench

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"taipeion.internal/idp/internal/testenv"
)

var (
	reportFile = flag.String("report", "", "write the report to this file")
	quick      = flag.Bool("quick", false, "one short round at 16 workers, to try it")
	each       = flag.Duration("each", time.Second, "how long a run takes with -quick")
	rounds     = flag.Int("rounds", 1, "how many of them")
	only       = flag.String("only", "", "measure only what matches: STORE/FLOW, floor, password, start, card, growth, people, phone")
)

const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// settings say how long it takes: about 25 minutes with the phones, or two with
// -quick.
type settings struct {
	rounds   int
	duration time.Duration
	workers  []int
	logins   int // with a password
	grants   int // in the big store
	idle     time.Duration
}

func chosen() settings {
	if *quick {
		return settings{rounds: *rounds, duration: *each, workers: []int{16}, logins: 20, grants: 20_000, idle: 8 * time.Second}
	}
	return settings{rounds: 5, duration: 2 * time.Second, workers: []int{1, 16, 64}, logins: 600, grants: 1_000_000, idle: 30 * time.Second}
}

func secretHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// floorOn starts a floor on a fresh database.
func floorOn(b testing.TB, binary, engine, secret string) *target {
	b.Helper()
	database := filepath.Join(b.TempDir(), "floor.db")
	if engine == postgres {
		database = testenv.Postgres(b) + "&pool_max_conns=16" // as many as the product's pool has
	}
	t := startFloor(b, binary, "-secret-hash", secretHash(secret), "-"+engine, database)
	t.secret = secret
	return t
}

// Ratios to bare JSON that the floor had where it was first measured, with the
// same client at 16 workers: the floor is right if it still has them.
var calibration = []struct {
	name, path, engine string
	want               float64
}{
	{"a token signed ES256", "/es256", sqlite, 12_500.0 / 30_400},
	{"ES256 and a durable insert, SQLite with group commit", "/es256-insert", sqlite, 6_990.0 / 30_400},
	{"ES256 and a durable insert, PostgreSQL", "/es256-insert", postgres, 4_920.0 / 30_400},
}

// calibrated is a measured ratio.
type calibrated struct {
	name       string
	rate       float64
	ratio      float64
	want       float64
	difference float64
}

func get(path string) func(*worker) error {
	return func(w *worker) error {
		_, _, err := w.follow("GET", w.base+path, url.Values{})
		return err
	}
}

func calibrate(b testing.TB, s settings, floors map[string]*target) (bare float64, all []calibrated) {
	b.Helper()
	const workers = 16
	var bares []result
	runs := make([][]result, len(calibration))
	for range s.rounds {
		bares = append(bares, mustDrive(b, floors[sqlite], flow{"bare", "", none, get("/bare")}, workers, s.duration))
		for i, c := range calibration {
			runs[i] = append(runs[i], mustDrive(b, floors[c.engine], flow{c.path, "", none, get(c.path)}, workers, s.duration))
		}
	}
	bare = median(bares, func(r result) float64 { return r.rate })
	for i, c := range calibration {
		line := row{product: runs[i], floor: bares}
		all = append(all, calibrated{c.name, line.rate(), line.ratio(), c.want, line.ratio()/c.want - 1})
		fmt.Fprintf(os.Stderr, "%-55s %8.0f/s, ratio %.3f, expected %.3f, %+.0f %%\n", c.name, line.rate(), line.ratio(), c.want, 100*(line.ratio()/c.want-1))
	}
	return bare, all
}

func mustDrive(b testing.TB, t *target, f flow, workers int, d time.Duration) result {
	b.Helper()
	r, err := drive(t, f, workers, d)
	if err != nil {
		b.Fatal(err)
	}
	if r.errors > 0 {
		b.Errorf("%s at %d workers: %d errors, the first: %v", f.name, workers, r.errors, r.firstError)
	}
	return r
}

// BenchmarkFloor holds the floor against the ratios that it must have.
func BenchmarkFloor(b *testing.B) {
	binary := build(b, "taipeion.internal/idp/internal/bench/floor")
	floors := map[string]*target{
		sqlite:   floorOn(b, binary, sqlite, "secret"),
		postgres: floorOn(b, binary, postgres, "secret"),
	}
	for b.Loop() {
		bare, all := calibrate(b, chosen(), floors)
		b.ReportMetric(bare, "bare/s")
		for _, c := range all {
			b.ReportMetric(c.ratio, "ratio"+c.name[:1])
		}
	}
}
