package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// lines is a log that tests read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type house struct {
	server *Server
	mounts *Mounts
	access *lines
	errors *lines
	seen   idp.Origin // of the last request to /page
}

func build(t *testing.T, change func(*Options)) *house {
	t.Helper()
	h := &house{access: &lines{}, errors: &lines{}}
	metrics := NewMetrics()
	h.mounts = NewMounts(metrics)
	h.mounts.Handle("GET /page", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.seen = idp.OriginFrom(r.Context())
		_, _ = io.WriteString(w, "page")
	}))
	h.mounts.Handle("GET /", http.NotFoundHandler())
	h.mounts.Handle("POST /form", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
		}
	}))
	h.mounts.Handle("POST /oauth2/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "token")
	}))
	h.mounts.Handle("GET /panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("secret of A123456789")
	}))
	o := Options{
		Issuer: "https://id.example", Metrics: metrics, Mounts: h.mounts,
		Errors:   slog.New(withRequestID{slog.NewJSONHandler(h.errors, nil)}),
		Access:   slog.New(withRequestID{slog.NewJSONHandler(h.access, nil)}),
		Networks: Networks{Proxies: prefixes("10.0.0.0/8"), City: prefixes("192.0.2.0/24"), Gateways: prefixes("192.0.2.7/32")},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if h.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.server.Handler().ServeHTTP(w, r)
	return w
}

func (h *house) get(target string) *httptest.ResponseRecorder {
	return h.do(httptest.NewRequest(http.MethodGet, target, nil))
}

// run serves on loopback until the test ends or stop is called.
func run(t *testing.T, h *house) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.server.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func writeCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "id.example"}, DNSNames: []string{"id.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
