package agent

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// ownPeer tells whether the other end of a loopback connection belongs to the
// user that runs the agent. It fails closed.
func ownPeer(conn net.Conn) error {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return fmt.Errorf("agent: peer: %w", err)
	}
	own, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return fmt.Errorf("agent: peer: %w", err)
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		uid, found, err := ownerOf(table, peer, own)
		if err != nil {
			continue // no IPv6 in this kernel, for instance
		}
		if found && uid == os.Getuid() {
			return nil
		}
		if found {
			return fmt.Errorf("agent: peer: connection of another user")
		}
	}
	return fmt.Errorf("agent: peer: owner of the connection not found")
}

// ownerOf finds the socket whose own end is local and whose other end is
// remote: sl local_address rem_address st tx:rx tr:tm retrnsmt uid ...
func ownerOf(table string, local, remote netip.AddrPort) (uid int, found bool, err error) {
	f, err := os.Open(table)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || kernelAddr(fields[1]) != local || kernelAddr(fields[2]) != remote {
			continue
		}
		uid, err = strconv.Atoi(fields[7])
		return uid, err == nil, err
	}
	return 0, false, lines.Err()
}

// kernelAddr reads the kernel's way of writing an address: hexadecimal words
// in the byte order of the machine, a colon, the port. IPv4 addresses in IPv6
// sockets come out as IPv4.
func kernelAddr(s string) netip.AddrPort {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if err != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	p, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(p))
}
