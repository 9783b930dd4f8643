package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// dirtyFeed is the portal's export of a whole city with every kind of dirt, once
// in each thousand rows. Later: the next export, of which a few are different.
func dirtyFeed(people int, later bool) string {
	var out strings.Builder
	out.WriteString("account,name,national_id,agency,agency_name,unit,title,state\n")
	for i := range people {
		f := []string{fmt.Sprintf("user%d", i), fmt.Sprintf("人員𠮷%d", i), feedID(i), fmt.Sprintf("A%03d", i%1000), fmt.Sprintf("機關%d", i%1000),
			fmt.Sprintf("單位%d", i%7), "科員", "在職"}
		switch i % 1000 {
		case 1:
			f[1] = "\xa4\xa4\xa4\xe5" // Big5 that nobody converted
		case 2:
			f[0] = ""
		case 3:
			f[2] = feedID(i + 1) // one national ID, two names
		case 5:
			f[0] = fmt.Sprintf("USER%d", i+1) // one account, twice
		case 7:
			f[2] = "" // a shared account
		case 8:
			if !later {
				f[2] = wrongDigit(f[2])
			}
		case 9:
			f[1], f[2] = fmt.Sprintf("人員 𠮷%d", i+1), feedID(i+1) // a second account of the next person
		case 11:
			f[6] = `"科員 ""代理"", 兼"`
		case 12:
			if !later {
				f[7] = "不明"
			}
		case 13:
			f[1] = "王\ufffd明" // lost in an earlier conversion
		case 14:
			f[1] = "王\u202e明"
		case 15:
			f[6] = `"科員`
		case 16:
			f = f[:7]
		case 17:
			f[0] = fmt.Sprintf("ｕｓｅｒ%d", i)
		case 18:
			f[1] = "\U00030EDE\U0002A6B2\U00020089" // beyond the Basic Multilingual Plane
		case 20:
			f[1] = strings.Repeat("長", 400)
		}
		if later {
			switch i % 1000 {
			case 30:
				f[1] = fmt.Sprintf("新名%d", i)
			case 31:
				f[7] = "離職"
			case 32:
				f[2] = feedID(i + 500_000) // corrected
			case 33:
				continue // gone
			}
			if i%100 == 50 {
				f[6] = "科長"
			}
		}
		out.WriteString(strings.Join(f, ",") + "\n")
	}
	return out.String()
}

// feedID is a valid national ID.
func feedID(n int) string {
	id := fmt.Sprintf("A1%07d", n)
	sum := 1
	for at := 1; at < len(id); at++ {
		sum += int(id[at]-'0') * (9 - at)
	}
	return fmt.Sprint(id, (10-sum%10)%10)
}

func wrongDigit(id string) string { return id[:9] + string('0'+(id[9]-'0'+1)%10) }

// peopleCity runs commands on a configuration of its own.
type peopleCity struct {
	t   *testing.T
	dir string
}

func (c *peopleCity) run(args ...string) []byte {
	c.t.Helper()
	command := exec.Command(binary, append(args, "--json", "--config", filepath.Join(c.dir, "idp.yaml"))...)
	out, err := command.Output()
	if err != nil {
		c.t.Fatalf("idp %v: %v\n%.2000s", args, err, out)
	}
	return out
}

// runShown is a run as scripts see it.
type runShown struct {
	ID, State string
	Summary   struct {
		Counts map[string]int
		Failed int
	}
}

func (c *peopleCity) sync(feed string) runShown {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "people.csv"), []byte(feed), 0o600); err != nil {
		c.t.Fatal(err)
	}
	began := time.Now()
	var runs []runShown
	if err := json.Unmarshal(c.run("sync", "run"), &runs); err != nil || len(runs) != 1 || runs[0].State != "done" || runs[0].Summary.Failed != 0 {
		c.t.Fatalf("%+v, %v", runs, err)
	}
	c.t.Logf("synchronised in %v", time.Since(began).Round(time.Millisecond))
	return runs[0]
}

var numbers = regexp.MustCompile(`[0-9]+`)

