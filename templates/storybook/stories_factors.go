package main

import (
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

// drawing looks like a QR code of that many modules and says nothing.
func drawing(n int) templates.QRCode {
	const quiet = 4
	code := make(templates.QRCode, n+2*quiet)
	for y := range code {
		code[y] = make([]bool, n+2*quiet)
	}
	seed := uint32(7)
	for y := range n {
		for x := range n {
			seed = seed*1664525 + 1013904223
			dark := seed>>31 == 1
			for _, corner := range [][2]int{{0, 0}, {n - 7, 0}, {0, n - 7}} {
				dx, dy := x-corner[0], y-corner[1]
				if dx >= -1 && dx <= 7 && dy >= -1 && dy <= 7 {
					ring := max(max(dx-3, 3-dx), max(dy-3, 3-dy))
					dark = ring == 3 || ring < 2
				}
			}
			code[y+quiet][x+quiet] = dark
		}
	}
	return code
}

func factorStories() []story {
	return append(append(qrStories(), codeStories()...), append(deviceStories(), securityStories()...)...)
}

func qr(state string, left time.Duration) func(lang string) templates.View {
	return login(func(v *templates.Login) {
		v.Tab = templates.TabQR
		v.QR = &templates.QR{State: state, Code: drawing(49), Number: "47", Left: left, AgainURL: "/login/qr?flow=" + flow,
			Text: "q0V3b9Zk1mTt8xYw5rPn2sLc7dHf4gJaQe6uRi0oXvBzNyKjMhGtFdSwEqAp"}
		v.Passkey = &templates.PasskeyOffer{OptionsURL: "/login/passkey/options?flow=" + flow}
	})
}

func qrStories() []story {
	return []story{
		{"qr-waiting", qr(templates.QRWaiting, 23*time.Second)},
		{"qr-scanned", qr(templates.QRScanned, 104*time.Second)},
		{"qr-approved", qr(templates.QRApproved, 80*time.Second)},
		{"qr-denied", qr(templates.QRDenied, 0)},
		{"qr-burnt", qr(templates.QRBurnt, 0)},
		{"qr-expired", qr(templates.QRExpired, 0)},
		{"qr-outside", func(lang string) templates.View {
			v := qr(templates.QRWaiting, 23*time.Second)(lang).(templates.Login)
			v.QR.Far = true
			return v
		}},
		{"qr-far", login(func(v *templates.Login) { v.Tab, v.Reason = templates.TabCard, "phone_far" })},
		{"login-passkey", login(func(v *templates.Login) { v.Passkey = &templates.PasskeyOffer{} })},
		{"stepup-two", login(func(v *templates.Login) {
			v.Tab, v.StepUp, v.Need, v.CodeURL = templates.TabCard, true, idp.LevelTwo, "/login/otp?flow="+flow
			v.Passkey = &templates.PasskeyOffer{}
			v.Base.Account = &templates.Who{Name: longName, Username: "ab1234"}
		})},
	}
}

func codeStories() []story {
	code := func(reason idp.Reason) func(string) templates.View {
		return func(lang string) templates.View {
			return templates.Code{Flow: flow, System: system(lang), Name: longName, Proved: "x", Reason: reason, LockedUntil: now().Add(12 * time.Minute)}
		}
	}
	return []story{{"code", code("")}, {"code-wrong", code("otp_wrong")}, {"code-locked", code(idp.ReasonLocked)}}
}

func deviceStories() []story {
	base := templates.Base{Account: &templates.Who{Name: longName, Username: "ab1234"}, Reference: "01JD3V7K9Q2M"}
	step := func(change func(v *templates.PhoneBind)) func(string) templates.View {
		v := templates.PhoneBind{Base: base, AgentOrigin: agent, ChallengeURL: "/device/bind/challenge", Device: "王小明的 iPhone", ID: "id",
			Apps: []templates.App{
				{Name: templates.AppAndroid, URL: "https://id.example.gov.tw/phone", Code: drawing(29)},
				{Name: templates.AppIOS, URL: "https://id.example.gov.tw/phone", Code: drawing(29)},
			}}
		change(&v)
		return same(v)
	}
	ticks := func(request bool) []templates.Tick {
		return []templates.Tick{{Name: templates.TickCard, OK: true}, {Name: templates.TickDevice, OK: true}, {Name: templates.TickRequest, OK: request}}
	}
	key := func(state string) func(string) templates.View {
		return step(func(v *templates.PhoneBind) {
			v.Step, v.State, v.Key, v.Digits, v.Left = 5, state, drawing(53), "048213", 154*time.Second
			v.Link = "https://id.example.gov.tw/phone/bind/Zm9yLXRoZS1zdG9yeWJvb2s#Zm9yLXRoZS1zdG9yeWJvb2stc2VjcmV0LW9mLTI1Ni1i"
		})
	}
	return []story{
		{"device-1", step(func(v *templates.PhoneBind) { v.Step = 1 })},
		{"device-1-lax", step(func(v *templates.PhoneBind) { v.Step, v.WithoutReader = 1, true })},
		{"device-2", step(func(v *templates.PhoneBind) { v.Step = 2 })},
		{"device-2-ticks", step(func(v *templates.PhoneBind) { v.Step, v.Ticks = 2, ticks(true) })},
		{"device-2-failed", step(func(v *templates.PhoneBind) { v.Step, v.Ticks = 2, ticks(false) })},
		{"device-3", step(func(v *templates.PhoneBind) { v.Step = 3 })},
		{"device-4", step(func(v *templates.PhoneBind) { v.Step = 4 })},
		{"device-5", key(templates.KeyWaiting)},
		{"device-5-digits", key(templates.KeyClaimed)},
		{"device-5-done", key(templates.KeyDone)},
		{"device-5-over", key(templates.KeyOver)},
		{"device-5-called-off", step(func(v *templates.PhoneBind) { v.Step, v.State, v.Called = 5, templates.KeyOver, true })},
		{"device-fresh", step(func(v *templates.PhoneBind) { v.Step, v.Reason = 1, "enrol_fresh" })},
	}
}

func securityStories() []story {
	base := templates.Base{Account: &templates.Who{Name: longName, Username: "ab1234"}, Reference: "01JD3V7K9Q2M"}
	full := templates.Security{
		Base: base, CardBound: true, OTPBound: true, OTPBoundAt: now().Add(-90 * 24 * time.Hour), Recovery: 8, Notice: templates.NoticeDeviceBound,
		Devices: []templates.DeviceRow{
			{ID: "1", Name: "王小明的 iPhone", Standing: templates.StandingActive, BoundAt: now().Add(-30 * 24 * time.Hour), UsedAt: now().Add(-time.Hour), EndsAt: now().Add(600 * 24 * time.Hour)},
			{ID: "2", Name: "公務手機 Samsung Galaxy S26 Ultra（資訊局系統發展組第二科）", Standing: templates.StandingSuspended, BoundAt: now().Add(-300 * 24 * time.Hour), EndsAt: now().Add(24 * time.Hour)},
		},
		Passkeys: []templates.PasskeyRow{{ID: "1", Name: "Windows Hello", CreatedAt: now().Add(-48 * time.Hour), UsedAt: now().Add(-time.Hour)}},
	}
	offer, codes := full, full
	offer.Offer, offer.Notice = &templates.OTPOffer{Code: drawing(37), Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}, ""
	codes.NewCodes = []string{"4kx7-9mqd-2rtw", "8pzn-3vhc-6yfb", "2wjd-7kxs-5mqt", "9rbf-4npz-8vhg", "6ycm-1tdk-3wxj",
		"5qsv-8hzb-7frn", "3mgp-2jxc-9dkw", "7ftz-6vbn-4ysq", "1hxr-5wcd-8kpm", "4nbj-9qgf-2zvt"}
	return []story{
		{"security-stuck", same(templates.Security{Base: base, Stuck: true, Devices: full.Devices[1:]})},
		{"security", same(full)}, {"security-empty", same(templates.Security{Base: base})},
		{"security-offer", same(offer)}, {"security-codes", same(codes)},
		{"home-changes", same(templates.Home{Base: base, Name: longName, Level: idp.LevelCard, LoginAt: now(), CardBound: true, CardEnds: now().Add(900 * 24 * time.Hour),
			Changes: []templates.FactorChange{{Kind: "passkey.add", At: now().Add(-2 * 24 * time.Hour)}, {Kind: "phone.suspend", At: now().Add(-40 * 24 * time.Hour), ByOther: true}}})},
		{"home-phone", same(templates.Home{Base: base, Name: longName, Level: idp.LevelCard, LoginAt: now(), CardBound: true, NoPhone: true,
			CardEnds: now().Add(900 * 24 * time.Hour)})},
	}
}
