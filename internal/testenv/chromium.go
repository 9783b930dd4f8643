package testenv

import "testing"

// Chromium returns the path of a browser for tests, and the flags it must be
// started with: it runs without a screen, as any user, and talks to nobody by
// itself.
func Chromium(t testing.TB) (path string, flags map[string]any) {
	t.Helper()
	return Need(t, "chromium", "apt-get install chromium fonts-noto-cjk"), map[string]any{
		"headless":                      true,
		"no-sandbox":                    true,
		"disable-gpu":                   true,
		"disable-dev-shm-usage":         true,
		"disable-background-networking": true,
		"disable-component-update":      true,
		"disable-sync":                  true,
		"no-first-run":                  true,
		"no-default-browser-check":      true,
	}
}
