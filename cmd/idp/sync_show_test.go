package main

import (
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/keys"
)

// TestSyncStatus_ShowsRunsAndNotPlans: a plan that somebody looked at is no run, a
// plan that asks again is shown with the changes that were kept the first time, and
// what was disabled by hand is listed.
func TestSyncStatus_ShowsRunsAndNotPlans(t *testing.T) {
	dir := t.TempDir()
	const settings = "master_key_file: master.key\nstore: {sqlite: idp.db}\nsync:\n  every: 0s\n  sources:\n    - {name: portal, kind: csv, file: people.csv}\n"
	put(t, dir, map[string]string{
		"idp.yaml":   "issuer: http://localhost:8080\n" + settings,
		"people.csv": fedPeople(100),
	})
	startProcess(t, dir, settings)
	operate(t, dir, "sync", "run")
	put(t, dir, map[string]string{"people.csv": fedPeople(95)})
	first := operate(t, dir, "sync", "plan")
	if strings.Count(first, "missing") != 5 {
		t.Fatalf("%s", first)
	}
	if again := operate(t, dir, "sync", "plan"); strings.Count(again, "missing") != 5 {
		t.Errorf("the same plan again: %s", again)
	}
	if status := operate(t, dir, "sync", "status"); !strings.Contains(status, "asking") {
		t.Errorf("%s", status)
	}
	put(t, dir, map[string]string{"people.csv": strings.Replace(fedPeople(100), "科員", "科長", 1)})
	if planned := operate(t, dir, "sync", "plan"); !strings.Contains(planned, "科長") {
		t.Errorf("%s", planned)
	}
	if status := operate(t, dir, "sync", "status"); strings.Contains(status, "planned") {
		t.Errorf("%s", status)
	}
	operate(t, dir, "account", "disable", "user3", "--reason", "asked for")
	operate(t, dir, "sync", "run")
	if status := operate(t, dir, "sync", "status"); !strings.Contains(status, "done") || strings.Contains(status, "planned") {
		t.Errorf("%s", status)
	}
	if shown := operate(t, dir, "account", "show", "user3"); !strings.Contains(shown, "disabled") {
		t.Errorf("%s", shown)
	}
}

// No two processes hold a lease by the same name, though both are number 1 of a host
// of the same name.
func TestHoldersDiffer(t *testing.T) {
	runner := func() string { return newRunner(&config.Config{}, nil, new(keys.Sealer), nil, time.Now).Holder }
	a, b := runner(), runner()
	if a == b {
		t.Error(a)
	}
}
