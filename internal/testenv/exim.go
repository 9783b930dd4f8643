package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// MailServer is a private Exim on loopback that takes every mail for the city's
// domain over STARTTLS and puts it into one file.
type MailServer struct {
	Address string         // localhost:port
	Roots   *x509.CertPool // vouch for its certificate
	Mailbox string         // in mbox form
}

const eximConfig = `primary_hostname = localhost
domainlist local_domains = gov.taipei
local_interfaces = 127.0.0.1
spool_directory = %[1]s/spool
log_file_path = %[1]s/log/%%s.log
pid_file_path = %[1]s/exim.pid
keep_environment =
disable_ipv6 = true
rfc1413_hosts =
tls_advertise_hosts = *
tls_certificate = %[1]s/server.pem
tls_privatekey = %[1]s/server.key
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny message = TLS first
       !encrypted = *
  accept domains = +local_domains
  deny message = not ours
begin routers
here:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  file = %[1]s/box/mail
  user = Debian-exim
  group = Debian-exim
begin retry
* * F,1h,1m
`

// Exim starts a real mail server, which is stopped with the test. It needs root,
// as every mail server does that delivers for somebody else.
func Exim(t testing.TB) *MailServer {
	t.Helper()
	program := Need(t, "exim4", "apt-get install exim4-daemon-light")
	if os.Getuid() != 0 {
		Missing(t, "root, for the mail server", "run the tests as root")
	}
	dir, err := os.MkdirTemp("", "idp-exim-")
	mustMail(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	mustMail(t, os.Chmod(dir, 0o755))
	for _, sub := range []string{"spool", "box", "log"} {
		mustMail(t, os.Mkdir(filepath.Join(dir, sub), 0o777))
		mustMail(t, os.Chmod(filepath.Join(dir, sub), 0o777))
	}
	m := &MailServer{Roots: mailCertificate(t, dir), Mailbox: filepath.Join(dir, "box", "mail")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustMail(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	mustMail(t, l.Close())
	m.Address = fmt.Sprintf("localhost:%d", port)
	config := filepath.Join(dir, "exim.conf")
	mustMail(t, os.WriteFile(config, fmt.Appendf(nil, eximConfig, dir), 0o644))
	server := exec.Command(program, "-C", config, "-bdf", "-oX", fmt.Sprint(port))
	server.Stderr = os.Stderr
	mustMail(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			mustMail(t, c.Close())
			return m
		}
		if time.Now().After(end) {
			t.Fatal("exim does not answer")
		}
	}
}

func mailCertificate(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustMail(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	mustMail(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	mustMail(t, err)
	write := func(name, kind string, content []byte) {
		mustMail(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o644))
	}
	write("server.pem", "CERTIFICATE", der)
	write("server.key", "PRIVATE KEY", secret)
	cert, err := x509.ParseCertificate(der)
	mustMail(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return roots
}

func mustMail(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
