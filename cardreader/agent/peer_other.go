//go:build !linux

package agent

import "net"

// ownPeer can't tell here: see the package comment.
func ownPeer(net.Conn) error { return nil }
