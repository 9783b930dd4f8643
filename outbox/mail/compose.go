package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	netmail "net/mail"
	"strings"
	"time"

	"taipeion.internal/idp/outbox"
)

var errHeader = errors.New("line break in a header")

// bare is the address of a mailbox, without a name.
func bare(s string) (string, error) {
	if !clean(s) {
		return "", errHeader
	}
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return "", errors.New("not a mail address") // the address itself stays out of the log
	}
	return a.Address, nil
}

// compose writes the message (RFC 5322, RFC 2045): plain text in UTF-8. Its
// Message-ID is the outbox's: a mail that is sent twice can be known by it.
func (s *Sender) compose(m outbox.Message, from, to string) ([]byte, error) {
	if !clean(m.Subject) || !clean(s.FromName) || !clean(m.ID) {
		return nil, errHeader
	}
	domain := from[strings.LastIndexByte(from, '@')+1:]
	var b bytes.Buffer
	sender := netmail.Address{Name: s.FromName, Address: from}
	for _, h := range [][2]string{
		{"From", sender.String()},
		{"To", (&netmail.Address{Address: to}).String()},
		{"Subject", mime.BEncoding.Encode("utf-8", m.Subject)},
		{"Date", m.At.Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 section 5: no machine answers
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "base64"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	text := strings.ReplaceAll(strings.ReplaceAll(m.Text, "\r\n", "\n"), "\n", "\r\n")
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	for len(encoded) > 76 {
		b.WriteString(encoded[:76] + "\r\n")
		encoded = encoded[76:]
	}
	b.WriteString(encoded + "\r\n")
	return b.Bytes(), nil
}
