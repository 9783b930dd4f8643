package ad

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// What one answer may be: a directory's page is far smaller, and what is longer
// or deeper is no directory's.
const (
	maxPacket  = 2 << 20
	maxNesting = 64
)

// The library keeps these for the process, and this package is its only user.
func init() { ber.MaxPacketLengthBytes, ber.MaxNestingDepth = maxPacket, maxNesting }

// dial connects by TLS, whatever the scheme: no byte of LDAP but StartTLS is
// ever sent before the server's certificate was checked.
func (d *Directory) dial(ctx context.Context, s *server) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.Connect)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	config := d.tls.Clone()
	config.ServerName = s.host
	conn := tls.Client(raw, config)
	err = func() error {
		if s.startTLS {
			if err := startTLS(ctx, raw); err != nil {
				return err
			}
		}
		return conn.HandshakeContext(ctx)
	}()
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// startTLS asks for TLS (RFC 4511 section 4.14). The answer is read to its last
// byte and no further, so that nothing sent in the clear is taken for an answer
// by TLS.
func startTLS(ctx context.Context, raw net.Conn) error {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, "1.3.6.1.4.1.1466.20037", ""))
	code, _, err := exchange(ctx, raw, 1, op, ldap.ApplicationExtendedResponse)
	if err != nil {
		return fmt.Errorf("StartTLS: %w", err)
	}
	if code != ldap.LDAPResultSuccess {
		return fmt.Errorf("StartTLS refused with result code %d", code)
	}
	return nil
}

// simpleBind sends a name and a password (RFC 4511 section 4.2) as the first
// message of a connection and returns the result code with its diagnostic.
func simpleBind(ctx context.Context, conn net.Conn, dn, password string) (code int64, diagnostic string, err error) {
	if dn == "" || password == "" { // RFC 4513 section 5.1.2: would succeed without proof
		return 0, "", errors.New("a bind without name or password is never sent")
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationBindRequest, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, password, ""))
	return exchange(ctx, conn, 1, op, ldap.ApplicationBindResponse)
}

// exchange sends one message and reads one answer: it must have our message's
// ID and be of the kind asked for, else it is an error and no result.
func exchange(ctx context.Context, conn net.Conn, id int64, op *ber.Packet, want ber.Tag) (int64, string, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, "", errors.New("an exchange needs a deadline")
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if stop() {
			_ = conn.SetDeadline(time.Time{})
		}
	}()
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(op)
	if _, err := conn.Write(message.Bytes()); err != nil {
		return 0, "", err
	}
	answer, err := ber.ReadPacket(io.LimitReader(conn, maxPacket))
	if err != nil {
		return 0, "", fmt.Errorf("read answer: %w", err)
	}
	return result(answer, id, want)
}

var errAnswer = errors.New("not an answer to what was asked")

// result reads an LDAPResult (RFC 4511 section 4.1.9).
func result(p *ber.Packet, id int64, want ber.Tag) (int64, string, error) {
	if p.ClassType != ber.ClassUniversal || p.Tag != ber.TagSequence || len(p.Children) < 2 {
		return 0, "", errAnswer
	}
	got, ok := p.Children[0].Value.(int64)
	op := p.Children[1]
	if !ok || got != id || op.ClassType != ber.ClassApplication || op.TagType != ber.TypeConstructed || op.Tag != want || len(op.Children) < 3 {
		return 0, "", errAnswer
	}
	code, ok := op.Children[0].Value.(int64)
	if !ok || op.Children[0].Tag != ber.TagEnumerated || code < 0 {
		return 0, "", errAnswer
	}
	diagnostic, ok := op.Children[2].Value.(string)
	if !ok || op.Children[1].Tag != ber.TagOctetString {
		return 0, "", errAnswer
	}
	return code, diagnostic, nil
}
