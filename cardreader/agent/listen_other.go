//go:build !windows

package agent

import "syscall"

// exclusive has nothing to do: a listener's port is its own here.
func exclusive(_, _ string, _ syscall.RawConn) error { return nil }
