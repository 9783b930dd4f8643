package agent

import "syscall"

// exclusive keeps another program from listening on the same port beside us,
// which Windows allows by default (SO_EXCLUSIVEADDRUSE is the complement of
// SO_REUSEADDR there).
func exclusive(_, _ string, c syscall.RawConn) error {
	var inner error
	err := c.Control(func(fd uintptr) {
		inner = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, ^syscall.SO_REUSEADDR, 1)
	})
	if err != nil {
		return err
	}
	return inner
}
