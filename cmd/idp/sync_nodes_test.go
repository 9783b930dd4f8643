package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/internal/testenv"
)

const syncNodesConfig = `master_key_file: master.key
store: {postgresql_file: database.url}
sync:
  every: 1m
  sources:
    - {name: portal, kind: csv, file: people.csv}
`

// TestServe_TwoNodesSynchroniseAtOnce has two processes that synchronise by
// themselves, and a command beside them. The one that is at it is killed in the
// middle: another goes on where it was, and nothing is done twice.
func TestServe_TwoNodesSynchroniseAtOnce(t *testing.T) {
	const people = 6_000
	dir := t.TempDir()
	database := testenv.Postgres(t)
	put(t, dir, map[string]string{"database.url": database + "\n", "idp.yaml": "issuer: http://localhost:8080\n" + syncNodesConfig, "people.csv": fedPeople(1)})
	first := startProcess(t, dir, syncNodesConfig)
	second := startProcess(t, dir, syncNodesConfig)
	ask := func(question string) string { return strings.TrimSpace(testenv.SQL(t, database, question)) }
	number := func(question string) int {
		t.Helper()
		n, err := strconv.Atoi(ask(question))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	until := func(what string, limit time.Duration, done func() bool) {
		t.Helper()
		for end := time.Now().Add(limit); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within %v\n%s\n%s", what, limit, first.log, second.log)
			}
		}
	}
	const count = `SELECT count(*) FROM persons`
	until("the first run", 20*time.Second, func() bool { return ask(`SELECT state FROM sync_runs`) == "done" })
	if n := number(count); n != 1 {
		t.Fatalf("%d people after the first run", n)
	}

	// The next run is due: a minute has passed.
	put(t, dir, map[string]string{"people.csv": fedPeople(people)})
	ask(`UPDATE sync_runs SET started_at = started_at - 60000000`)
	until("people", 30*time.Second, func() bool { return number(count) > people/20 })
	holder := ask(`SELECT holder FROM leases WHERE name = 'sync/portal'`)
	killed, left := first, second
	if strings.Contains(holder, fmt.Sprintf("/%d/", second.Process.Pid)) {
		killed, left = second, first
	} else if !strings.Contains(holder, fmt.Sprintf("/%d/", first.Process.Pid)) {
		t.Fatalf("the lease is held by %q", holder)
	}
	killed.kill()
	time.Sleep(300 * time.Millisecond) // what it had sent is committed
	halfway := number(count)
	if halfway >= people {
		t.Fatal("it was over before it was killed")
	}
	t.Logf("killed after %d people", halfway)
	// Nobody goes on while the lease of the killed one may still be its own.
	time.Sleep(time.Second)
	if n := number(count); n != halfway {
		t.Errorf("%d people, then %d: two at once", halfway, n)
	}
	ask(`UPDATE leases SET until = until - 60000000 WHERE name = 'sync/portal'`)              // that minute passes
	command := exec.Command("idp", "sync", "run", "--config", filepath.Join(dir, "idp.yaml")) // at the same time as the node that is left
	var said safeBuffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	until("the end", 60*time.Second, func() bool {
		return number(`SELECT count(*) FROM sync_runs WHERE state IN ('applying', 'planned')`) == 0 && number(count) == people
	})
	if err := command.Wait(); err != nil {
		t.Errorf("the command: %v\n%s", err, &said)
	}
	for question, want := range map[string]int{
		count:                           people,
		`SELECT count(*) FROM accounts`: people,
		`SELECT count(DISTINCT national_id_hash) FROM persons`:                                      people,
		`SELECT count(*) FROM history`:                                                              people,
		`SELECT count(*) FROM sync_changes WHERE state <> 'done'`:                                   0,
		`SELECT count(*) FROM (SELECT 1 FROM history GROUP BY person_id HAVING count(*) > 1) x`:     0,
		`SELECT count(*) FROM sync_runs WHERE summary LIKE '%"add":` + fmt.Sprint(people-1) + `,%'`: 1,
	} {
		if n := number(question); n != want {
			t.Errorf("%s: %d, want %d", question, n, want)
		}
	}
	if log := left.log.String(); strings.Contains(log, "a change was not possible") || strings.Contains(log, "ERROR") {
		t.Errorf("the node that is left says %s", log)
	}
}
