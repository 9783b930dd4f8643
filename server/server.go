package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// The time-outs: whoever is slow at sending or at reading is cut off.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 15 * time.Second // from the end of the header to the end of the answer
	idleTimeout   = 60 * time.Second
	drainTimeout  = 20 * time.Second
	certPoll      = 10 * time.Second
	readyTimeout  = time.Second
)

// Options is what a Server needs.
type Options struct {
	Issuer      string       // decides the host, and whether cookies and HSTS are for https
	Hosts       []string     // further hosts that are answered
	Listener    net.Listener // the public one
	Metrics     *Metrics
	MetricsAt   net.Listener // of its own; nil: none
	Certificate *Certificate // nil: TLS ends in front of us, or loopback
	Networks    Networks
	Mounts      *Mounts
	Ready       func(context.Context) error // nil error: the store answers
	Details     func() []string             // what else is told with "ready": lines that make nobody unready
	Fail        Fail
	DrainDelay  time.Duration // how long balancers have to see that we are going
	Errors      *slog.Logger
	Access      *slog.Logger // nil: no access log
	Now         func() time.Time
}

// Server answers requests until it is told to stop.
type Server struct {
	opts     Options
	public   *http.Server
	metrics  *http.Server
	draining atomic.Bool
}

// New mounts health and puts the middleware around the handlers.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{opts: o}
	o.Mounts.Handle("GET /healthz", http.HandlerFunc(s.healthz))
	o.Mounts.Handle("GET /readyz", http.HandlerFunc(s.readyz))
	handler, err := newFront(o.Mounts, frontOptions{
		Issuer: o.Issuer, Hosts: o.Hosts, Networks: o.Networks, Metrics: o.Metrics,
		Log: o.Access, Errors: o.Errors, Fail: o.Fail, Allowed: o.Mounts.Allowed, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	s.public = harden(&http.Server{Handler: handler}, o.Errors)
	if o.MetricsAt != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", o.Metrics.Handler())
		s.metrics = harden(&http.Server{Handler: mux}, o.Errors)
	}
	if o.Certificate != nil {
		s.public.TLSConfig = o.Certificate.config()
		o.Metrics.GaugeFunc("idp_tls_certificate_seconds_left", "How long the TLS certificate is still valid.",
			func() float64 { return o.Certificate.NotAfter().Sub(o.Now()).Seconds() })
	}
	return s, nil
}

func harden(h *http.Server, log *slog.Logger) *http.Server {
	h.ReadHeaderTimeout = headerTimeout
	h.ReadTimeout = readTimeout
	h.WriteTimeout = writeTimeout
	h.IdleTimeout = idleTimeout
	h.MaxHeaderBytes = 64 << 10
	h.DisableGeneralOptionsHandler = true
	h.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReadFrameSize: 64 << 10, SendPingTimeout: idleTimeout}
	// net/http's own messages name addresses: they are for debugging only.
	h.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return h
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz tells balancers whether to send requests here. Why not is in the log;
// lines after the first say what works less well meanwhile.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, "ready\n"
	if s.draining.Load() {
		status, text = http.StatusServiceUnavailable, "draining\n"
	} else if s.opts.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.opts.Ready(ctx); err != nil {
			s.opts.Errors.ErrorContext(ctx, "not ready", "error", err.Error())
			status, text = http.StatusServiceUnavailable, "not ready\n"
		}
	}
	if s.opts.Details != nil && status == http.StatusOK {
		for _, line := range s.opts.Details() {
			text += line + "\n"
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// Handler is the whole middleware with all mounts, for tests without a network.
func (s *Server) Handler() http.Handler { return s.public.Handler }

// Run serves until ctx ends and then drains: it first says "not ready", so that
// balancers look elsewhere, then lets running requests end.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	listener := s.opts.Listener
	if s.opts.Certificate != nil {
		go s.watchCertificate(ctx)
		go func() { failed <- s.public.ServeTLS(listener, "", "") }()
	} else {
		go func() { failed <- s.public.Serve(listener) }()
	}
	if s.metrics != nil {
		go func() { failed <- s.metrics.Serve(s.opts.MetricsAt) }()
	}
	select {
	case err := <-failed:
		_ = s.public.Close()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return s.drain()
}

func (s *Server) drain() error {
	s.draining.Store(true)
	if s.opts.DrainDelay > 0 {
		time.Sleep(s.opts.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := s.public.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.public.Close()
	}
	if s.metrics != nil {
		_ = s.metrics.Close()
	}
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

// watchCertificate follows the files, so that a renewed certificate needs no
// restart.
func (s *Server) watchCertificate(ctx context.Context) {
	tick := time.NewTicker(certPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.ReloadCertificate()
		}
	}
}

// ReloadCertificate reads the certificate again, at once.
func (s *Server) ReloadCertificate() {
	if s.opts.Certificate == nil {
		return
	}
	changed, err := s.opts.Certificate.Reload()
	switch {
	case err != nil:
		s.opts.Errors.Error("TLS certificate not reloaded, the old one stays", "error", err.Error())
	case changed:
		s.opts.Errors.Info("TLS certificate reloaded", "not_after", s.opts.Certificate.NotAfter())
	}
}
