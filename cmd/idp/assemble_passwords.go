package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

// newPasswords joins what changes passwords, and tells the gate which of them
// have to be changed first.
func newPasswords(c *config.Config, gate *directory.Gate, st *store.Store, sealer *keys.Sealer, logger *slog.Logger, now func() time.Time) (*directory.Passwords, error) {
	rules, err := passwordRules(c)
	if err != nil {
		return nil, err
	}
	p := &directory.Passwords{
		Gate: gate, Keeper: st, Intents: st, Rules: rules, Seal: sealer.Seal, Open: sealer.Open,
		StartLife: c.Passwords.StartLife.D(), Phases: st, Now: now, Logger: logger,
	}
	if c.Passwords.Leaked != "" {
		list := &directory.LeakedFile{Path: c.Path(c.Passwords.Leaked)}
		if err := list.Look(); err != nil {
			return nil, fmt.Errorf("passwords.leaked: %w", err)
		}
		p.Leaked = list
	}
	if p.Mail, err = mailboxes(c, gate.Routes); err != nil {
		return nil, err
	}
	gate.After = p.After
	return p, nil
}

// passwordRules are the profile's, with the city's own length.
func passwordRules(c *config.Config) (policy.PasswordRules, error) {
	rules, err := policy.RulesOf(policy.PasswordProfile(c.Passwords.Profile))
	if err != nil {
		return rules, fmt.Errorf("passwords.profile: %w: %w", config.ErrInvalid, err)
	}
	if c.Passwords.MinLength > 0 {
		rules.MinLength = c.Passwords.MinLength
	}
	return rules, nil
}

// mailboxes are the mail systems whose passwords follow.
func mailboxes(c *config.Config, routes []directory.Route) ([]directory.Mailbox, error) {
	var all []directory.Mailbox
	for _, r := range routes {
		if d, ok := r.Backend.(*ad.Directory); ok && slices.Contains(r.Kinds, idp.AccountMail) {
			all = append(all, &ad.Mailboxes{Of: r.Name, Directory: d, Agencies: r.Agencies})
		}
	}
	t := c.Passwords.MailTable
	if t.PostgreSQLFile == "" && t.SQLite == "" {
		return all, nil
	}
	table := &store.MailTable{Of: "mail_table", Table: t.Table, Account: t.Account, Password: t.Password, Scheme: t.Scheme}
	var err error
	if t.PostgreSQLFile == "" {
		table.SQLite = c.Path(t.SQLite)
	} else if table.PostgreSQL, err = c.Secret(t.PostgreSQLFile); err != nil {
		return nil, err
	}
	if err := table.Check(); err != nil {
		return nil, fmt.Errorf("passwords.mail_table: %w: %w", config.ErrInvalid, err)
	}
	return append(all, table), nil
}

// passwordLetters puts what people are told of their passwords into mails.
func passwordLetters(pages *templates.Renderer) func(t directory.Told) []outbox.Message {
	return func(t directory.Told) []outbox.Message {
		subject, text, ok := pages.Letter(t.Kind, t.Person.Name, "", t.At)
		if !ok || t.Person.Email == "" {
			return nil
		}
		return []outbox.Message{outbox.NewMail(t.Person.Email, subject, text, t.At)}
	}
}

// eventLetters puts what the store tells of into mails.
func eventLetters(pages *templates.Renderer) store.Letters {
	return func(e idp.Event, p *idp.Person, what string) []outbox.Message {
		subject, text, ok := pages.Letter(e.Kind, p.Name, what, e.At)
		if !ok || p.Email == "" {
			return nil
		}
		return []outbox.Message{outbox.NewMail(p.Email, subject, text, e.At)}
	}
}

// tells has what an operator's command changes told as on a node.
func (o *opened) tells() error {
	pages, err := o.letterPages()
	if pages == nil || err != nil {
		return err
	}
	o.store.TellBy(eventLetters(pages))
	return nil
}

// deliverPasswords finishes changes that ended nodes began, and brings new
// passwords to the mail systems, until ctx ends.
func (h *house) deliverPasswords(ctx context.Context) {
	p := h.passwords
	go p.Recover(ctx)
	(&directory.Postman{Keeper: h.store, Mail: p.Mail, Open: p.Open, Now: p.Now, Logger: h.logger}).Run(ctx)
}
