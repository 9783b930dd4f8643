package ad_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"taipeion.internal/idp/internal/testenv"
)

func TestT065_LargeAndBrokenAnswers(t *testing.T) {
	broken := user("ab1234", 1)
	broken["displayName"], broken["description"] = []string{"\xff\xfe"}, []string{strings.Repeat("x", 1<<20)}
	broken["mail"] = nil
	for i := range 5000 {
		broken["memberOf"] = append(broken["memberOf"], fmt.Sprintf("CN=group%d,DC=tpead,DC=test", i))
	}
	answer := func(e map[string][]string) *testenv.LDAPScript {
		return script(t, func(c *testenv.LDAPCall) bool {
			if c.Op != testenv.LDAPSearch {
				return false
			}
			c.Entry(userDN, e)
			c.Done(0, "")
			return true
		})
	}
	d := joined(t, patient, answer(broken))
	check(t, d, "ab1234", rightPassword, "ok")
	if e, err := d.Find(t.Context(), "ab1234"); err != nil || e.DisplayName != "" || e.Mail != "" || len(e.Groups) != 5000 {
		t.Errorf("%v, %v", e, err)
	}
	for _, change := range []func(map[string][]string){
		func(e map[string][]string) { e["sAMAccountName"] = []string{"\xff"} },
		func(e map[string][]string) { delete(e, "sAMAccountName") },
		func(e map[string][]string) { delete(e, "objectGUID") },
		func(e map[string][]string) { e["objectGUID"] = []string{"short"} },
		func(e map[string][]string) { e["description"] = []string{strings.Repeat("x", 3<<20)} },
	} {
		e := user("ab1234", 1)
		change(e)
		if got := outcome(joined(t, patient, answer(e)).Check(t.Context(), account("ab1234"), rightPassword)); got == "ok" || got == "lost" {
			t.Errorf("a broken entry: %s", got)
		}
	}
}

func TestT065_AHundredThousandMembersAndGroups(t *testing.T) {
	const all, step = 100_000, 1500
	member := func(i int) string { return fmt.Sprintf("CN=member%06d,OU=staff,DC=tpead,DC=test", i) }
	s := script(t, func(c *testenv.LDAPCall) bool {
		if c.Op != testenv.LDAPSearch {
			return false
		}
		from := 0
		if len(c.Attributes) == 1 && strings.HasPrefix(c.Attributes[0], "member;range=") {
			if _, err := fmt.Sscanf(c.Attributes[0], "member;range=%d-*", &from); err != nil {
				t.Error(err)
			}
			end, name := from+step-1, fmt.Sprintf("member;range=%d-%d", from, from+step-1)
			if end >= all-1 {
				end, name = all-1, fmt.Sprintf("member;range=%d-*", from)
			}
			var values []string
			for i := from; i <= end; i++ {
				values = append(values, member(i))
			}
			c.Entry("CN=all,DC=tpead,DC=test", map[string][]string{"member": {}, name: values})
			c.Done(0, "")
			return true
		}
		if strings.Contains(c.Filter, `"group"`) { // pages of the groups somebody is in
			if c.Cookie != "" {
				_, _ = fmt.Sscan(c.Cookie, &from)
			}
			for i := from; i < from+500; i++ {
				c.Entry(fmt.Sprintf("CN=g%d,DC=tpead,DC=test", i), map[string][]string{"sAMAccountName": {fmt.Sprintf("g%d", i)}})
			}
			if from+500 >= all {
				c.DonePage("")
			} else {
				c.DonePage(fmt.Sprint(from + 500))
			}
			return true
		}
		return false
	})
	d := joined(t, patient, s)
	seen, bounded := 0, heapStays(t, 64<<20) // 100,000 names are 5 MB, and never in memory at once
	err := d.Members(t.Context(), "CN=all,DC=tpead,DC=test", func(dn string) error {
		if bounded(); dn != member(seen) {
			return fmt.Errorf("%s is not member %d", dn, seen)
		}
		seen++
		return nil
	})
	if err != nil || seen != all {
		t.Errorf("%d members, %v", seen, err)
	}
	groups, err := d.Groups(t.Context(), userDN)
	if err != nil || len(groups) != all {
		t.Errorf("%d groups, %v", len(groups), err)
	}
}

// heapStays gives what looks, now and then, at how much was added to the heap.
func heapStays(t testing.TB, limit uint64) func() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, calls := m.HeapAlloc, 0
	return func() {
		if calls++; calls%10_000 != 0 {
			return
		}
		if runtime.ReadMemStats(&m); m.HeapAlloc > before+limit {
			t.Errorf("%d MB more after %d", (m.HeapAlloc-before)>>20, calls)
		}
	}
}

func TestT065_RangesThatDoNotGoOn(t *testing.T) {
	s := script(t, func(c *testenv.LDAPCall) bool {
		if c.Op == testenv.LDAPSearch {
			c.Entry("CN=all,DC=tpead,DC=test", map[string][]string{"member;range=0-1": {"a", "b"}})
			c.Done(0, "")
		}
		return c.Op == testenv.LDAPSearch
	})
	n := 0
	if err := joined(t, nil, s).Members(t.Context(), "CN=all,DC=tpead,DC=test", func(string) error { n++; return nil }); err == nil || n > 10 {
		t.Errorf("%d members, %v", n, err)
	}
}
