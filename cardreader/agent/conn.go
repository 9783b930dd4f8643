package agent

import (
	"context"
	"net"
	"sync"
)

// conn remembers the buffers that the HTTP server read a request into, so that
// they can be overwritten once a PIN has been taken out of one.
type conn struct {
	net.Conn
	foreign error // why this connection is not served

	mu    sync.Mutex
	reads [][]byte
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if own, ok := c.(*conn); ok {
		own.foreign = ownPeer(own.Conn)
		return context.WithValue(ctx, connKey{}, own)
	}
	return ctx
}

func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	// The server waits for a connection's end by reading a single byte: that
	// is the start of the next request, and no PIN.
	if n > 0 && len(p) > 1 {
		c.mu.Lock()
		if len(c.reads) < 64 {
			c.reads = append(c.reads, p[:n])
		}
		c.mu.Unlock()
	}
	return n, err
}

// forget lets go of what was read so far; wiped overwrites it first. Only the
// handler that has read a whole body may ask for that.
func (c *conn) forget(wiped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wiped {
		for _, b := range c.reads {
			clear(b)
		}
	}
	c.reads = c.reads[:0]
}

// listener hands out connections of type conn.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}
