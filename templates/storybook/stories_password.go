package main

import (
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

func passwordStories() []story {
	base := templates.Base{Account: &templates.Who{Name: longName, Username: "ab1234"}}
	rules := templates.PasswordRules{MinLength: 8, Classes: true, History: 3, MaxDays: 90}
	own := templates.Password{Base: base, Way: templates.PasswordOwn, Account: "ab1234", Rules: rules, Own: []string{longName, "ab1234"}}
	first, card, refused, wrong, locked, nist := own, own, own, own, own, own
	first.Way, first.Base, first.Flow = templates.PasswordFirst, templates.Base{}, "flow"
	card.Way = templates.PasswordCard
	refused.Faults = []string{"symbol", "own", "weak"}
	wrong.Reason = idp.ReasonWrong
	locked.Reason, locked.LockedUntil = idp.ReasonLocked, now().Add(12*time.Minute)
	nist.Rules = templates.PasswordRules{MinLength: 15}
	given := first
	given.Account, given.Given = "wang.xiaoming", "ab1234"
	done := templates.Password{Base: base, Way: templates.PasswordOwn, Account: "ab1234", Done: true, Mail: []templates.MailState{
		{Account: "wang.xiaoming", State: "waiting"}, {Account: "ouyang.shangguan.linghu", State: "failed"}}}
	out := []story{
		{"password", same(own)}, {"password-first", same(first)}, {"password-first-given", same(given)}, {"password-card", same(card)}, {"password-refused", same(refused)},
		{"password-wrong", same(wrong)}, {"password-locked", same(locked)}, {"password-nist", same(nist)}, {"password-done", same(done)},
		{"password-unbound", same(templates.Password{Base: base, Way: templates.PasswordOwn, Unbound: true})},
		{"password-need-card", same(templates.Password{Base: base, Way: templates.PasswordCard, NeedCard: true})},
		{"rebind", same(templates.Rebind{Base: base, Portal: "wang.xiaoming"})},
		{"rebind-bound", same(templates.Rebind{Base: base, Portal: "wang.xiaoming", TPEAD: "GEAA-012686", Bound: true, Notice: "bound"})},
		{"rebind-wrong", same(templates.Rebind{Base: base, Portal: "wang.xiaoming", Reason: idp.ReasonWrong})},
		{"rebind-taken", same(templates.Rebind{Base: base, Portal: "wang.xiaoming", Fault: "taken"})},
		{"rebind-renamed", same(templates.Rebind{Base: base, Portal: "wang.xiaoming", Fault: "renamed"})},
		{"rebind-closed", same(templates.Rebind{Base: base, Portal: "wang.xiaoming", Fault: "closed"})},
		{"password-first-unbound", same(templates.Password{Base: base, Way: templates.PasswordFirst, Account: "wang.xiaoming", Unbound: true})},
		{"rebind-off", same(templates.Rebind{Base: base, Off: true})},
	}
	return out
}
