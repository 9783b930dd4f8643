package demo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestListenIsOnLoopback(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, listen := range []string{"foo", "0.0.0.0:8080", "[::]:8080", "localhost:x", "localhost:65536", "id.example:80"} {
		if _, err := NewPlan(dir, listen); !errors.Is(err, ErrListen) {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made all the same")
	}
}

// TestLoadServiceHasAScopeOfItsOwn: client credentials never get a scope about
// people.
func TestLoadServiceHasAScopeOfItsOwn(t *testing.T) {
	plan, err := NewPlan(t.TempDir(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Clients {
		if c.ID == LoadServiceClient && !slices.Equal(c.Scopes, []string{"load"}) {
			t.Errorf("scopes %v", c.Scopes)
		}
	}
}
