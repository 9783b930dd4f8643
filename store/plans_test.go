package store

import (
	"fmt"
	"strings"
	"testing"
)

// TestPlans_OfWhatALoginByPhoneAsks: none of it looks at the attempts of others,
// of which there are as many as people who logged in within two minutes.
func TestPlans_OfWhatALoginByPhoneAsks(t *testing.T) {
	e, ok := freshSQLite(t).open(t).engine.(*liteEngine)
	if !ok {
		t.Fatal("not SQLite")
	}
	for name, q := range map[string]query{
		"fewScans": fewScans, "attemptOn": attemptOn, "attemptAndItsOwn": attemptAndItsOwn, "visitOf": visitOf, "changedSince": changedSince,
		"useApproved": useApproved, "closeAttempts": closeAttempts, "endCardAttempts": endCardAttempts,
	} {
		var args []any
		for strings.Contains(string(q), fmt.Sprintf("$%d", len(args)+1)) {
			args = append(args, "")
		}
		rows, err := e.readDB.Query("EXPLAIN QUERY PLAN "+string(q), args...)
		must(t, err)
		for rows.Next() {
			var id, parent, unused int
			var detail string
			must(t, rows.Scan(&id, &parent, &unused, &detail))
			if strings.Contains(detail, "SCAN qr_attempts") || strings.Contains(detail, "SCAN q") || strings.Contains(detail, "qr_attempts_end") {
				t.Errorf("%s: %s", name, detail)
			}
		}
		must(t, rows.Err())
		must(t, rows.Close())
	}
}
