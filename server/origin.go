package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// Networks says whom to believe and who is who on the network.
type Networks struct {
	Proxies  []netip.Prefix // whose X-Forwarded-For is believed
	City     []netip.Prefix // the city's own network
	Gateways []netip.Prefix // city gateways: many people behind one address
}

// client finds the client's address: the connection's own, or, when that is a
// listed proxy, the right-most address of X-Forwarded-For that is not one.
// What stands further left was written by whoever sent the request. Other
// headers of the kind (Forwarded, X-Real-Ip, and spellings with "_") are never
// read.
func (n *Networks) client(r *http.Request) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := port.Addr().Unmap().WithZone("")
	if !contains(n.Proxies, addr) {
		return addr
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		hops := strings.Split(lines[i], ",")
		for j := len(hops) - 1; j >= 0; j-- {
			hop, err := netip.ParseAddr(strings.TrimSpace(hops[j]))
			if err != nil {
				return addr // not an address: the last proxy we know is all there is
			}
			addr = hop.Unmap().WithZone("")
			if !contains(n.Proxies, addr) {
				return addr
			}
		}
	}
	return addr
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
