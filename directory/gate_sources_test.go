package directory_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/store/storetest"
)

func TestT079_SourcesThatTryManyNamesAreSlowedDown(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.Sources = directory.Sources{Names: 20, Gateway: 200, Window: 15 * time.Minute}
		refused := 0
		for i := range 100 {
			if w.try(fmt.Sprintf("name%d", i), "Summer-2026!") == "throttled" {
				refused++
			}
		}
		if refused != 80 {
			t.Errorf("%d of 100 names refused", refused)
		}
		w.want(outcome(w.CheckPassword(from("10.9.9.9"), "ab1234", rightPassword)), "ok") // others go on
		gateway := idp.WithOrigin(context.Background(), idp.Origin{Address: netip.MustParseAddr("10.1.2.3"), Gateway: true})
		w.want(outcome(w.CheckPassword(gateway, "ab1234", rightPassword)), "ok")
		w.pass(16 * time.Minute)
		w.want(w.try("ab1234", rightPassword), "ok")
	})
}

func TestT079_OneSubscribersManyAddresses(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.Sources = directory.Sources{Names: 5, Gateway: 200, Window: 15 * time.Minute}
	got := ""
	for i := range 6 {
		got = outcome(w.CheckPassword(from(fmt.Sprintf("2001:db8:1:2::%x", i+1)), fmt.Sprintf("name%d", i), "x"))
	}
	w.want(got, "throttled")
}

func TestT079_ParallelTriesDoNotPassTheSourceLimit(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.Sources = directory.Sources{Names: 4, Gateway: 100, Window: 15 * time.Minute}
		var looked atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				if outcome(w.CheckPassword(w.context(), fmt.Sprintf("name%d", i), "Summer-2026!")) == "wrong" {
					looked.Add(1)
				}
			})
		}
		wg.Wait()
		if n := looked.Load(); n > 4+1 { // one more may be under way, half the limit at once
			t.Errorf("%d names were looked at", n)
		}
	})
}
