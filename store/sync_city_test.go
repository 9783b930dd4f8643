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
		soil(rows)
		y.write(t, rows...)
		started := time.Now()
		run, err := y.Do(t.Context(), y.source, "test")
		must(t, err)
		first := time.Since(started)
		// One of each 1,000: lost bytes, no account, the same ID with another name
		// (two rows each), an account twice (two rows each), no ID, a wrong check digit.
		if c := run.Summary.Counts; c.Faults != 80*(1+1+2+2+1) || c.Shared != 160 || c.Add != 80_000-80*(1+1+2+2+1) || run.Summary.Failed != 0 {
			t.Errorf("%+v", c)
		}
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

// soil puts every kind of dirt into each thousand rows; none of it at a multiple
// of 100.
func soil(rows []string) {
	for i := 0; i+1000 <= len(rows); i += 1000 {
		part := rows[i : i+1000]
		part[1] = strings.Replace(part[1], "機關", "\xbe\xf7\xc3\xf6", 1) // Big5
		part[2] = part[2][strings.Index(part[2], ","):]
		part[3] = strings.Replace(part[3], fedID(i+3), fedID(i+4), 1)
		part[5] = strings.Replace(part[5], fmt.Sprintf("user%d,", i+5), fmt.Sprintf("user%d,", i+6), 1)
		part[7] = strings.Replace(part[7], fedID(i+7), "", 1)
		part[8] = strings.Replace(part[8], fedID(i+8), fedID(i + 8)[:9]+"X", 1)
		// No dirt: a second portal account, a rare name, a quote.
		part[9] = strings.Replace(strings.Replace(part[9], fedID(i+9), fedID(i+10), 1), fmt.Sprintf("人員𠮷%d,", i+9), fmt.Sprintf("人員𠮷%d,", i+10), 1)
		part[11] = strings.Replace(part[11], "科員", "\"科員 \"\"代理\"\", 兼\"", 1)
	}
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
