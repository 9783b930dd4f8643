package mail_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/outbox/mail"
)

// server is a mail server of one conversation at a time.
type server struct {
	address string
	roots   *x509.CertPool
	config  *tls.Config
	tls     bool // from the first byte
	strip   bool // does not offer STARTTLS
	answer  map[string]string

	mu   sync.Mutex
	said []string
	data string
}

func serve(t *testing.T, s *server) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(cert)
	s.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.address = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.talk(conn)
		}
	}()
	return s
}

func (s *server) talk(conn net.Conn) {
	defer func() { conn.Close() }()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	secure := s.tls
	if s.tls {
		conn = tls.Server(conn, s.config)
	}
	r := bufio.NewReader(conn)
	say := func(text string) { io.WriteString(conn, text+"\r\n") }
	say("220 mail ready")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		s.mu.Lock()
		s.said = append(s.said, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		if no := s.answer[verb]; no != "" {
			say(no)
			continue
		}
		switch verb {
		case "EHLO":
			if secure || s.strip {
				say("250-mail\r\n250 AUTH PLAIN")
			} else {
				say("250-mail\r\n250 STARTTLS")
			}
		case "STARTTLS":
			say("220 go")
			conn, secure = tls.Server(conn, s.config), true
			r = bufio.NewReader(conn)
		case "AUTH":
			say("235 ok")
		case "DATA":
			say("354 go")
			var text strings.Builder
			for line := ""; line != ".\r\n"; {
				text.WriteString(line)
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
			}
			s.mu.Lock()
			s.data = text.String()
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) sender() *mail.Sender {
	return &mail.Sender{Address: s.address, From: "id@example.gov.tw", FromName: "臺北市政府", Username: "u", Password: "secret of the server", Roots: s.roots, Now: time.Now}
}

func message() outbox.Message {
	return outbox.NewMail("staff@example.gov.tw", "您的手機已綁定", "您好:\n手機「我的手機」已綁定。\n"+strings.Repeat("很長的一行。", 40), time.Now())
}

func TestSender_STARTTLSAndTLS(t *testing.T) {
	for _, how := range []string{"", mail.STARTTLS, mail.TLS} {
		s := serve(t, &server{tls: how == mail.TLS})
		sender := s.sender()
		sender.Security = how
		m := message()
		if err := sender.Do(t.Context(), m); err != nil {
			t.Fatal(how, err)
		}
		s.mu.Lock()
		said, data := strings.Join(s.said, "\n"), s.data
		s.mu.Unlock()
		if !strings.Contains(said, "MAIL FROM:<id@example.gov.tw>") || !strings.Contains(said, "RCPT TO:<staff@example.gov.tw>") || !strings.Contains(said, "AUTH PLAIN") {
			t.Fatal(said)
		}
		got, err := netmail.ReadMessage(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
		if err != nil || subject != m.Subject {
			t.Fatal(subject, err)
		}
		body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, got.Body))
		if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != m.Text {
			t.Fatalf("%q %v", body, err)
		}
		if got.Header.Get("Message-ID") != "<"+m.ID+"@example.gov.tw>" || got.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Fatal(got.Header)
		}
		for _, line := range strings.Split(data, "\r\n") {
			if len(line) > 78 && !strings.HasPrefix(line, "From:") {
				t.Fatalf("a line of %d", len(line))
			}
		}
	}
}

// Who strips STARTTLS, or shows another certificate, gets neither mail nor
// password.
func TestSender_NoMailWithoutTLS(t *testing.T) {
	stripped := serve(t, &server{strip: true, answer: map[string]string{"STARTTLS": "502 no"}})
	foreign := serve(t, &server{})
	sender := foreign.sender()
	sender.Roots = stripped.roots
	for s, sender := range map[*server]*mail.Sender{stripped: stripped.sender(), foreign: sender} {
		err := sender.Do(t.Context(), message())
		if err == nil || errors.Is(err, outbox.ErrPermanent) {
			t.Fatal(err)
		}
		s.mu.Lock()
		said := strings.Join(s.said, "\n")
		s.mu.Unlock()
		if strings.Contains(said, "AUTH") || strings.Contains(said, "MAIL") {
			t.Fatal(said)
		}
	}
}

func TestSender_PlainOnLoopbackOnly(t *testing.T) {
	s := serve(t, &server{strip: true})
	sender := s.sender()
	sender.Security = mail.Plain
	if err := sender.Do(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(strings.Join(s.said, "\n"), "AUTH") {
		t.Fatal("the password was sent in the clear")
	}
}

func TestSender_PermanentAndForNow(t *testing.T) {
	for _, c := range []struct {
		answer    map[string]string
		permanent bool
	}{
		{map[string]string{"RCPT": "550 no such mailbox"}, true},
		{map[string]string{"RCPT": "451 later"}, false},
		{map[string]string{"AUTH": "535 wrong"}, false}, // ours to mend: the mail waits
		{map[string]string{"DATA": "554 no"}, true},
	} {
		s := serve(t, &server{answer: c.answer})
		err := s.sender().Do(t.Context(), message())
		if err == nil || errors.Is(err, outbox.ErrPermanent) != c.permanent {
			t.Fatal(c.answer, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Fatal("a secret in an error")
		}
	}
}

func TestSender_NoHeaderFromOutside(t *testing.T) {
	s := serve(t, &server{})
	for _, change := range []func(m *outbox.Message){
		func(m *outbox.Message) { m.To = "a@example.gov.tw\r\nBcc: b@example.org" },
		func(m *outbox.Message) { m.To = "a@example.gov.tw, b@example.org" },
		func(m *outbox.Message) { m.To = "" },
		func(m *outbox.Message) { m.Subject = "x\r\nBcc: b@example.org" },
	} {
		m := message()
		change(&m)
		if err := s.sender().Do(t.Context(), m); !errors.Is(err, outbox.ErrPermanent) {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.said) != 0 {
		t.Fatal(s.said)
	}
}
