package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawHTTP2 is a connection on which a test writes its own frames.
type rawHTTP2 struct {
	*http2.Framer
	conn *tls.Conn
}

func openHTTP2(t *testing.T, addr string) *rawHTTP2 {
	t.Helper()
	conn, err := dial(t, addr, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		t.Fatal("no HTTP/2")
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return &rawHTTP2{f, conn}
}

// ended reads until the server says goodbye or cuts the connection.
func (h *rawHTTP2) ended() bool {
	for {
		frame, err := h.ReadFrame()
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return false
		}
		if err != nil {
			return true
		}
		if _, goodbye := frame.(*http2.GoAwayFrame); goodbye {
			return true
		}
	}
}

func request(path string) []byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "id.example"}, {":path", path}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // to memory
	}
	return block.Bytes()
}

func TestT201_FloodsOfFrames(t *testing.T) {
	cert, err := LoadCertificate(writeCertificate(t, t.TempDir(), 1))
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	slow := make(chan struct{})
	t.Cleanup(func() { close(slow) })
	run(t, build(t, func(o *Options) {
		o.Listener, o.Certificate = l, cert
		o.Mounts.Handle("GET /slow", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-slow:
			case <-r.Context().Done():
			}
		}))
	}))
	for name, flood := range map[string]func(*rawHTTP2) error{
		"rapid reset": func(h *rawHTTP2) error {
			for id := uint32(1); id < 40_000; id += 2 {
				if err := h.WriteHeaders(http2.HeadersFrameParam{
					StreamID: id, BlockFragment: request("/slow"), EndHeaders: true, EndStream: true,
				}); err != nil {
					return err
				}
				if err := h.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		},
		"continuation": func(h *rawHTTP2) error {
			if err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: request("/page"), EndStream: true}); err != nil {
				return err
			}
			for range 20_000 {
				if err := h.WriteContinuation(1, false, bytes.Repeat([]byte{0x00, 0x01, 'a', 0x01, 'b'}, 200)); err != nil {
					return err
				}
			}
			return nil
		},
		"settings": func(h *rawHTTP2) error {
			for range 20_000 {
				if err := h.WriteSettings(); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHTTP2(t, l.Addr().String())
			done := make(chan bool, 1)
			go func() { done <- h.ended() }()
			err := flood(h)
			_ = h.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
			if ended := <-done; !ended && err == nil {
				t.Log("the flood was taken without harm")
			}
			// Whatever became of that connection: others are answered at once.
			begin := time.Now()
			other := openHTTP2(t, l.Addr().String())
			if err := other.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 1, BlockFragment: request("/page"), EndHeaders: true, EndStream: true,
			}); err != nil {
				t.Fatal(err)
			}
			for {
				frame, err := other.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := frame.(*http2.HeadersFrame); ok {
					break
				}
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("another connection waited %v", took)
			}
		})
	}
}
