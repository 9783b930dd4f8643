package devicebind_test

import (
	"context"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
)

func TestNotifier_WakesOtherNodes(t *testing.T) {
	onBoth(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		p := w.phone(w.person())
		done := make(chan struct{})
		go func() { w.nodes[1].notifier.Run(ctx); close(done) }()
		pg := w.page("docs")
		here, stop := w.nodes[0].notifier.Wait(pg.browser)
		defer stop()
		there, stopThere := w.nodes[1].notifier.Wait(pg.browser)
		defer stopThere()
		s, err := w.scan(w.nodes[0], p, w.nodes[0].codes.Make(pg.flow, pc).Text)
		w.must(err)
		for range 2 {
			for i, c := range []<-chan struct{}{here, there} {
				select {
				case <-c:
				case <-time.After(10 * time.Second):
					w.Fatalf("node %d was not woken", i)
				}
			}
			w.later(time.Millisecond)
			if s != nil {
				w.must(w.decide(w.nodes[0], p, s, devicebind.VerdictDeny, ""))
				s = nil
			}
		}
		if w.nodes[1].notifier.Waiting() != 1 {
			w.Fatal(w.nodes[1].notifier.Waiting())
		}
		stopThere()
		stopThere()
		if w.nodes[1].notifier.Waiting() != 0 {
			w.Fatal(w.nodes[1].notifier.Waiting())
		}
		cancel()
		<-done
	})
}
