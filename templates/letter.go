package templates

import (
	"slices"
	"strings"
	"time"
)

// letterKinds are what people are told by mail: the kinds of events.
var letterKinds = []string{"phone.bind", "phone.rename", "phone.revoke", "phone.suspend", "phone.resume",
	"otp.bind", "otp.recovery", "otp.remove", "passkey.add", "passkey.remove",
	"password.change", "password.card", "password.reset",
	"card.bind", "card.unbind", "card.revoked", "card.approve", "card.refuse", "account.unbind",
	"account.bind", "account.claim", "account.keep", "admin.operator", "admin.release"}

// Letter is the mail that tells a person what was changed, in both languages: we
// don't know which one they read. What is the phone, passkey or account, empty for none;
// ok is false for a kind that nobody is told of.
func (r *Renderer) Letter(kind, person, what string, at time.Time) (subject, text string, ok bool) {
	if !r.words.has("mail.what." + kind) {
		return "", "", false
	}
	when := at.In(r.opts.Location).Format("2006/01/02 15:04")
	var b strings.Builder
	for i, lang := range languages {
		if i > 0 {
			b.WriteString("\n\n--\n\n")
		}
		b.WriteString(r.Word(lang, "mail.hello", person) + "\n\n" + r.Word(lang, "mail.what."+kind) + "\n\n")
		if what != "" {
			b.WriteString(r.Word(lang, "mail.thing", what) + "\n")
		}
		b.WriteString(r.Word(lang, "mail.when", when) + "\n\n" + r.Word(lang, "mail.notyou"))
		for _, c := range r.opts.Contacts {
			name := c.NameZH
			if lang == English {
				name = c.NameEN
			}
			b.WriteString("\n  " + strings.TrimSpace(name+" "+c.Text))
		}
	}
	return r.Word(Chinese, "mail.subject", r.Word(Chinese, "mail.what."+kind)), b.String(), true
}

// Told lists the kinds of events that people are told of.
func Told() []string { return slices.Clone(letterKinds) }

func letterKeys() []string {
	keys := []string{"mail.hello", "mail.thing", "mail.when", "mail.notyou", "mail.subject"}
	for _, kind := range letterKinds {
		keys = append(keys, "mail.what."+kind)
	}
	return keys
}
