package store

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// The whole city: 80,000 people of 1,000 agencies. STORE_CITY=1 runs it, for
// about a minute.
func TestSync_City(t *testing.T) {
	if os.Getenv("STORE_CITY") == "" {
		t.Skip("long: set STORE_CITY=1")
	}
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		defer debug.SetGCPercent(debug.SetGCPercent(50))
		s := d.open(t)
		y := newSyncer(t, s)
		rows := fedRows(80_000)
		y.write(t, rows...)
		started := time.Now()
		run, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		first := time.Since(started)
		for i := 0; i < len(rows); i += 100 {
			rows[i] = strings.Replace(rows[i], "科員", "科長", 1)
		}
		y.write(t, rows...)
		rows = nil
		runtime.GC()
		started = time.Now()
		run, err = y.Do(t.Context(), y.source, "test")
		must(t, err)
		if run.Summary.Counts.Update != 800 || run.Summary.Failed != 0 {
			t.Errorf("%+v", run.Summary)
		}
		second := time.Since(started)
		t.Logf("%s: first load %v; 1 %% changed %v; peak %s", d.engine, first.Round(time.Millisecond), second.Round(time.Millisecond), peakMemory())
		if first > time.Minute || second > 15*time.Second {
			t.Errorf("too slow")
		}
	})
}

// peakMemory is the most this process ever had in memory.
func peakMemory() string {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return fmt.Sprint(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}
