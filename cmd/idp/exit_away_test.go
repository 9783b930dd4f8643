package main

import (
	"fmt"
	"strings"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// TestAdvice_TellsADirectoryFromTheDatabase when one of them is away.
func TestAdvice_TellsADirectoryFromTheDatabase(t *testing.T) {
	for err, want := range map[error]string{directory.ErrUnreachable: "directory.backends", idp.ErrUnavailable: "the database"} {
		err = fmt.Errorf("look: %w", err)
		if got := advice(err); !strings.Contains(got, want) || exitCode(err) != exitCode(idp.ErrUnavailable) {
			t.Errorf("%v: %q, %d", err, got, exitCode(err))
		}
	}
}
