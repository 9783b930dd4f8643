package main

import (
	"time"

	"taipeion.internal/idp/templates"
)

func adminStories() []story {
	base := templates.Base{Account: &templates.Who{Name: longName, Username: "ab1234"}}
	waiting := func(state, reason string) func(string) templates.View {
		return same(templates.Bind{Base: base, Step: 4, Waiting: &templates.Waiting{
			State: state, Reason: reason, AskedAt: now().Add(-26 * time.Hour), EndsAt: now().Add(142 * time.Hour)}})
	}
	return []story{
		{"bind-waiting", waiting(templates.WaitingOpen, "")}, {"bind-waiting-over", waiting(templates.WaitingOver, "")},
		{"bind-waiting-refused", waiting(templates.WaitingRefused, "請先帶身分證到人事室，由承辦人確認身分之後再綁定一次。")},
	}
}
