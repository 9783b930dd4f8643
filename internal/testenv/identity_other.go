//go:build !unix

package testenv

import "syscall"

func (i *identity) attributes(bool) *syscall.SysProcAttr { return nil }
