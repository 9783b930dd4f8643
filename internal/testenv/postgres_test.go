package testenv

import (
	"os/exec"
	"strings"
	"testing"
)

func TestPostgres_GivesAFreshDatabaseThatSyncs(t *testing.T) {
	a, b := Postgres(t), Postgres(t)
	if a == b {
		t.Fatal("the same database twice")
	}
	out, err := exec.Command(postgresBin()+"/psql", a, "-qAtXc", "SHOW fsync").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "on" {
		t.Fatalf("fsync = %s, %v", out, err)
	}
}
