package templates

import (
	"strconv"
	"time"
)

// addAdminViews adds the administrators' pages, and what waits for them, to
// everyView.
func addAdminViews(views map[string]View, base Base, s string) {
	for _, state := range []string{WaitingOpen, WaitingRefused, WaitingOver} {
		views["bind-waiting-"+state] = Bind{Base: base, Step: 4, Waiting: &Waiting{State: state, Reason: s, AskedAt: clock, EndsAt: clock.Add(time.Hour)}}
	}
	row := RateRow{Code: s, Name: s, Bound: 3, Bindable: 4, Percent: "75 %"}
	views["home-admin"] = Home{Base: base, Admin: true}
	views["rates"] = AdminBindings{Base: base, Query: s, Total: &row, Rows: []RateRow{row, row}, Number: 2, More: true}
	views["rates-0"] = AdminBindings{Base: base, Number: 1}
	views["rates-agency"] = AdminBindings{Base: base, Agency: &row, Names: []MissingRow{{s, s, s}}, Number: 1, More: true}
	views["rates-agency-0"] = AdminBindings{Base: base, Agency: &row, Number: 1}
	person := PersonRow{Name: s, Username: s, Agency: s, Unit: s, Title: s, State: "disabled"}
	views["people"] = AdminAccounts{Base: base, Query: s, People: []PersonRow{person}, More: true}
	views["people-0"] = AdminAccounts{Base: base, Query: s}
	views["people-start"] = AdminAccounts{Base: base}
	for i, fault := range append([]string{""}, adminFaults...) {
		views["approvals-"+strconv.Itoa(i)] = AdminApprovals{Base: base, Fault: fault, Cards: []WaitingRow{{
			ID: strconv.Itoa(i), Name: s, Username: s, Agency: s, Unit: s, CardName: s, CardEnds: clock, AskedAt: clock, EndsAt: clock.Add(time.Hour),
			Own: i > 0, Changes: []ChangeRow{{"password", s, clock}, {"name", s, clock}, {"national_id", s, clock}},
		}}}
		views["person-"+strconv.Itoa(i)] = AdminPerson{Base: base, PersonRow: person, Account: s, Fault: fault, MayChange: i > 0,
			Accounts: [][2]string{{s, "portal"}, {s, "tpead"}}, Bindings: []BindingRow{{s, s, clock, "stays"}, {s, s, clock, "claimed"}, {s, s, clock, "claimed-off"}, {s, s, clock, "off"}}, Card: &CardRow{ID: s, Name: s, Ends: clock, BoundFrom: clock},
			LockedUntil: clock.Add(time.Duration(i) * time.Minute), Failures: 5, Unasked: true, Waiting: true,
			Mail: []MailState{{s, "failed"}, {s, "waiting"}, {s, "done"}}, Events: []EventRow{{clock, s, s, s, s, s}},
			Changes: []HistoryRow{{clock, s, s, [][3]string{{s, s, s}}}}}
	}
	for _, done := range append(adminDone, "approve", "refuse") {
		views["approvals-"+done] = AdminApprovals{Base: base, Done: done}
		views["person-"+done] = AdminPerson{Base: base, PersonRow: person, Account: s, Done: done, Start: s, StartEnds: clock, NoPassword: true}
	}
	views["home-choose"] = Home{Base: base, Choose: true}
	views["choose-0"] = Choose{Base: base, Notice: "kept"}
	views["choose"] = Choose{Base: base, KeepOwn: true, ClaimOwn: true, Accounts: []RivalRow{{Name: s, Bound: true}, {Name: s, Past: true}}, Fault: "kind", Notice: "claimed"}
	views["choose-wrong"] = Choose{Base: base, Accounts: []RivalRow{{Name: s, Bound: true}, {Name: s}}, Reason: "locked", LockedUntil: clock.Add(time.Minute)}
	views["rebind-second"] = Rebind{Base: base, Portal: s, Second: []string{s, s}}
}
