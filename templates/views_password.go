package templates

import (
	"slices"
	"strings"
	"time"

	"taipeion.internal/idp"
)

// The ways to a new password.
const (
	PasswordOwn   = "own"   // by its owner, who gives the old one (POST /password: old, new, again)
	PasswordFirst = "first" // at the login, before it opens anything (POST /login/change: flow, account, told, old, new, again)
	PasswordCard  = "card"  // forgotten, with the bound card (POST /password/forgotten: new, again)
)

// Password is the page that changes a password. Done says that it was changed;
// Unbound, that there is none to change.
type Password struct {
	Base
	Way         string // PasswordOwn, PasswordFirst or PasswordCard
	Flow        string // PasswordFirst
	Account     string // whose password it is
	Given       string // PasswordFirst: the account of another name that gets its first password, by that of the portal account
	Told        string // PasswordFirst: what was told, sealed: it comes back with the form
	Rules       PasswordRules
	Own         []string      // what may not be in it, for the check while typing
	Faults      []string      // what is wrong with the new one: keys of the words "password.fault."
	Reason      idp.Reason    // what is wrong with the old one
	LockedUntil time.Time     // for ReasonLocked
	RetryAfter  time.Duration // for ReasonThrottled and ReasonBusy
	Unbound     bool
	NeedCard    bool // PasswordCard: the card has to be read first (POST /password/forgotten)
	Done        bool
	Mail        []MailState // the mailboxes that follow
}

// Page names the template.
func (Password) Page() string { return "password" }

// PasswordRules is what the page says of the rules.
type PasswordRules struct {
	MinLength int
	Classes   bool
	History   int
	MaxDays   int // 0: never
}

// MailState is how far a mailbox follows: "waiting", "done" or "failed".
type MailState struct{ Account, State string }

// Rebind is the page that binds the person's portal account to their TPEAD
// account (POST /account/bind: portal, portal_password, tpead, tpead_password;
// POST /account/none says that there is no TPEAD account).
type Rebind struct {
	Base
	Portal, TPEAD string     // what is bound now, or known
	Second        []string   // further portal accounts of the person
	Bound         bool       // Portal is bound to TPEAD
	None          bool       // the person said that they have no TPEAD account
	Off           bool       // the portal is off: nothing to bind
	Shared        bool       // a shared account 公用帳號: nothing that could be bound
	Notice        string     // "bound" or "none": what was just done
	Fault         string     // why it was not: a key of the words "rebind.fault."
	Reason        idp.Reason // what is wrong with the credentials
	LockedUntil   time.Time
	RetryAfter    time.Duration
}

// Page names the template.
func (Rebind) Page() string { return "rebind" }

// Choose is the page of a person with several TPEAD accounts, when the portal is
// off (POST /account/choose: keep, password; POST /account/claim: tpead,
// tpead_password; either with own, own_password where the person's own are asked).
type Choose struct {
	Base
	Accounts    []RivalRow // to choose from; empty: nothing to choose
	KeepOwn     bool       // one of them was added and not kept: it wants the person's own credentials
	ClaimOwn    bool       // so does adding one
	Notice      string     // "kept" or "claimed": what was just done
	Fault       string     // why it was not: a key of the words "rebind.fault."
	Reason      idp.Reason // what is wrong with the credentials
	LockedUntil time.Time
	RetryAfter  time.Duration
}

// RivalRow is an account to choose from.
type RivalRow struct {
	Name  string
	Bound bool // to the portal account
	Past  bool // it can't be kept: only a single account can
}

// Page names the template.
func (Choose) Page() string { return "choose" }

func (Choose) self() string { return "/account/choose" }
func (Choose) menued() bool { return true }

func (v Password) self() string {
	switch v.Way {
	case PasswordCard:
		return "/password/forgotten"
	case PasswordFirst:
		return "/login"
	}
	return "/password"
}

func (Rebind) self() string { return "/account/bind" }

// menued views are pages of a logged-in person: they have the menu, the logout
// button and the way to the first page.
type menued interface{ menued() bool }

