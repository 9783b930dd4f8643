package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Need returns the path of a program, looked for in PATH, in the folders where
// Debian keeps servers, and under its own name if that is a path. Where it is
// missing the test is skipped with the hint (how to install it), and fails if
// the environment says CI=true.
func Need(t testing.TB, program, hint string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec", "/usr/lib/dovecot"} {
		path := filepath.Join(dir, filepath.Base(program))
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	Missing(t, program, hint)
	return ""
}

// Missing ends the test for want of something: a skip on a developer's machine,
// a failure where CI=true.
func Missing(t testing.TB, what, hint string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", what, hint)
	}
	t.Skipf("%s is missing: %s", what, hint)
}
