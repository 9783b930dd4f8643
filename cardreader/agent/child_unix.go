//go:build !windows

package agent

import "os/exec"

// hide has nothing to do: there are no console windows.
func hide(*exec.Cmd) {}
