package templates

import "testing"

// Codes are shown in words, and those without words as they are.
func TestRecordsAreInWords(t *testing.T) {
	r := newRenderer(t)
	for _, tt := range []struct{ lang, kind, result, want string }{
		{Chinese, "card.unbind", "ok", "解除自然人憑證綁定：成功"},
		{English, "card.unbind", "ok", "Citizen card unbound: done"},
		{Chinese, "login.password", "wrong", "密碼登入：" + r.Word(Chinese, "reason.wrong")},
		{Chinese, "card.bind", "waits", "綁定自然人憑證：等候另一位管理者核准"},
		{English, "door.open", "squeaks", "door.open: squeaks"},
		{English, "logout", "", "Logout"},
	} {
		if got := (&page{r: r, Lang: tt.lang}).Event(tt.kind, tt.result); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.kind, tt.result, got, tt.want)
		}
	}
	zh, en := &page{r: r, Lang: Chinese}, &page{r: r, Lang: English}
	for _, tt := range []struct{ got, want string }{
		{zh.Changed("unit", "第一科", "第二科"), "單位：第一科 → 第二科"},
		{zh.Changed("state", "enabled", "disabled"), "狀態：使用中 → 停用中"},
		{zh.Changed("shoe_size", "40", "41"), "shoe_size：40 → 41"},
		{zh.Changed("name", "", "王小明"), "姓名：王小明"},
		{zh.Changed("title", "科長", ""), "職稱：科長 → 無"},
		{zh.Changed("codes", "", "bound"), "一次性密碼：已綁定"},
		{zh.Changed("codes", "bound", ""), "一次性密碼：已綁定 → 無"},
		{en.Changed("codes", "", "bound"), "One-time codes: bound"},
		{zh.Changed("role", "", "helpdesk"), "管理者角色：服務臺"},
		{zh.Changed("role", "people 379", ""), "管理者角色：人員與組織管理 379 → 無"},
		{en.Changed("role", "", "people 379"), "Administrator role: people and organisation 379"},
		{en.Changed("role", "", "king 379"), "Administrator role: king 379"},
		{en.Changed("title", "", "bound"), "Title: bound"},
		{zh.Coded("correct", "history."), "更正"}, {zh.Coded("dance", "history."), "dance"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}
