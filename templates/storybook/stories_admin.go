package main

import (
	"fmt"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

func adminStories() []story {
	base := templates.Base{Account: &templates.Who{Name: longName, Username: "ab1234"}}
	waiting := func(state, reason string) func(string) templates.View {
		return same(templates.Bind{Base: base, Step: 4, Waiting: &templates.Waiting{
			State: state, Reason: reason, AskedAt: now().Add(-26 * time.Hour), EndsAt: now().Add(142 * time.Hour)}})
	}
	rates := templates.AdminBindings{Base: base, Number: 1, More: true, Total: &templates.RateRow{Bound: 61234, Bindable: 79876, Percent: "76.6 %"}}
	for i, name := range []string{"資訊局", "工務局公園路燈工程管理處路燈維護與民眾通報整合隊", "人事處", "衛生局", "文山區公所"} {
		bound := 12 + i*31
		rates.Rows = append(rates.Rows, templates.RateRow{Code: fmt.Sprintf("3790%05dA", i), Name: name, Bound: bound, Bindable: 140,
			Percent: fmt.Sprintf("%d %%", bound*100/140)})
	}
	agency := templates.AdminBindings{Base: base, Number: 1, Agency: &rates.Rows[1], Names: []templates.MissingRow{
		{Name: longName, Account: "ouyang.shangguan.linghu", Unit: "系統發展組第二科"}, {Name: "王小明", Account: "wang.xiaoming", Unit: "一科"}}}
	person := templates.PersonRow{Name: longName, Username: "ab1234", Agency: "資訊局", Unit: "系統發展組第二科", Title: "分析師", State: "enabled"}
	card := templates.WaitingRow{ID: "1", Name: longName, Username: "ab1234", Agency: "資訊局", Unit: "系統發展組第二科", CardName: longName,
		CardEnds: now().Add(900 * 24 * time.Hour), AskedAt: now().Add(-26 * time.Hour), EndsAt: now().Add(142 * time.Hour),
		Changes: []templates.ChangeRow{{What: "password", By: "李管理", At: now().Add(-30 * time.Hour)}, {What: "name", By: "operator:root", At: now().Add(-29 * time.Hour)}}}
	own := card
	own.ID, own.Own = "2", true
	full := templates.AdminPerson{Base: base, PersonRow: person, Account: "ab1234", LockedUntil: now().Add(12 * time.Minute), Failures: 5, MayChange: true,
		Accounts: [][2]string{{"ouyang.shangguan.linghu", "portal"}, {"ab1234", "single"}, {"ouyang.shangguan.linghu", "mail"}},
		Bindings: []templates.BindingRow{{Portal: "ouyang.shangguan.linghu", TPEAD: "ab1234", At: now().Add(-900 * time.Hour), Undo: "stays"}},
		Card:     &templates.CardRow{ID: "1", Name: longName, Ends: now().Add(900 * 24 * time.Hour), BoundFrom: now().Add(-90 * 24 * time.Hour)},
		Mail:     []templates.MailState{{Account: "ouyang.shangguan.linghu", State: "failed"}},
		Events: []templates.EventRow{{At: now(), Kind: "login.password", Result: "wrong", From: "10.1.2.3"},
			{At: now().Add(-time.Hour), Kind: "account.unlock", Result: "ok", By: "person:p1", From: "10.1.2.4", Note: "電話詢問，已核對身分"},
			{At: now().Add(-2 * time.Hour), Kind: "card.unbind", Result: "ok", By: "李管理 ab2001", From: "10.1.2.4"},
			{At: now().Add(-3 * time.Hour), Kind: "something.new", Result: "odd", From: "10.1.2.4"}},
		Changes: []templates.HistoryRow{{At: now().Add(-48 * time.Hour), Kind: "update", By: "sync:portal", Fields: [][3]string{{"unit", "第一科", "第二科"}}},
			{At: now().Add(-96 * time.Hour), Kind: "enable", By: "operator:root", Fields: [][3]string{{"state", "disabled", "enabled"}}}}}
	bare := templates.AdminPerson{Base: base, PersonRow: person, Account: "ab1234", MayChange: true, NoPassword: true, Waiting: true, Fault: "reason"}
	bare.State = "disabled"
	start := full
	start.LockedUntil, start.Failures, start.Done, start.Start, start.StartEnds = time.Time{}, 0, "reset", "kX7m-Pq2r-Vt9w-Hd4s", now().Add(24*time.Hour)
	return []story{
		{"home-admin", same(templates.Home{Base: base, Name: longName, Level: idp.LevelCard, LoginAt: now(), CardBound: true, CardEnds: now().Add(9000 * time.Hour), Admin: true})},
		{"admin-rates", same(rates)}, {"admin-rates-none", same(templates.AdminBindings{Base: base, Query: "xx", Number: 1})}, {"admin-rates-agency", same(agency)},
		{"admin-accounts", same(templates.AdminAccounts{Base: base, Query: "歐陽", More: true, People: []templates.PersonRow{person, person}})},
		{"admin-accounts-none", same(templates.AdminAccounts{Base: base, Query: "歐陽"})},
		{"admin-person", same(full)}, {"admin-person-bare", same(bare)}, {"admin-person-start", same(start)},
		{"admin-approvals", same(templates.AdminApprovals{Base: base, Cards: []templates.WaitingRow{card, own}})},
		{"admin-approvals-none", same(templates.AdminApprovals{Base: base, Done: "approve"})},
		{"choose", same(templates.Choose{Base: base, Accounts: []templates.RivalRow{{Name: "ab1234", Bound: true}, {Name: "geaa-012686"}}})},
		{"choose-wrong", same(templates.Choose{Base: base, Reason: idp.ReasonWrong, Accounts: []templates.RivalRow{{Name: "ab1234", Bound: true}, {Name: "geaa-012686"}}})},
		{"choose-own", same(templates.Choose{Base: base, Fault: "own", KeepOwn: true, ClaimOwn: true, Accounts: []templates.RivalRow{{Name: "geaa-012685"}, {Name: "geaa-012686"}}})},
		{"choose-past", same(templates.Choose{Base: base, ClaimOwn: true, Accounts: []templates.RivalRow{{Name: "ab1234", Bound: true}, {Name: "geaa-012686", Past: true}}})},
		{"choose-none", same(templates.Choose{Base: base, Notice: "kept"})},
		{"home-choose", same(templates.Home{Base: base, Name: longName, Level: idp.LevelPassword, LoginAt: now(), Choose: true})},
		{"rebind-second", same(templates.Rebind{Base: base, Portal: "wang.xiaoming", Second: []string{"xiaoming.wang2"}, Fault: "main"})},
		{"bind-waiting", waiting(templates.WaitingOpen, "")}, {"bind-waiting-over", waiting(templates.WaitingOver, "")},
		{"bind-waiting-refused", waiting(templates.WaitingRefused, "請先帶身分證到人事室，由承辦人確認身分之後再綁定一次。")},
	}
}
