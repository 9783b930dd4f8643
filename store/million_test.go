package store

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"taipeion.internal/idp/oidc"
)

// A million grants in the store change the time of a code flow's statements by
// little: STORE_MILLION=1000000 runs it, for about two minutes.
func TestMillion_GrantsChangeP99ByLittle(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("STORE_MILLION"))
	if n == 0 {
		t.Skip("long: set STORE_MILLION=1000000")
	}
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		addPerson(t, s, "p1")
		few := fill(t, s, 1000)
		rounds(t, s, 1<<40, few) // warm up
		empty := rounds(t, s, 1<<41, few)
		started := time.Now()
		many := fillFrom(t, s, 1000, n)
		t.Logf("%d grants in %v", n, time.Since(started).Round(time.Second))
		full := rounds(t, s, 1<<42, many)
		for i, step := range []string{"create", "read", "redeem"} {
			t.Logf("%-6s p50 %v -> %v, p99 %v -> %v", step, empty[i][0], full[i][0], empty[i][1], full[i][1])
		}
	})
}

// rounds are the medians of p50 and p99 of five measurements of each step.
func rounds(t *testing.T, s *Store, from int64, stored []*oidc.Grant) (medians [3][2]time.Duration) {
	var all [3][2][]time.Duration
	for round := range int64(5) {
		for step, times := range measureFlows(t, s, from+round<<32, stored) {
			all[step][0] = append(all[step][0], p(times, 50))
			all[step][1] = append(all[step][1], p(times, 99))
		}
	}
	for step := range all {
		for i, times := range all[step] {
			slices.Sort(times)
			medians[step][i] = times[len(times)/2]
		}
	}
	return medians
}

// measureFlows times the statements of code flows, sixteen at once, 2,000 a
// second: the same work whatever the store holds.
func measureFlows(t *testing.T, s *Store, from int64, stored []*oidc.Grant) [3][]time.Duration {
	const workers, each, pace = 16, 250, 8 * time.Millisecond
	var all [workers][3][]time.Duration
	together(workers, func(w int) error {
		timed := func(step int, run func() error) {
			started := time.Now()
			must(t, run())
			all[w][step] = append(all[w][step], time.Since(started))
		}
		time.Sleep(time.Duration(w) * pace / workers)
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for i := range int64(each) {
			<-tick.C
			g := codeGrant(from + i*workers + int64(w))
			timed(0, func() error { return s.CreateGrant(t.Context(), g) })
			timed(1, func() error {
				old := stored[(i*7919*workers+int64(w))%int64(len(stored))]
				_, _, err := s.GrantByAccess(t.Context(), old.ID, old.AccessHash)
				return err
			})
			timed(2, func() error {
				return s.RedeemCode(t.Context(), oidc.Issue{GrantID: g.ID, Generation: 1, AccessHash: hash('m', from+i*workers+int64(w)), At: noon})
			})
		}
		return nil
	})
	var joined [3][]time.Duration
	for step := range joined {
		for w := range all {
			joined[step] = append(joined[step], all[w][step]...)
		}
		slices.Sort(joined[step])
	}
	return joined
}

func p(sorted []time.Duration, percent int) time.Duration {
	return sorted[len(sorted)*percent/100].Round(time.Microsecond)
}
