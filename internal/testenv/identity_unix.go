//go:build unix

package testenv

import "syscall"

// attributes makes a command run as that user, in a session of its own where
// it must outlive the interrupt that ends this process.
func (i *identity) attributes(ownSession bool) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: ownSession}
	if i != nil {
		attributes.Credential = &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.gid)}
	}
	return attributes
}
