package bench

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// target is a server under load: the product or the floor.
type target struct {
	base    string
	secret  string   // of the clients "load" and "load-service"
	floor   bool     // needs no login
	users   []user   // who can log in
	cookies []string // of sessions that were opened, reused between runs
	pids    []int    // whose CPU time counts
	metrics string   // address of the metrics; empty: none
}

type user struct{ account, password string }

// worker is one user of the server, with its own state between operations.
type worker struct {
	*target
	id      int
	client  *http.Client
	cookie  string // of its session
	access  string // its access token
	refresh string // its refresh token
	tokens  []string
	turn    int
}

// flow is a kind of load.
type flow struct {
	name    string
	about   string
	prepare func(*worker) error // untimed
	op      func(*worker) error
}

// result is what one run of a flow measured.
type result struct {
	ops, errors  int
	firstError   error
	rate         float64       // operations per second
	p50, p99     time.Duration // of an operation
	gap          time.Duration // the longest time without a completion
	cpu          time.Duration // of the server, per operation
	reads        float64       // statements per operation that only read
	writes       float64       // statements per operation in writing transactions
	transactions float64       // durable commits per operation
}

// drive runs the flow with so many workers for that long.
func drive(t *target, f flow, workers int, d time.Duration) (result, error) {
	transport := &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: workers + 1, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	all := make([]*worker, workers)
	for i := range all {
		all[i] = &worker{target: t, id: i, client: client}
		if err := f.prepare(all[i]); err != nil {
			return result{}, fmt.Errorf("%s: preparing: %w", f.name, err)
		}
	}
	for _, w := range all { // warm: connections, prepared statements
		if err := f.op(w); err != nil {
			return result{}, fmt.Errorf("%s: first operation: %w", f.name, err)
		}
	}
	before, err := t.usage()
	if err != nil {
		return result{}, err
	}
	r, took := turn(all, f, d)
	after, err := t.usage()
	if err != nil {
		return result{}, err
	}
	r.rate = float64(r.ops) / took.Seconds()
	if n := float64(r.ops); n > 0 {
		r.cpu = time.Duration(float64(after.cpu-before.cpu) / n)
		r.reads = (after.reads - before.reads) / n
		r.writes = (after.writes - before.writes) / n
		r.transactions = (after.transactions - before.transactions) / n
	}
	return r, nil
}

// turn is the timed part.
func turn(all []*worker, f flow, d time.Duration) (result, time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var r result
	var took []time.Duration
	var last, gap atomic.Int64
	start := time.Now()
	end := start.Add(d)
	for _, w := range all {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var mine []time.Duration
			var failed int
			var first error
			for at := time.Now(); at.Before(end); {
				err := f.op(w)
				now := time.Now()
				if err != nil {
					failed++
					if first == nil {
						first = err
					}
				} else {
					mine = append(mine, now.Sub(at))
					since := int64(now.Sub(start))
					raise(&gap, since-last.Swap(since))
				}
				at = now
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			r.errors += failed
			if r.firstError == nil {
				r.firstError = first
			}
		}()
	}
	wg.Wait()
	elapsed := time.Since(start)
	r.ops = len(took)
	r.gap = max(time.Duration(gap.Load()), elapsed-time.Duration(last.Load()))
	slices.Sort(took)
	if len(took) > 0 {
		r.p50, r.p99 = took[len(took)/2], took[len(took)*99/100]
	}
	return r, elapsed
}

func raise(to *atomic.Int64, v int64) {
	for old := to.Load(); v > old && !to.CompareAndSwap(old, v); old = to.Load() {
	}
}

// do sends a request and reads the whole answer, so that the connection is
// kept.
func (w *worker) do(req *http.Request) (*http.Response, []byte, error) {
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, body, err
}

// median of the results' values.
func median(rs []result, of func(result) float64) float64 {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func TestMedian(t *testing.T) {
	rs := []result{{rate: 3}, {rate: 1}, {rate: 2}}
	if m := median(rs, func(r result) float64 { return r.rate }); m != 2 {
		t.Errorf("median %v", m)
	}
}
