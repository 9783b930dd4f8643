package bench

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A part that fails is named and takes no other with it; what misses what is
// asked for says so in its row.
func TestReport_FailuresAndMissesAreSaid(t *testing.T) {
	former := *reportFile
	*reportFile = filepath.Join(t.TempDir(), "report.md")
	defer func() { *reportFile = former }()
	r := &report{settings: settings{idle: 30 * time.Second}}
	run := func(rate float64) row {
		x := result{rate: rate}
		return row{on: variants[0], flow: "refresh", workers: 16, product: []result{x}, floor: []result{{rate: 100}}}
	}
	testing.Benchmark(func(b *testing.B) {
		if len(r.failed) > 0 {
			return
		}
		r.part(b, "refresh", func(*testing.B) { r.rows = append(r.rows, run(59), run(61)) })
		r.part(b, "growth", func(b *testing.B) { b.Fatal("the store is away") })
		r.part(b, "outer", func(b *testing.B) {
			r.part(b, "inner", func(b *testing.B) { b.Skip("no database") })
		})
		r.part(b, "start", func(*testing.B) {
			r.again, r.memory = starts{210 * time.Millisecond}, memoryCost{before: 50, after: 39}
		})
	})
	if want := []string{"growth", "inner (skipped)"}; !slices.Equal(r.failed, want) {
		t.Fatalf("failed: %q, want %q", r.failed, want)
	}
	raw, err := os.ReadFile(*reportFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, want := range []string{
		"**Failed: growth; inner (skipped).**", "did not come to its end", "| 0.59 | 0.60, **not met** |", "| 0.61 | 0.60 |",
		"| 210 ms, 210 ms | under 200 ms, **not met** |", "| 39.0 MB | under 40 MB |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, not := range []string{"the rest", "grants in the store", "RSA-2048 issuer"} {
		if strings.Contains(text, not) {
			t.Errorf("%q, which was not measured, in\n%s", not, text)
		}
	}
}
