package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"

	"taipeion.internal/idp/server"
)

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// readyWith is a node's server that shows what a house knows of its directories.
func readyWith(t *testing.T, h *house) http.Handler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	metrics := server.NewMetrics()
	s, err := server.New(server.Options{
		Issuer: "https://id.example", Listener: l, Metrics: metrics, Mounts: server.NewMounts(metrics), Details: h.reach.lines,
		Fail: func(w http.ResponseWriter, _ *http.Request, status int) { w.WriteHeader(status) }, Errors: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}
