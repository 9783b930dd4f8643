package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"taipeion.internal/idp/outbox"
)

// The ways to be encrypted.
const (
	STARTTLS = "starttls" // RFC 3207, required: port 587 or 25
	TLS      = "tls"      // from the first byte (RFC 8314 section 3.3): port 465
	Plain    = "none"     // loopback only
)

// Sender sends by one mail server; it is an outbox.Doer.
type Sender struct {
	Address  string         // host:port
	Security string         // STARTTLS if empty
	Username string         // empty: no authentication
	Password string         // never sent without TLS
	From     string         // the address that mails come from
	FromName string         // shown beside it
	Hello    string         // our own host name for EHLO; "localhost" if empty
	Roots    *x509.CertPool // nil: the system's
	Now      func() time.Time
}

// Do sends a mail. outbox.ErrPermanent: the server will never take it.
func (s *Sender) Do(ctx context.Context, m outbox.Message) error {
	to, err := bare(m.To)
	if err != nil {
		return fmt.Errorf("%w: the receiver's address: %w", outbox.ErrPermanent, err)
	}
	from, err := bare(s.From)
	if err != nil {
		return fmt.Errorf("our own address: %w", err)
	}
	text, err := s.compose(m, from, to)
	if err != nil {
		return fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := deliver(c, from, to, text); err != nil {
		return permanent(err)
	}
	// The server has taken it: a failed goodbye changes nothing.
	_ = c.Quit()
	return nil
}

// connect returns a connection that is encrypted and authenticated as wanted.
func (s *Sender) connect(ctx context.Context) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	conn, err := (&net.Dialer{Timeout: 15 * time.Second}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if s.Security == Plain && !loopback(conn.RemoteAddr()) {
		return nil, errors.Join(errors.New("mail without TLS goes to loopback only"), conn.Close())
	}
	config := &tls.Config{ServerName: host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12, Time: s.Now}
	if s.Security == TLS {
		conn = tls.Client(conn, config)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("greeting: %w", err), conn.Close())
	}
	if err := s.greet(c, host, config); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (s *Sender) greet(c *smtp.Client, host string, config *tls.Config) error {
	hello := s.Hello
	if hello == "" {
		hello = "localhost"
	}
	if err := c.Hello(hello); err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if s.Security == STARTTLS || s.Security == "" {
		// Required, not tried: who strips it gets nothing.
		if err := c.StartTLS(config); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if s.Username == "" || s.Security == Plain {
		return nil
	}
	if err := c.Auth(smtp.PlainAuth("", s.Username, s.Password, host)); err != nil {
		return fmt.Errorf("authentication: %w", err)
	}
	return nil
}

func deliver(c *smtp.Client, from, to string, text []byte) error {
	if err := c.Mail(from); err != nil {
		return fmt.Errorf("MAIL: %w", err)
	}
	if err := c.Rcpt(to); err != nil {
		return fmt.Errorf("RCPT: %w", err)
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	return nil
}

// permanent marks what RFC 5321 section 4.2.1 calls a permanent negative answer.
func permanent(err error) error {
	var no *textproto.Error
	if errors.As(err, &no) && no.Code >= 500 {
		return fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
	}
	return err
}

func loopback(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// clean tells whether a value can stand in a header.
func clean(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }
