package agent

import (
	"os/exec"
	"syscall"
)

// hide keeps the module process from opening a console window (CREATE_NO_WINDOW).
func hide(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: 0x08000000}
}
