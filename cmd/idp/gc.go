package main

import (
	"os"
	"runtime/debug"
)

// collectLess lets garbage grow to four times the live data before it is
// collected, unless GOGC says otherwise. A node's live data is a few megabytes,
// so that Go's own default would collect dozens of times a second under load: a
// quarter of the processor time of the shortest requests.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
