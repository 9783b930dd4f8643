//go:build unix

package main

import "syscall"

// noCoreDumps keeps keys and passwords in memory out of files.
func noCoreDumps() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // lowering is always allowed
}
