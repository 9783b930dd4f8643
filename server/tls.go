package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// ErrKeyMode says that others on this machine may read the TLS key.
var ErrKeyMode = errors.New("the TLS key file may be read by others: chmod 600")

// Certificate is the listener's certificate, which can be replaced on disk
// while the server runs.
type Certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
	stamp             atomic.Value // string: what the files looked like
}

// LoadCertificate reads the PEM files. The key must be readable by its owner
// only.
func LoadCertificate(certFile, keyFile string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again if they changed. On an error the old certificate
// stays.
func (c *Certificate) Reload() (changed bool, err error) {
	stamp, err := c.look()
	if err != nil {
		return false, err
	}
	if old, _ := c.stamp.Load().(string); old == stamp {
		return false, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, fmt.Errorf("TLS certificate: %w", err)
	}
	c.current.Store(&pair)
	c.stamp.Store(stamp)
	return true, nil
}

func (c *Certificate) look() (string, error) {
	stamp := ""
	for _, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return "", fmt.Errorf("TLS certificate: %w", err)
		}
		if file == c.keyFile && info.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("%s: mode %#o: %w", file, info.Mode().Perm(), ErrKeyMode)
		}
		stamp += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return stamp, nil
}

// NotAfter is the end of the certificate in use.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// config: TLS 1.3, and 1.2 with forward secrecy and AES-GCM only.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all sound
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}
