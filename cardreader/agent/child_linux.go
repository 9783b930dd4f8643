package agent

import (
	"io"
	"os"
	"syscall"
)

// guardProcess forbids core files, and moves the protocol off standard output,
// which then goes where errors go.
func guardProcess(out io.Writer) io.Writer {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	f, ok := out.(*os.File)
	if !ok || f.Fd() != 1 {
		return out
	}
	private, err := syscall.Dup(1)
	if err != nil {
		return out
	}
	syscall.CloseOnExec(private)
	if err := syscall.Dup3(2, 1, 0); err != nil {
		return out
	}
	return os.NewFile(uintptr(private), "agent")
}
