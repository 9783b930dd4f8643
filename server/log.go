package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

const (
	logBuffer = 64 << 10
	logDelay  = 250 * time.Millisecond
)

// Log writes JSON lines. Lines of the access log are gathered for a moment,
// so that a request does not wait for a disk; warnings and errors go out at
// once.
type Log struct {
	mu  sync.Mutex
	buf *bufio.Writer
}

// NewLog makes a log on out. Run must be running for lines to come out soon.
func NewLog(out io.Writer) *Log { return &Log{buf: bufio.NewWriterSize(out, logBuffer)} }

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Flush writes out what was gathered.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.buf.Flush() // there is nowhere to tell it
}

// Run flushes now and then until ctx ends.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(logDelay)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.Flush()
			return
		case <-tick.C:
			l.Flush()
		}
	}
}

// Logger returns a logger of JSON lines in UTC, from that level on. What is
// logged with the context of a request has its request_id.
func (l *Log) Logger(level slog.Level) *slog.Logger {
	handler := slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level, ReplaceAttr: utc})
	return slog.New(urgent{withRequestID{handler}, l})
}

// requestIDKey is the one name of a request's ID in the log. It is the
// X-Request-Id of the answer, and on our error pages.
const requestIDKey = "request_id"

// withRequestID adds the ID of the request in whose context a record is made.
type withRequestID struct{ slog.Handler }

func (h withRequestID) Handle(ctx context.Context, r slog.Record) error {
	if id := idp.OriginFrom(ctx).RequestID; id != "" && !has(r, requestIDKey) {
		r = r.Clone()
		r.AddAttrs(slog.String(requestIDKey, id))
	}
	return h.Handler.Handle(ctx, r)
}

func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

func (h withRequestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequestID{h.Handler.WithAttrs(attrs)}
}

func (h withRequestID) WithGroup(name string) slog.Handler {
	return withRequestID{h.Handler.WithGroup(name)}
}

func utc(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

// urgent flushes after what somebody should see now.
type urgent struct {
	slog.Handler
	log *Log
}

func (u urgent) Handle(ctx context.Context, r slog.Record) error {
	err := u.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		u.log.Flush()
	}
	return err
}

func (u urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return urgent{u.Handler.WithAttrs(attrs), u.log}
}

func (u urgent) WithGroup(name string) slog.Handler { return urgent{u.Handler.WithGroup(name), u.log} }
