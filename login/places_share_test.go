package login

import (
	"net/netip"
	"testing"

	idp "taipeion.internal/idp"
)

// One gateway, full of pages that wait, leaves places for everybody else.
func TestPlaces_OneGatewayLeavesSome(t *testing.T) {
	p := &places{browsers: map[[32]byte]int{}, addresses: map[netip.Addr]int{}}
	take := func(n int, o idp.Origin) bool {
		return p.take(append(make([]byte, 28), byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), o, WaitingLimits{}) != nil
	}
	gateway := idp.Origin{Address: netip.MustParseAddr("10.0.0.1"), Gateway: true}
	n := 0
	for n <= maxWaiting && take(n, gateway) {
		n++
	}
	if n != 15_000 {
		t.Errorf("one gateway has %d places", n)
	}
	for i, o := range []idp.Origin{{Address: netip.MustParseAddr("10.0.0.2"), Gateway: true}, {Address: netip.MustParseAddr("192.0.2.7")}} {
		if !take(n+1+i, o) {
			t.Errorf("no place is left for %v", o.Address)
		}
	}
	for all, want := range map[int]int{1: 1, 2: 2, 4: 3, 100: 75} {
		if _, share := (WaitingLimits{All: all}).of(gateway); share != want {
			t.Errorf("of %d places a gateway has %d, want %d", all, share, want)
		}
	}
}
