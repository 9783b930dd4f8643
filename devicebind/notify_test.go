package devicebind_test

import (
	"context"
	"sync/atomic"
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

// TestNotifier_HurriesWhileADecisionIsExpected: the changes of other nodes are
// asked for more often then, and only then.
func TestNotifier_HurriesWhileADecisionIsExpected(t *testing.T) {
	asked := &countedChanges{}
	n := &devicebind.Notifier{Store: asked, Now: time.Now, Every: time.Hour, Soon: time.Millisecond}
	calm := n.Hurry()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	_, stop := n.Wait([]byte("page"))
	defer stop()
	for end := time.Now().Add(10 * time.Second); asked.n.Load() < 5; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("asked %d times", asked.n.Load())
		}
	}
	calm()
	calm()
	// What is under way may end, and this machine may be busy meanwhile.
	for before, end := int64(-1), time.Now().Add(10*time.Second); before != asked.n.Load(); time.Sleep(50 * time.Millisecond) {
		if before = asked.n.Load(); time.Now().After(end) {
			t.Fatalf("asked %d times, and on, when nobody is in a hurry", before)
		}
	}
	cancel()
	<-done
}

type countedChanges struct{ n atomic.Int64 }

func (c *countedChanges) ChangesSince(context.Context, time.Time, func([]byte, time.Time)) error {
	c.n.Add(1)
	return nil
}
