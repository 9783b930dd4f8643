package login

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"taipeion.internal/idp/templates"
)

const (
	maxWaiting   = 20_000
	streamWrite  = 10 * time.Second // a reader that takes longer for a line is gone
	streamPause  = 3 * time.Second  // before a browser asks again
	afterTheEnds = 100 * time.Millisecond
)

// streams counts the pages that wait on this node.
var streams atomic.Int64

// qrEvents tells the page by server-sent events (HTML Living Standard, section
// 9.2) how the login stands: once now, then whenever it changes. What it keeps
// for each page is small, and nothing is written anywhere while nothing happens.
func (h *Handler) qrEvents(w http.ResponseWriter, r *http.Request) {
	v, err := h.visit(r, one(r.URL.Query(), "flow"))
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	limit := h.Factors.MaxWaiting
	if limit <= 0 {
		limit = maxWaiting
	}
	if streams.Add(1) > limit {
		streams.Add(-1)
		retryAfter(w, streamPause)
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "busy"})
		return
	}
	defer streams.Add(-1)
	s := &stream{handler: h, w: w, r: r, control: http.NewResponseController(w), watch: h.watch(r, v)}
	if !v.asks(proofs...) {
		_ = s.begin() // a reader that went away is no error of ours
		_ = s.say(told{State: "over"})
		return
	}
	v = nil // not needed while it waits
	s.run()
}

// stream is one page that waits.
type stream struct {
	handler *Handler
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	watch   watch
}

func (s *stream) begin() error {
	header := s.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // proxies shall not collect lines
	// The page stays; the limits of ordinary requests don't hold for it.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return s.send([]byte("retry: 3000\n\n"))
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

func (s *stream) send(line []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return err
	}
	if _, err := s.w.Write(line); err != nil {
		return err
	}
	return s.control.Flush()
}

// run speaks until the login is decided, the flow is over, the page is gone or
// the node stops.
func (s *stream) run() {
	changed, stop := s.handler.Factors.Waiting.Wait(s.watch.browser)
	defer stop()
	if s.begin() != nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last told
	for {
		select {
		case <-s.r.Context().Done():
			return
		case <-s.handler.Factors.Stop:
			return // the browser asks again, and another node answers
		case <-changed:
		case <-timer.C:
		}
		now, err := s.handler.look(s.r, &s.watch)
		if err != nil {
			if s.r.Context().Err() == nil {
				s.handler.Logger.ErrorContext(s.r.Context(), "QR login", "error", err)
			}
			return
		}
		if now != last {
			if s.say(now) != nil {
				return
			}
			last = now
		}
		if now.State != templates.QRWaiting && now.State != templates.QRScanned {
			return
		}
		timer.Reset(max(now.ends.Sub(s.handler.Now()), 0) + afterTheEnds)
		if s.handler.Now().After(s.watch.ends) {
			_ = s.say(told{State: "over"})
			return
		}
	}
}
