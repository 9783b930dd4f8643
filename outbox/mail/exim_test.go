package mail_test

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	netmail "net/mail"
	"os"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/outbox/mail"
)

// TestExim sends through a real mail server: what it delivers is what was said,
// and what it will never take is told apart from what it does not take now.
func TestExim(t *testing.T) {
	server := testenv.Exim(t)
	sender := &mail.Sender{
		Address: server.Address, From: "id@gov.taipei", FromName: "電子認證平臺", Roots: server.Roots, Now: time.Now,
	}
	m := outbox.NewMail("ab1234@gov.taipei", "您的手機已綁定", "您好：\n手機「我的手機」已綁定。\n若不是您本人，請立即告知管理者。\n", time.Now())
	if err := sender.Do(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	var box []byte
	for end := time.Now().Add(20 * time.Second); len(box) == 0; time.Sleep(50 * time.Millisecond) {
		if box, _ = os.ReadFile(server.Mailbox); time.Now().After(end) {
			t.Fatal("the mail was not delivered")
		}
	}
	_, text, found := strings.Cut(string(box), "\n") // the mbox line
	if !found || !strings.HasPrefix(string(box), "From ") {
		t.Fatalf("%q", box)
	}
	got, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	if received := got.Header.Get("Received"); !strings.Contains(received, "TLS") {
		t.Errorf("received %q", received)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, got.Body))
	if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != m.Text {
		t.Errorf("%q, %v", body, err)
	}

	m.To = "ab1234@elsewhere.example"
	if err := sender.Do(t.Context(), m); !errors.Is(err, outbox.ErrPermanent) {
		t.Errorf("an address that it does not serve: %v", err)
	}
	plain := *sender
	plain.Security, m.To = mail.Plain, "ab1234@gov.taipei"
	if err := plain.Do(t.Context(), m); !errors.Is(err, outbox.ErrPermanent) {
		t.Errorf("without TLS: %v", err)
	}
	foreign := *sender
	foreign.Roots = nil
	if err := foreign.Do(t.Context(), m); err == nil || errors.Is(err, outbox.ErrPermanent) {
		t.Errorf("an unknown certificate: %v", err)
	}
}