func (v Password) menued() bool { return v.Way != PasswordFirst }
func (Rebind) menued() bool     { return true }

func (p *page) menued() bool {
	v, ok := p.V.(menued)
	return ok && v.menued()
}

// shownRules are the rules that the page shows as one types, in this order.
var shownRules = []string{"short", "lower", "upper", "digit", "symbol", "own", "differ"}

// otherFaults are said in words only: they are found out by the server.
var otherFaults = []string{"form", "weak", "leaked", "used", "young", "directory"}

// rebindFaults are why accounts were not bound.
var rebindFaults = []string{"main", "renamed", "closed", "other_person", "taken", "same", "shared", "kind", "incomplete", "own", "other_name", "past"}

// PasswordRow is a rule, and whether the last try kept it.
type PasswordRow struct{ Rule, State string }

// PasswordRows are the rules to show.
func (p *page) PasswordRows() []PasswordRow {
	v, ok := p.V.(Password)
	if !ok {
		return nil
	}
	var rows []PasswordRow
	for _, rule := range shownRules {
		if !v.Rules.Classes && slices.Contains([]string{"lower", "upper", "digit", "symbol"}, rule) {
			continue
		}
		state := "pending"
		if slices.Contains(v.Faults, rule) {
			state = "fail"
		}
		rows = append(rows, PasswordRow{rule, state})
	}
	return rows
}

// PasswordFaults are the faults that no row shows.
func (p *page) PasswordFaults() []string {
	v, _ := p.V.(Password)
	return slices.DeleteFunc(slices.Clone(v.Faults), func(f string) bool { return !slices.Contains(otherFaults, f) })
}

// PasswordOwnNames is what may not be in a password, a line each.
func (p *page) PasswordOwnNames() string {
	v, _ := p.V.(Password)
	return strings.Join(v.Own, "\n")
}

// PasswordAction is where the form goes.
func (p *page) PasswordAction() string {
	v, _ := p.V.(Password)
	return map[string]string{PasswordFirst: "/login/change", PasswordCard: "/password/forgotten"}[v.Way]
}

// RuleWord is a rule in words.
func (p *page) RuleWord(rule string) string {
	v, _ := p.V.(Password)
	if rule == "short" {
		return p.T("password.rule.short", v.Rules.MinLength)
	}
	return p.T("password.rule." + rule)
}

func passwordKeys() []string {
	keys := []string{"password.rule.short"}
	for _, rule := range shownRules {
		keys = append(keys, "password.rule."+rule)
	}
	for _, fault := range otherFaults {
		keys = append(keys, "password.fault."+fault)
	}
	for _, fault := range rebindFaults {
		keys = append(keys, "rebind.fault."+fault)
	}
	for _, way := range []string{PasswordOwn, PasswordFirst, PasswordCard} {
		keys = append(keys, "password.title."+way, "password.lead."+way, "password.done."+way)
	}
	for _, state := range []string{"waiting", "done", "failed"} {
		keys = append(keys, "password.mail."+state)
	}
	return append(keys, "password.lead.given", "password.done.given", "password.old.given", "rebind.notice.bound", "rebind.notice.none", "rebind.wrong", "password.wrong.counts", "choose.notice.kept", "choose.notice.claimed")
}

// PasswordProblem is what is wrong with the old password, or with credentials.
func (p *page) PasswordProblem() idp.Reason {
	switch v := p.V.(type) {
	case Password:
		return v.Reason
	case Rebind:
		return v.Reason
	case Choose:
		return v.Reason
	}
	return ""
}

// WrongWord is the key of what to do about wrong credentials.
func (p *page) WrongWord() string {
	if _, two := p.V.(Rebind); two {
		return "rebind.wrong"
	}
	return "password.wrong.counts"
}

// ProblemTone is ReasonTone for PasswordProblem.
func (p *page) ProblemTone() string {
	switch p.PasswordProblem() {
	case idp.ReasonLocked, idp.ReasonThrottled, idp.ReasonBusy, idp.ReasonUnavailable:
		return "warning"
	}
	return "danger"
}
