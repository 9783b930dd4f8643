package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// ballast is what is never touched, and so takes no memory, but counts as live
// data when the next collection is set.
const ballast = 16 << 20

// collectLess lets garbage grow to four times the live data and the ballast
// before it is collected, unless GOGC says otherwise. A node's live data is a few
// megabytes, and the hash of one password takes 19 for a moment: Go's own default
// would collect at each, and dozens of times a second under load, a quarter of
// the processor time of the shortest requests. What it returns lets the ballast
// go.
func collectLess() (release func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(400)
	weight := make([]byte, ballast)
	return func() { runtime.KeepAlive(weight) }
}
