package main

import (
	"fmt"
	"slices"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

const (
	longName        = "歐陽上官令狐某某"
	chromeOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	safariOnPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
	firefoxOnLinux  = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	agent           = "http://localhost:61180"
	flow            = "Zm9yLXRoZS1zdG9yeWJvb2s"
)

var contacts = []templates.Contact{
	{NameZH: "機關種子人員", NameEN: "Contact person", Text: "資訊局 分機 8601"},
	{NameZH: "機關管理者", NameEN: "Administrator", Text: "資訊局 分機 8612"},
	{NameZH: "資訊報修", NameEN: "Repair request", Text: "repair.gov.taipei"},
	{NameZH: "服務專線", NameEN: "Service line", Text: "1999 轉 8585"},
}

func now() time.Time { return time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC) }

// story is one page in one state.
type story struct {
	name string
	view func(lang string) templates.View
}

func same(v templates.View) func(string) templates.View {
	return func(string) templates.View { return v }
}

// system is the name of the system that one is going to.
func system(lang string) string {
	if lang == templates.English {
		return "Documents"
	}
	return "公文系統"
}

func stories() []story {
	return slices.Concat(loginStories(), otherStories(), homeStories(), bindStories(), factorStories(), passwordStories(), adminStories())
}

func login(change func(v *templates.Login)) func(lang string) templates.View {
	return func(lang string) templates.View {
		v := templates.Login{Flow: flow, Tab: templates.TabPassword, System: system(lang), AgentOrigin: agent, CardOpens: true}
		change(&v)
		return v
	}
}

func loginStories() []story {
	out := []story{
		{"login", login(func(*templates.Login) {})},
		{"login-platform", login(func(v *templates.Login) { v.System = "" })},
		{"login-card", login(func(v *templates.Login) { v.Tab = templates.TabCard })},
		{"login-card-off", login(func(v *templates.Login) { v.Tab, v.AgentOrigin = templates.TabCard, "" })},
		{"login-card-unusable", login(func(v *templates.Login) { v.Tab, v.Reason = templates.TabCard, idp.ReasonCardUnusable })},
		{"login-qr", login(func(v *templates.Login) { v.Tab = templates.TabQR })},
		{"login-long", login(func(v *templates.Login) {
			v.System = "臺北市政府工務局公園路燈工程管理處路燈維護與民眾通報整合管理資訊系統"
			v.Account = "ouyang.shangguan.linghu.moumou@geaa-012686.taipei"
		})},
		{"login-locked", login(func(v *templates.Login) {
			v.Account, v.Reason, v.LockedUntil = "ab1234", idp.ReasonLocked, now().Add(12*time.Minute)
		})},
		{"login-throttled", login(func(v *templates.Login) {
			v.Account, v.Reason, v.RetryAfter = "ab1234", idp.ReasonThrottled, 5*time.Minute
		})},
		{"login-busy", login(func(v *templates.Login) {
			v.Account, v.Reason, v.RetryAfter = "ab1234", idp.ReasonBusy, 3*time.Second
		})},
		{"stepup-card", login(func(v *templates.Login) {
			v.Tab, v.StepUp, v.OnlyCard, v.Need = templates.TabCard, true, true, idp.LevelCard
			v.Base.Account = &templates.Who{Name: longName, Username: "ab1234"}
		})},
		{"stepup-voluntary", login(func(v *templates.Login) {
			v.Tab, v.StepUp, v.CanDecline, v.Need = templates.TabCard, true, true, idp.LevelTwo
			v.Base.Account = &templates.Who{Name: "王小明", Username: "ab1234"}
		})},
		{"stepup-password", login(func(v *templates.Login) {
			v.StepUp, v.OnlyPassword, v.System = true, true, ""
			v.Base.Account = &templates.Who{Name: "王小明", Username: "ab1234"}
		})},
	}
	for _, reason := range []idp.Reason{idp.ReasonWrong, idp.ReasonDisabled, idp.ReasonUnavailable} {
		out = append(out, story{"login-" + string(reason), login(func(v *templates.Login) { v.Account, v.Reason = "ab1234", reason })})
	}
	return out
}

