package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func dial(t *testing.T, addr string, change func(*tls.Config)) (*tls.Conn, error) {
	t.Helper()
	c := &tls.Config{InsecureSkipVerify: true, ServerName: "id.example"} // a test's own certificate
	if change != nil {
		change(c)
	}
	d := &net.Dialer{Timeout: 5 * time.Second}
	return tls.DialWithDialer(d, "tcp", addr, c)
}

func TestT206_TLSVersionsAndCiphers(t *testing.T) {
	cert, err := LoadCertificate(writeCertificate(t, t.TempDir(), 1))
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	run(t, build(t, func(o *Options) { o.Listener, o.Certificate = l, cert }))
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if c, err := dial(t, l.Addr().String(), func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }); err == nil {
			_ = c.Close()
			t.Errorf("%s accepted", tls.VersionName(version))
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, err := dial(t, l.Addr().String(), func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		if err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
			continue
		}
		_ = c.Close()
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !containsVersion(suite.SupportedVersions, tls.VersionTLS12) || suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		good := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && strings.Contains(suite.Name, "_GCM_")
		c, err := dial(t, l.Addr().String(), func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
		})
		if err == nil {
			_ = c.Close()
		}
		if err == nil && !good {
			t.Errorf("%s accepted", suite.Name)
		}
		if good && strings.Contains(suite.Name, "ECDSA") && err != nil { // the test's key is ECDSA
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
}

func containsVersion(list []uint16, v uint16) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

func TestT226_CertificateIsReplacedWhileServing(t *testing.T) {
	dir := t.TempDir()
	cert, err := LoadCertificate(writeCertificate(t, dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	h := build(t, func(o *Options) { o.Listener, o.Certificate = l, cert })
	run(t, h)
	serial := func() string {
		c, err := dial(t, l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if serial() != "1" {
		t.Fatal("wrong certificate")
	}
	certFile, keyFile := writeCertificate(t, dir, 2)
	later := time.Now().Add(time.Second)
	for _, f := range []string{certFile, keyFile} {
		if err := os.Chtimes(f, later, later); err != nil {
			t.Fatal(err)
		}
	}
	h.server.ReloadCertificate()
	if got := serial(); got != "2" {
		t.Errorf("serves certificate %s", got)
	}
	if err := os.WriteFile(certFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.server.ReloadCertificate()
	if got := serial(); got != "2" || !strings.Contains(h.errors.String(), "old one stays") {
		t.Errorf("after a broken file: certificate %s, log %s", got, h.errors)
	}
}

func TestT194_RefusesTLSKeyThatOthersMayRead(t *testing.T) {
	certFile, keyFile := writeCertificate(t, t.TempDir(), 1)
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCertificate(certFile, keyFile); !errors.Is(err, ErrKeyMode) {
		t.Fatal(err)
	}
}

func TestT200_SlowConnectionsAreCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the time-out")
	}
	l := listen(t)
	run(t, build(t, func(o *Options) { o.Listener, o.Issuer = l, "http://"+l.Addr().String() }))
	for name, text := range map[string]string{
		"nothing":     "",
		"half header": "GET /page HTTP/1.1\r\nHost: " + l.Addr().String() + "\r\n",
		"half body":   "POST /form HTTP/1.1\r\nHost: " + l.Addr().String() + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_ = c.SetReadDeadline(begin.Add(20 * time.Second))
			_, err = io.Copy(io.Discard, c)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() || time.Since(begin) > 15*time.Second {
				t.Errorf("still open after %v", time.Since(begin))
			}
		})
	}
}

func TestT198_AmbiguousFraming(t *testing.T) {
	l := listen(t)
	run(t, build(t, func(o *Options) { o.Listener, o.Issuer = l, "http://"+l.Addr().String() }))
	host := "Host: " + l.Addr().String() + "\r\n"
	for name, text := range map[string]string{
		"two lengths":       "POST /form HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"unknown encoding":  "POST /form HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"two hosts":         "GET /page HTTP/1.1\r\n" + host + "Host: evil.example\r\n\r\n",
		"no host":           "GET /page HTTP/1.1\r\n\r\n",
		"space in name":     "GET /page HTTP/1.1\r\n" + host + "X : y\r\n\r\n",
		"NUL in value":      "GET /page HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n",
		"negative length":   "POST /form HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n",
		"options asterisk":  "OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
		"header of 100 KiB": "GET /page HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, text)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if answer.StatusCode < 400 || answer.StatusCode > 499 && answer.StatusCode != 501 {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
		_ = c.Close()
	}
}

func TestT218_DrainSaysNotReadyFirstAndLosesNothing(t *testing.T) {
	l := listen(t)
	running, release := make(chan struct{}), make(chan struct{})
	h := build(t, func(o *Options) {
		o.Listener, o.Issuer, o.DrainDelay = l, "http://"+l.Addr().String(), 300*time.Millisecond
		o.Mounts.Handle("GET /slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(running)
			<-release
			_, _ = io.WriteString(w, "done")
		}))
	})
	stop := run(t, h)
	base := "http://" + l.Addr().String()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get(base + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-running
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for !h.server.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	resp, err := http.Get(base + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz while draining: %d", resp.StatusCode)
	}
	time.Sleep(400 * time.Millisecond)
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestMetricsHaveTheirOwnListener(t *testing.T) {
	l, m := listen(t), listen(t)
	h := build(t, func(o *Options) {
		o.Listener, o.MetricsAt, o.Issuer = l, m, "http://"+l.Addr().String()
		o.Metrics.CounterFunc("idp_store_statements_total", "Statements.", func() float64 { return 7 })
		o.Ready = func(context.Context) error { return nil }
	})
	run(t, h)
	for _, path := range []string{"/page", "/page?x=1", "/none", "/readyz"} {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	resp, err := http.Get(fmt.Sprintf("http://%s/metrics", m.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	for _, want := range []string{
		`idp_http_requests_total{route="GET /page",status="200"} 2`, `idp_store_statements_total 7`,
		`idp_http_request_seconds_count{route="GET /page"} 2`, `idp_http_requests_total{route="GET /readyz",status="200"} 1`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestLogGathersAndFlushesErrorsAtOnce(t *testing.T) {
	out := &lines{}
	log := NewLog(out)
	logger := log.Logger(slog.LevelInfo)
	logger.Info("request")
	if out.String() != "" {
		t.Error("written at once")
	}
	logger.With("a", 1).Error("bad")
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `Z","level"`) {
		t.Errorf("log: %s", got)
	}
}

func TestT200_SlowConnectionsDelayNobody(t *testing.T) {
	l := listen(t)
	run(t, build(t, func(o *Options) { o.Listener, o.Issuer = l, "http://"+l.Addr().String() }))
	half := "POST /form HTTP/1.1\r\nHost: " + l.Addr().String() +
		"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na="
	for range 1000 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Skipf("this machine has too few files: %v", err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, half); err != nil {
			t.Fatal(err)
		}
	}
	p95 := time.Hour
	for range 3 { // the quickest: whatever else this machine does is not meant
		var took []time.Duration
		for range 100 {
			begin := time.Now()
			resp, err := http.Get("http://" + l.Addr().String() + "/page")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		p95 = min(p95, took[94])
	}
	if p95 > 250*time.Millisecond {
		t.Errorf("the 95th of 100 requests took %v beside 1,000 slow connections", p95)
	}
}
