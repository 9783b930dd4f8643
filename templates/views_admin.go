package templates

import (
	"net/url"
	"strconv"
	"time"

	"taipeion.internal/idp"
)

// AdminBindings is the page of the binding rate 「綁定率」: agencies, or who is
// missing in one of them (GET /admin/bindings: q, agency, page).
type AdminBindings struct {
	Base
	Query  string
	Total  *RateRow // of all agencies that one may see; nil: not counted
	Rows   []RateRow
	Agency *RateRow // who is missing there
	Names  []MissingRow
	Number int // of the page, from 1
	More   bool
}

// RateRow is the binding rate of an agency.
type RateRow struct {
	Code, Name      string
	Bound, Bindable int
	Percent         string
}

// MissingRow is a portal account that is not bound.
type MissingRow struct{ Name, Account, Unit string }

// AdminApprovals is the page of first card bindings that wait for a second
// administrator (POST /admin/approvals: id, do=approve or refuse, reason).
type AdminApprovals struct {
	Base
	Cards []WaitingRow
	Fault string // why a decision did not count: a key of the words "admin.fault."
	Done  string // "approve" or "refuse"
}

// WaitingRow is a card that waits.
type WaitingRow struct {
	ID, Name, Username, Agency, Unit string
	CardName                         string
	CardEnds, AskedAt, EndsAt        time.Time
	Changes                          []ChangeRow
	Own                              bool // whoever looks made a change: they may only refuse
}

// ChangeRow is what an administrator changed: "name", "national_id", "password".
type ChangeRow struct {
	What, By string
	At       time.Time
}

// AdminAccounts is the search for people (GET /admin/accounts: q).
type AdminAccounts struct {
	Base
	Query  string
	People []PersonRow
	More   bool
}

// PersonRow is a person that was found.
type PersonRow struct{ Name, Username, Agency, Unit, Title, State string }

// AdminPerson is one person's page (POST /admin/person/unbind: account, portal,
// reason; /unbind-card: account, card, reason; /unlock, /reset: account, reason).
type AdminPerson struct {
	Base
	PersonRow
	Account     string // by which the page was opened
	LockedUntil time.Time
	Failures    int
	Unasked     bool
	MayChange   bool
	Accounts    [][2]string // name and kind
	Bindings    []BindingRow
	Card        *CardRow
	Waiting     bool // a card waits for a second administrator
	NoPassword  bool // there is no account whose password could be set
	Mail        []MailState
	Events      []EventRow
	Changes     []HistoryRow
	Fault       string // why it was not done: a key of the words "admin.fault."
	Done        string // what was: a key of the words "admin.done."
	Start       string // a start password, shown once
	StartEnds   time.Time
}

// BindingRow is a portal account that is bound.
type BindingRow struct {
	Portal, TPEAD string
	At            time.Time
	Undo          string // what undoing does: "stays", "claimed", "claimed-off", or "off": it can't be undone
}

// CardRow is a bound card.
type CardRow struct {
	ID, Name        string
	Ends, BoundFrom time.Time
}

// EventRow is one thing that happened.
type EventRow struct {
	At                           time.Time
	Kind, Result, By, From, Note string
}

// HistoryRow is one change of a person.
type HistoryRow struct {
	At       time.Time
	Kind, By string
	Fields   [][3]string // field, old, new
}

// Page names the template.
func (AdminBindings) Page() string { return "adminbindings" }

// Page names the template.
func (AdminApprovals) Page() string { return "adminapprovals" }

// Page names the template.
func (AdminAccounts) Page() string { return "adminaccounts" }

// Page names the template.
func (AdminPerson) Page() string { return "adminperson" }

func (AdminBindings) menued() bool  { return true }
func (AdminApprovals) menued() bool { return true }
func (AdminAccounts) menued() bool  { return true }
func (AdminPerson) menued() bool    { return true }

func (AdminApprovals) self() string { return "/admin/approvals" }
func (v AdminPerson) self() string  { return "/admin/person?account=" + url.QueryEscape(v.Account) }

// AdminTabs are the administrators' pages.
func (p *page) AdminTabs() []adminTab {
	tabs := []adminTab{{"accounts", "search", false}, {"bindings", "person", false}, {"approvals", "card", false}}
	at := map[string]int{"adminaccounts": 0, "adminperson": 0, "adminbindings": 1, "adminapprovals": 2}
	if i, ok := at[p.V.Page()]; ok {
		tabs[i].Here = true
	}
	return tabs
}

type adminTab struct {
	Name, Icon string
	Here       bool
}

// Download is the address of this report as a file.
func (p *page) Download(kind string) string {
	v, _ := p.V.(AdminBindings)
	if v.Agency == nil {
		return "/admin/bindings." + kind
	}
	return "/admin/bindings." + kind + "?" + url.Values{"agency": {v.Agency.Code}}.Encode()
}

// Turned is the address of another page of the same list.
func (p *page) Turned(by int) string {
	v, _ := p.V.(AdminBindings)
	values := url.Values{"page": {strconv.Itoa(v.Number + by)}}
	if v.Agency != nil {
		values.Set("agency", v.Agency.Code)
	} else if v.Query != "" {
		values.Set("q", v.Query)
	}
	return "/admin/bindings?" + values.Encode()
}

// StateWord puts a person's state into words.
func (p *page) StateWord(state string) string { return p.T("admin.state." + state) }

// Failures puts the wrong passwords of late into words, with where the last
// one came from if that is on the page.
func (p *page) Failures() string {
	v, _ := p.V.(AdminPerson)
	if v.Failures == 0 {
		return p.T("admin.failures.none")
	}
	for _, e := range v.Events {
		if e.Kind == "login.password" && e.Result == string(idp.ReasonWrong) && e.From != "" {
			return p.T("admin.failures.from", v.Failures, e.From)
		}
	}
	return p.T("admin.failures", v.Failures)
}

// grouped writes a number as people read it: 79,876.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// LockedNow tells whether the person is locked.
func (p *page) LockedNow() bool {
	v, _ := p.V.(AdminPerson)
	return p.Now().Before(v.LockedUntil)
}

// adminFaults are why something was not done.
var adminFaults = []string{"portal-off", "reason", "gone", "self", "wider", "unavailable", "unbound", "changed", "over", "taken", "uncertain", "rules", "raced"}

// adminDone is what can be done on a person's page.
var adminDone = []string{"unbind", "unbind-card", "unlock", "reset"}

func adminKeys() []string {
	var keys []string
	add := func(prefix string, names ...string) {
		for _, name := range names {
			keys = append(keys, prefix+name)
		}
	}
	for _, state := range []string{WaitingOpen, WaitingRefused, WaitingOver} {
		add("bind.waiting.", state, state+".detail")
	}
	add("admin.mail.", "waiting", "done", "failed")
	add("admin.", "accounts", "bindings", "approvals", "failures", "failures.from", "failures.none")
	add("admin.fault.", adminFaults...)
	add("admin.unbind.what.", "stays", "claimed", "claimed-off", "off")
	add("admin.done.", append(adminDone, "approve", "refuse")...)
	add("admin.state.", string(idp.PersonEnabled), string(idp.PersonDisabled), string(idp.PersonDeparted))
	add("admin.kind.", string(idp.AccountPortal), string(idp.AccountTPEAD), string(idp.AccountSingle), string(idp.AccountMail))
	add("admin.changed.", "name", "national_id", "password")
	return keys
}
