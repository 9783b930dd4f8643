package testenv

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands before a server, as one of several, so that it can be killed,
// hung and slowed down alone.
type Proxy struct {
	Address string
	Seen    atomic.Int64 // connections accepted
	target  string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	hung     atomic.Bool
	delay    atomic.Int64
}

// NewProxy listens on a port of its own until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{Address: "127.0.0.1:0", target: target, conns: map[net.Conn]bool{}}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// Start accepts connections, again after Kill, on the same port.
func (p *Proxy) Start() error {
	l, err := net.Listen("tcp", p.Address)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.listener, p.Address = l, l.Addr().String()
	p.mu.Unlock()
	p.hung.Store(false)
	p.delay.Store(0)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.Seen.Add(1)
			go p.serve(conn)
		}
	}()
	return nil
}

// Kill ends the listener and all connections: the next one is refused.
func (p *Proxy) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

// Hang makes the server accept and say nothing more, until Start or Hang(false).
func (p *Proxy) Hang(on bool) { p.hung.Store(on) }

// Slow delays each of the server's answers.
func (p *Proxy) Slow(d time.Duration) { p.delay.Store(int64(d)) }

func (p *Proxy) keep(c net.Conn) {
	p.mu.Lock()
	p.conns[c] = true
	p.mu.Unlock()
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

func (p *Proxy) serve(client net.Conn) {
	p.keep(client)
	defer p.drop(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	p.keep(server)
	defer p.drop(server)
	go func() {
		p.copy(server, client)
		_ = server.Close()
	}()
	p.copy(client, server)
}

// copy moves bytes while the server is neither hung nor gone.
func (p *Proxy) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			for p.hung.Load() {
				time.Sleep(5 * time.Millisecond)
				if _, err := to.Write(nil); err != nil {
					return
				}
			}
			time.Sleep(time.Duration(p.delay.Load()))
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