func otherStories() []story {
	out := []story{
		{"select", func(lang string) templates.View {
			return templates.Select{Flow: flow, System: system(lang), Name: longName, Username: "ab1234", Agency: "臺北市政府資訊局"}
		}},
		{"consent", func(lang string) templates.View {
			return templates.Consent{Flow: flow, System: "雙北通勤合作平臺", SystemURI: "https://commute.example.tw", Name: longName,
				Scopes: []string{"openid", "profile", "email", "phone", "agency", "offline_access", "vendor:timetable"}}
		}},
		{"loggedout", same(templates.LoggedOut{Ended: []string{"公文系統", "差勤系統", "電子信箱"}, ReturnURL: "https://doc.example.tw/", ReturnName: "公文系統"})},
		{"loggedout-plain", same(templates.LoggedOut{})},
		{"logoutconfirm", func(lang string) templates.View {
			return templates.LogoutConfirm{System: system(lang), Hidden: map[string]string{"client_id": "documents", "state": "x"}}
		}},
		{"formpost", func(lang string) templates.View {
			return templates.FormPost{System: system(lang), Action: "https://doc.example.tw/callback", Fields: [][2]string{{"code", "c"}, {"state", "s"}}}
		}},
		{"error-redirect", same(templates.Error{Base: templates.Base{Reference: "01JD3V7K9Q2M"}, Status: 400, Title: templates.ErrorRedirect, Code: "invalid_request", Hint: "The redirect_uri does not match one of those registered for this client."})},
		{"error-flow", same(templates.Error{Base: templates.Base{Reference: "01JD3V7K9Q2M"}, Status: 400, Reason: idp.ReasonFlowExpired})},
	}
	for _, status := range []int{403, 404, 405, 413, 429, 500, 503} {
		out = append(out, story{fmt.Sprintf("error-%d", status), same(templates.Error{Base: templates.Base{Reference: "01JD3V7K9Q2M"}, Status: status})})
	}
	return out
}

func homeStories() []story {
	who := &templates.Who{Name: longName, Username: "ab1234"}
	full := templates.Home{
		Base: templates.Base{Account: who}, Name: longName, Agency: "臺北市政府資訊局", Unit: "系統發展組", Title: "分析師",
		Level: idp.LevelCard, LoginAt: now().Add(-3 * time.Minute), CardBound: true, CardEnds: now().Add(29 * 24 * time.Hour),
		Systems: []templates.Tile{
			{Name: "公文系統", URI: "https://doc.example.tw/", Category: "常用系統"},
			{Name: "差勤系統", URI: "https://time.example.tw/", Category: "常用系統"},
			{Name: "電子信箱", URI: "https://mail.example.tw/", Category: "常用系統"},
			{Name: "表單簽核", URI: "https://form.example.tw/", Category: "行政作業"},
			{Name: "共同供應契約採購與財產物品管理系統", URI: "https://buy.example.tw/", Category: "行政作業"},
			{Name: "GIS 圖資平臺", URI: "https://gis.example.tw/", Category: "資訊服務"},
		},
		Sessions: []templates.SessionRow{
			{ID: "1", Agent: chromeOnWindows, Address: "10.1.2.3", SeenAt: now().Add(-time.Minute), Current: true},
			{ID: "2", Agent: safariOnPhone, Address: "2001:db8:85a3:8d3:1319:8a2e:370:7348", SeenAt: now().Add(-26 * time.Hour)},
			{ID: "3", Agent: firefoxOnLinux, Address: "10.1.9.77", SeenAt: now().Add(-3 * 24 * time.Hour)},
			{ID: "4", Agent: "curl/8.0", Address: "10.1.9.80", SeenAt: now().Add(-5 * 24 * time.Hour)},
		},
	}
	unbound, ended, empty := full, full, full
	unbound.CardBound, unbound.Level, unbound.Notice = false, idp.LevelPassword, templates.NoticeSessionEnded
	ended.CardEnds = now().Add(-time.Hour)
	empty.Systems, empty.Sessions, empty.CardEnds = nil, nil, now().Add(900*24*time.Hour)
	return []story{{"home", same(full)}, {"home-unbound", same(unbound)}, {"home-ended", same(ended)}, {"home-empty", same(empty)}}
}

func bindStories() []story {
	base := templates.Base{Account: &templates.Who{Name: longName, Username: "ab1234"}, Reference: "01JD3V7K9Q2M"}
	card := &templates.CardDetails{
		Name: longName, Subject: "C=TW,CN=" + longName + ",SERIALNUMBER=0000000112345678", Serial: "5A202D14B39787D0886C37184AC9B76A",
		IDTail: "6789", NotBefore: now().Add(-900 * 24 * time.Hour), NotAfter: now().Add(900 * 24 * time.Hour),
	}
	var out []story
	for step := 1; step <= 5; step++ {
		v := templates.Bind{Base: base, Step: step, Name: longName, AgentOrigin: agent}
		if step == 4 {
			v.Card, v.Pending = card, "pending"
		}
		out = append(out, story{fmt.Sprintf("bind-%d", step), same(v)})
	}
	for _, reason := range []idp.Reason{idp.ReasonCardMismatch, idp.ReasonCardName, idp.ReasonCardID, idp.ReasonCardTaken,
		idp.ReasonCardInvalid, idp.ReasonChallengeUsed, idp.ReasonOutside} {
		out = append(out, story{"bind-" + string(reason), same(templates.Bind{Base: base, Step: 3, Reason: reason})})
	}
	return append(out, story{"bind-already", same(templates.Bind{Base: base, Step: 1, AlreadyBound: true})})
}
