package main

import (
	"encoding/base64"
	"io"
	"log/slog"
	netmail "net/mail"
	"os"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/outbox/mail"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
	"taipeion.internal/idp/templates"
)

// TestPasswordsAreToldByMail changes a password in each way: a real mail server
// gets a letter of each, with no password in it.
func TestPasswordsAreToldByMail(t *testing.T) {
	server := testenv.Exim(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.Default()
	cfg.Passwords.Profile, cfg.Passwords.Memory, cfg.Passwords.Passes = "nist", 64, 1
	ctx, logger := t.Context(), slog.New(slog.NewTextHandler(io.Discard, nil))
	st, err := store.Open(ctx, storetest.SQLite(t))
	must(err)
	defer st.Close()
	sealer, err := keys.NewSealer(make([]byte, 32))
	must(err)
	pages, err := templates.New(pageOptions(cfg, time.Now))
	must(err)
	gate := newGate(cfg, st, sealer, logger, time.Now)
	p, err := newPasswords(cfg, gate, st, sealer, logger, time.Now)
	must(err)
	p.Letters = passwordLetters(pages)
	hash, err := gate.Hasher.Hash(ctx, "seven lanterns in the fog")
	must(err)
	person := idp.Person{ID: "p1", Subject: "s1", Name: "王大明", Email: "ab1234@gov.taipei", State: idp.PersonEnabled}
	must(st.PutPerson(ctx, directory.Record{
		Person: person, Accounts: []idp.Account{{Name: "ab1234", Kind: idp.AccountSingle}}, PasswordHash: hash, NationalIDHash: []byte("h"),
	}))
	_, err = p.ChangeOwn(ctx, &person, "seven lanterns in the fog", "nine herons on a roof", "")
	must(err)
	_, err = p.SetByCard(ctx, &person, "two kites over the river", "")
	must(err)
	start, _, err := p.Reset(ctx, "ab1234", directory.Hand{Actor: "helpdesk"}, "came to the counter")
	must(err)
	box := &outbox.Box{Store: st, Now: time.Now, Logger: logger, Doers: map[string]outbox.Doer{outbox.KindMail: &mail.Sender{
		Address: server.Address, From: "id@gov.taipei", Roots: server.Roots, Now: time.Now,
	}}}
	if n, err := box.Once(ctx); err != nil || n != 3 {
		t.Fatalf("%d letters, %v", n, err)
	}
	var text string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		raw, err := os.ReadFile(server.Mailbox)
		if text = letterTexts(t, string(raw)); err == nil && strings.Count(text, "王大明，您好") == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("not delivered: %s", text)
		}
	}
	for _, want := range []string{"您的密碼已變更", "已用您的自然人憑證設定新密碼", "管理者已為您的帳號設定起始密碼", "Your password was changed"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, secret := range []string{"lanterns", "herons", "kites", start} {
		if strings.Contains(text, secret) {
			t.Errorf("a password was sent by mail:\n%s", text)
		}
	}
}

// letterTexts decodes what is in a mailbox.
func letterTexts(t *testing.T, mbox string) string {
	t.Helper()
	var all strings.Builder
	for _, one := range strings.Split("\n"+mbox, "\nFrom ")[1:] {
		_, text, _ := strings.Cut(one, "\n")
		m, err := netmail.ReadMessage(strings.NewReader(text))
		if err != nil {
			continue // being written
		}
		body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
		if err == nil {
			all.Write(body)
		}
	}
	return all.String()
}
