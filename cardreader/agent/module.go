package agent

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"taipeion.internal/idp/cardreader/pkcs11"
)

// limits say how long a module may take. Together with the page's own time an
// error is on the screen within ten seconds.
type limits struct {
	// look is how long one look at the readers is good for: windows poll, and
	// a card need not be asked more often than once a second.
	look   time.Duration
	idle   time.Duration // after the last look the processes end
	list   time.Duration
	sign   time.Duration // with the look at the card before it
	keypad time.Duration // the person types on the reader
}

var standardLimits = limits{look: time.Second, idle: time.Minute, list: 5 * time.Second, sign: 9 * time.Second, keypad: 60 * time.Second}

const (
	// restartPause keeps a module that always fails from being restarted at
	// every look.
	restartPause = 3 * time.Second
	// staleAfter: some modules list readers only once, so one that sees none
	// is started anew from time to time.
	staleAfter = 5 * time.Second
)

// kindCrashed: the module process ended by itself.
const kindCrashed pkcs11.Kind = "crashed"

// module is one PKCS#11 module and the process that it runs in. It serves one
// request at a time.
type module struct {
	path    string
	command func() *exec.Cmd

	running atomic.Pointer[os.Process]
	closed  atomic.Bool

	mu      sync.Mutex
	child   *child
	failed  error     // of the last call
	fails   int       // in a row
	retryAt time.Time // no new start before
}

type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	started time.Time
}

// slots lists the readers. busy tells that a signature is being made: the
// reader is then left alone.
func (m *module) slots(limit time.Duration) (slots []pkcs11.Slot, busy bool, err error) {
	if !m.mu.TryLock() {
		return nil, true, nil
	}
	defer m.mu.Unlock()
	if time.Now().Before(m.retryAt) {
		return nil, false, m.failed
	}
	reply, err := m.call(moduleRequest{Op: opSlots}, nil, limit)
	if err != nil {
		return nil, false, err
	}
	if len(reply.Slots) == 0 && time.Since(m.child.started) > staleAfter {
		m.stop()
	}
	return reply.Slots, false, nil
}

// sign makes one signature. The process that saw the PIN ends with it,
// whatever came of it: modules keep PINs in their memory.
func (m *module) sign(r moduleRequest, pin []byte, limit time.Duration) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply, err := m.call(r, pin, limit)
	m.stop()
	return reply.Signature, err
}

// rest ends the process of a module that nobody has looked at for a while, so
// that readers are free for other programs.
func (m *module) rest() {
	if m.mu.TryLock() {
		defer m.mu.Unlock()
		m.stop()
	}
}

// pause puts off the next start, longer each time: a module that always hangs
// must not hold up the others at every look.
func (m *module) pause(err error) error {
	m.failed, m.retryAt = err, time.Now().Add(restartPause<<min(m.fails, 2))
	m.fails++
	return err
}

// close ends the process at once, also in the middle of a call.
func (m *module) close() {
	m.closed.Store(true)
	if p := m.running.Load(); p != nil {
		_ = p.Kill() // it may have ended by itself
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop()
}

// call sends one request, starting the process if need be. Any failure of the
// process itself ends it.
func (m *module) call(r moduleRequest, secret []byte, limit time.Duration) (moduleReply, error) {
	deadline := time.Now().Add(limit)
	if m.child == nil {
		if err := m.start(deadline); err != nil {
			return moduleReply{}, m.pause(err)
		}
	}
	reply, err := m.exchange(r, secret, deadline)
	if err != nil {
		return moduleReply{}, m.pause(err)
	}
	m.fails = 0
	return reply, reply.Failure.err()
}

func (m *module) start(deadline time.Time) error {
	if m.closed.Load() {
		return pkcs11.Fail(pkcs11.KindFailed, "agent is stopping")
	}
	cmd := m.command()
	hide(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return pkcs11.Fail(pkcs11.KindNoComponent, "start module process")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return pkcs11.Fail(pkcs11.KindNoComponent, "start module process")
	}
	if err := cmd.Start(); err != nil {
		return pkcs11.Fail(pkcs11.KindNoComponent, "start module process")
	}
	m.running.Store(cmd.Process)
	m.child = &child{cmd: cmd, in: in, out: out, started: time.Now()}
	reply, err := m.exchange(moduleRequest{Op: opOpen, Module: m.path}, nil, deadline)
	if err == nil {
		err = reply.Failure.err()
	}
	if err != nil {
		m.stop()
	}
	return err
}

// exchange is one request and its reply. If the reply does not come in time
// the process is killed: nothing else stops a call inside a module.
func (m *module) exchange(r moduleRequest, secret []byte, deadline time.Time) (moduleReply, error) {
	c := m.child
	type result struct {
		reply moduleReply
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var res result
		if res.err = writeFrame(c.in, r, secret); res.err == nil {
			_, res.err = readFrame(c.out, &res.reply)
		}
		done <- res
	}()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case res := <-done:
		if res.err == nil {
			return res.reply, nil
		}
		m.stop()
		kind := kindCrashed
		if errors.Is(res.err, errFrame) {
			kind = pkcs11.KindFailed
		}
		return moduleReply{}, pkcs11.Fail(kind, r.Op)
	case <-timer.C:
		m.stop()
		<-done // the secret is the caller's to wipe: nobody may still read it
		return moduleReply{}, pkcs11.Fail(pkcs11.KindHung, r.Op)
	}
}

// stop ends the process, if there is one.
func (m *module) stop() {
	if m.child == nil {
		return
	}
	_ = m.child.in.Close()
	_ = m.child.cmd.Process.Kill() // it may have ended by itself
	_ = m.child.cmd.Wait()
	m.running.Store(nil)
	m.child = nil
}