// faults counts what was wrong, by reason; refused ones first.
func (c *peopleCity) faults(run runShown) map[string]int {
	c.t.Helper()
	var shown struct {
		Faults []struct {
			Reason  string
			Refused bool
		}
	}
	if err := json.Unmarshal(c.run("sync", "history", run.ID), &shown); err != nil {
		c.t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range shown.Faults {
		found[fmt.Sprintf("%v: %s", f.Refused, numbers.ReplaceAllString(f.Reason, "N"))]++
	}
	return found
}

func (c *peopleCity) want(what string, got, want map[string]int) {
	c.t.Helper()
	if !maps.Equal(got, want) {
		c.t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func TestPeople_AWholeCitysFeedWithEveryKindOfDirt(t *testing.T) {
	const people = 80_000
	c := &peopleCity{t: t, dir: t.TempDir()}
	c.start()
	n := people / 1000
	first := c.sync(dirtyFeed(people, false))
	faults := map[string]int{
		`true: "name": not UTF-N: bytes of another encoding, such as BigN`: n,
		`true: "account" is empty`:                                                               n,
		`true: the national ID is there N times, with different names`:                           2 * n,
		`true: the account is there N times`:                                                     2 * n,
		`true: the state is neither one that is enabled nor one that is disabled`:                n,
		`true: "name": a character was lost in an earlier conversion, or is not in the encoding`: n,
		`true: "name": a character that turns the direction of writing`:                          n,
		`true: a quote is not closed`:                                                            n,
		`true: N values instead of N`:                                                            n,
		`true: "name": longer than N bytes`:                                                      n,
		`false: the national ID is not valid: taken as a shared account`:                         n,
	}
	c.want("faults of the first feed", c.faults(first), faults)
	sum := func() (all int) {
		for _, v := range faults {
			all += v
		}
		return all
	}
	// Of each thousand rows twelve are refused, and two are one person's.
	counts := func(change map[string]int) map[string]int {
		all := map[string]int{
			"rows": people, "faults": sum(), "enabled": 0, "units": 0, "add": 0, "update": 0, "disable": 0, "enable": 0, "shared": 2 * n, "same": 0, "names": 0,
			"closed_accounts": 0, "held": 0, "identities": 0, "moves": 0, "torn": 3 * n, "torn_known": 3 * n, // some of each torn row can be read
		}
		maps.Copy(all, change)
		return all
	}
	c.want("the first run", first.Summary.Counts, counts(map[string]int{"add": people - 13*n, "units": first.Summary.Counts["units"]}))

	later := dirtyFeed(people, true)
	second := c.sync(later)
	delete(faults, `true: the state is neither one that is enabled nor one that is disabled`)
	delete(faults, `false: the national ID is not valid: taken as a shared account`)
	c.want("faults of the second feed", c.faults(second), faults)
	// New names, new titles, corrected IDs; a shared account that turns out to be a
	// person's is a new person.
	changed := map[string]int{
		"rows": people - n, "enabled": people - 13*n, "add": 2 * n, "update": n + 10*n + n, "names": n, "identities": 2 * n, "disable": 2 * n, "shared": n,
		"units": 1 + 7, // an agency all of whose rows were refused the first time
	}
	changed["same"] = people - 13*n - changed["update"] - changed["disable"] - n
	c.want("the second run", second.Summary.Counts, counts(changed))

	third := c.sync(later)
	c.want("the same again", third.Summary.Counts, counts(map[string]int{
		"rows": people - n, "enabled": people - 13*n + n - 2*n, "shared": n, "same": people - 13*n + n - n,
	}))
	if kept := string(c.run("account", "show", "user5018")); !strings.Contains(kept, "\U00030EDE\U0002A6B2\U00020089") {
		t.Errorf("the rare name is lost: %s", kept)
	}
}

// start makes the database and the keys, as the first node does.
func (c *peopleCity) start() {
	c.t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		c.t.Fatal(err)
	}
	address := fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	config := "issuer: http://" + address + "\nlisten: " + address + "\ndrain_delay: 0s\nsync:\n  every: 0s\n  sources:\n    - {name: portal, kind: csv, file: people.csv}\n"
	if err := os.WriteFile(filepath.Join(c.dir, "idp.yaml"), []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
	node := exec.Command(binary, "serve", "--config", filepath.Join(c.dir, "idp.yaml"))
	if err := node.Start(); err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		_ = node.Process.Signal(os.Interrupt)
		_ = node.Wait()
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	c.t.Fatal("the node does not serve")
}
