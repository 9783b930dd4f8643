package server

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

func TestT203_StartsAreBoundedForEachSource(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	b := &Budget{Each: 3, Gateway: 5, Now: func() time.Time { return now }}
	take := func(addr string, gateway bool) bool {
		err := b.Take(idp.Origin{Address: netip.MustParseAddr(addr), Gateway: gateway})
		if err != nil && !errors.Is(err, idp.ErrOverloaded) {
			t.Fatal(err)
		}
		return err == nil
	}
	for i := range 5 {
		if got := take("192.0.2.1", false); got != (i < 3) {
			t.Errorf("take %d: %v", i, got)
		}
	}
	if !take("192.0.2.2", false) {
		t.Error("another source pays for the first")
	}
	for i := range 6 {
		if got := take("198.51.100.1", true); got != (i < 5) {
			t.Errorf("gateway, take %d: %v", i, got)
		}
	}
	for i := range 4 {
		if got := take(fmt.Sprintf("2001:db8::%x", i+1), false); got != (i < 3) {
			t.Errorf("one IPv6 network, take %d: %v", i, got)
		}
	}
	if !take("2001:db8:0:1::1", false) {
		t.Error("the next IPv6 network pays for it")
	}
	now = now.Add(time.Minute)
	if !take("192.0.2.1", false) {
		t.Error("the share does not come again")
	}
}

func TestT203_SourcesAreBounded(t *testing.T) {
	b := &Budget{Each: 3, Gateway: 5, Now: time.Now}
	b.minute, b.sources = time.Now().Unix()/60, make(map[netip.Addr]int)
	let := 0
	for i := range maxSources + 1000 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if b.Take(idp.Origin{Address: addr}) == nil {
			let++
		}
	}
	if len(b.sources) > maxSources+1 {
		t.Errorf("%d sources are remembered", len(b.sources))
	}
	if let > maxSources+10 { // two minutes may meet here
		t.Errorf("%d were let in", let)
	}
}
