package store

import (
	"context"
	"sync"
	"sync/atomic"
)

// groupLimit bounds how many writes one commit carries.
const groupLimit = 256

// job is a request's write that waits for a writer: statements, or a function
// that runs some.
type job struct {
	ctx   context.Context
	list  []statement
	dest  []any // what the first statement's row is read into
	rows  int64 // how many rows the first statement changed
	run   func(runner) error
	state atomic.Int32 // waiting, then taken or given up
	done  chan error
}

const (
	waiting int32 = iota
	taken
	givenUp
)

// take claims the job for a writer; false if its request gave it up.
func (j *job) take() bool { return j.state.CompareAndSwap(waiting, taken) }

// group is where writes wait for the next commit: writes of requests that
// arrive together are committed together.
type group struct {
	queue   chan *job
	closing chan struct{}
	closed  atomic.Bool
	writers sync.WaitGroup
}

func newGroup() group {
	return group{queue: make(chan *job, 2*groupLimit), closing: make(chan struct{})}
}

// submit hands a write to a writer and returns when it is on disk. A context
// that ends before a writer took it takes it back.
func (g *group) submit(j *job) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if g.closed.Load() {
		return errClosed
	}
	j.done = make(chan error, 1)
	select {
	case g.queue <- j:
	case <-j.ctx.Done():
		return j.ctx.Err()
	case <-g.closing:
		return errClosed
	}
	select {
	case err := <-j.done:
		return translate(err)
	case <-j.ctx.Done():
		if j.state.CompareAndSwap(waiting, givenUp) {
			return j.ctx.Err()
		}
	case <-g.closing:
		// Queued after the writers emptied the queue for the last time.
		if j.state.CompareAndSwap(waiting, givenUp) {
			return errClosed
		}
	}
	return translate(<-j.done)
}

// serve gives commit the first write that arrives, again and again, and when
// the group is closed what is still in the queue. While one group is being
// synced to disk the next gathers.
func (g *group) serve(commit func(first *job)) {
	for {
		select {
		case j := <-g.queue:
			commit(j)
		case <-g.closing:
			for j := g.next(); j != nil; j = g.next() {
				commit(j)
			}
			return
		}
	}
}

// next is another write that has arrived, or nil.
func (g *group) next() *job {
	select {
	case j := <-g.queue:
		return j
	default:
		return nil
	}
}

// close answers what waits; false if it was closed already.
func (g *group) close() bool {
	if g.closed.Swap(true) {
		return false
	}
	close(g.closing)
	g.writers.Wait()
	return true
}
