package login

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

const (
	streamWrite = 10 * time.Second // a reader that takes longer for a line is gone
	streamPause = 3 * time.Second  // before a browser asks again
	streamSlack = 100 * time.Millisecond
)

// qrEvents tells the page by server-sent events (HTML Living Standard, section
// 9.2) how the login stands: once now, then whenever it changes. Nothing is
// written anywhere while nothing happens, and a page that waits costs little
// more than its connection: over HTTP/1.1 it is taken out of the server, whose
// buffers and stack are then free for others.
func (h *Handler) qrEvents(w http.ResponseWriter, r *http.Request) {
	v, err := h.visit(r, one(r.URL.Query(), "flow"))
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	leave := h.places.take(v.flow.Browser, idp.OriginFrom(r.Context()), h.Factors.Waits)
	if leave == nil {
		// An event source that is answered like this stays closed, and the page asks
		// by itself instead, now and then.
		retryAfter(w, streamPause)
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "busy"})
		return
	}
	s := &stream{handler: h, leave: leave, watch: h.watch(r, v), asked: v.asks(proofs...), done: make(chan bool, 1)}
	if s.begin(w, r) {
		go s.run() // of its own: the server's goroutine and its stack are let go
		return
	}
	s.run()
}

// stream is one page that waits.
type stream struct {
	handler *Handler
	leave   func() // gives its place back
	context context.Context
	watch   watch
	asked   bool // policy asks for a proof at all
	send    func(line []byte) error
	close   func()
	calm    func()    // while the page shows a number; nil: it does not
	woken   bool      // something has changed since the last step
	last    string    // what the page knows
	looked  time.Time // when the store was asked last,
	closed  time.Time // and when the browser's last login was decided, as it said
	due     time.Time // when there is news without anything having changed
	done    chan bool
}

// begin sends the header. It tells whether the stream has left the server and
// lives on when the handler has returned.
func (s *stream) begin(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // proxies shall not collect lines
	control := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		if conn, buffered, err := control.Hijack(); err == nil {
			s.context = idp.WithOrigin(context.Background(), idp.OriginFrom(r.Context()))
			s.takeOver(conn, buffered, header)
			return true
		}
	}
	s.context, s.close = r.Context(), func() {}
	s.send = func(line []byte) error {
		if err := control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		return control.Flush()
	}
	// The limits of ordinary requests don't hold for a page that waits.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		s.send = func([]byte) error { return err }
	}
	return false
}

// takeOver takes the connection over. The answer ends with it, so that it needs no
// length and no chunks (RFC 9112 section 6.3).
func (s *stream) takeOver(conn net.Conn, buffered *bufio.ReadWriter, header http.Header) {
	header.Set("Connection", "close")
	s.close = func() { _ = conn.Close() }
	s.send = func(line []byte) error {
		if gone(conn) {
			return net.ErrClosed
		}
		if err := conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return err
		}
		_, err := conn.Write(line)
		return err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(streamWrite)) // what fails here fails at the next line, too
	_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(buffered)
	_, _ = buffered.WriteString("\r\nretry: 3000\n\n")
	_ = buffered.Flush()
}

// gone tells whether the other side has closed. A page says nothing after its
// request, so there is never anything else to read.
func gone(conn net.Conn) bool {
	var one [1]byte
	if conn.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return true
	}
	_, err := conn.Read(one[:])
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// run waits until the login is decided, the flow is over, the page is gone or
// the node stops. What there is to do is done elsewhere, so that this goroutine
// keeps the smallest of stacks.
func (s *stream) run() {
	defer s.leave()
	defer s.close()
	defer func() { s.hurry(false) }()
	changed, stop := s.handler.Factors.Waiting.Wait(s.watch.browser)
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.context.Done():
			return
		case <-s.handler.Factors.Stop:
			return // the browser asks again, and another node answers
		case <-changed:
			s.woken = true
		case <-timer.C:
		}
		go s.step()
		if !<-s.done {
			return
		}
		timer.Reset(max(s.due.Sub(s.handler.Now()), 0) + streamSlack)
	}
}

// step looks how things stand and tells the page what is new to it. It reports
// whether the page goes on waiting.
func (s *stream) step() {
	on, h := false, s.handler
	defer func() {
		// No middleware stands behind a stream: a fault of one ends that one alone.
		if p := recover(); p != nil {
			on = false
			h.Logger.ErrorContext(s.context, "QR stream panicked", "panic", fmt.Sprintf("%T", p))
		}
		s.done <- on
	}()
	if !s.asked || !h.Now().Before(s.watch.ends) {
		_ = s.say(told{State: "over"}) // a reader that went away is no error of ours
		return
	}
	now, err := s.look()
	if err != nil {
		if s.context.Err() == nil {
			h.Logger.ErrorContext(s.context, "QR login", "error", err)
		}
		return
	}
	if now.State != s.last || now.State == templates.QRWaiting {
		if s.say(now) != nil {
			return
		}
	}
	s.last, s.due, s.woken = now.State, now.ends, false
	s.hurry(now.State == templates.QRScanned)
	if s.watch.ends.Before(s.due) {
		s.due = s.watch.ends
	}
	on = now.State == templates.QRWaiting || now.State == templates.QRScanned
}

// lookEvery is how old the store's word may be that nobody has scanned the code,
// when no change was told. It is for clocks that are far apart.
const lookEvery = time.Minute

// look asks the store only if something may have changed: that a code is due is
// no news to it.
func (s *stream) look() (told, error) {
	h := s.handler
	now := h.Now()
	if s.last == templates.QRWaiting && !s.woken && now.Sub(s.looked) < lookEvery {
		return h.waiting(&s.watch, s.closed, now), nil
	}
	t, err := h.look(s.context, &s.watch)
	s.looked, s.closed = now, t.closed
	return t, err
}

// hurry has changes looked for more often while the page shows a number.
func (s *stream) hurry(on bool) {
	switch {
	case on && s.calm == nil:
		s.calm = s.handler.Factors.Waiting.Hurry()
	case !on && s.calm != nil:
		s.calm()
		s.calm = nil
	}
}

func (s *stream) say(t told) error {
	t, err := t.drawn()
	if err != nil {
		return err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	line := make([]byte, 0, len(text)+8)
	line = append(line, "data: "...)
	line = append(line, text...)
	return s.send(append(line, '\n', '\n'))
}
