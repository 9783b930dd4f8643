package templates

import (
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
)

var smallCode = QRCode{{true, false, true}, {false, true, true}, {true, true, true}}

// factorViews are the pages of phones, codes and passkeys in every state.
func factorViews(base Base, s, u string) map[string]View {
	views := map[string]View{
		"security-0":    Security{},
		"security-off":  Security{Base: base, NoPhones: true, NoPasskeys: true},
		"security-card": Security{Base: base, CardBound: true, PasskeysURL: u},
		"code":          Code{Base: base, Flow: s, System: s, Name: s, Proved: s},
		"code-0":        Code{Flow: s},
		"home-phone":    Home{Base: base, Name: s, CardBound: true, CardEnds: clock.Add(900 * 24 * time.Hour), NoPhone: true},
		"login-code":    Login{Base: base, Flow: s, Tab: TabCard, StepUp: true, Need: idp.LevelTwo, CodeURL: u, Passkey: &PasskeyOffer{OptionsURL: u}},
		"login-passkey": Login{Base: base, Flow: s, Tab: TabPassword, Passkey: &PasskeyOffer{OptionsURL: u}},
	}
	for _, state := range []string{QRWaiting, QRScanned, QRApproved, QRDenied, QRBurnt, QRExpired} {
		views["qr-"+state] = Login{Base: base, Flow: s, Tab: TabQR, System: s, QR: &QR{State: state, Code: smallCode, Link: u, Text: s,
			Number: s, Left: time.Minute, EventsURL: u, LookURL: u, AgainURL: u, Far: state == QRWaiting}}
	}
	for step := 1; step <= 4; step++ {
		v := PhoneBind{Base: base, Step: step, AgentOrigin: u, ChallengeURL: u,
			Apps: []App{{Name: AppAndroid, URL: u, Code: smallCode}, {Name: AppIOS, URL: u, Code: smallCode}}}
		views["device-"+string(rune('0'+step))] = v
		v.WithoutReader = true
		views["device-lax-"+string(rune('0'+step))] = v
	}
	for name, ok := range map[string]bool{"device-ticks": true, "device-ticks-failed": false} {
		views[name] = PhoneBind{Base: base, Step: 2, Ticks: []Tick{{TickCard, true}, {TickDevice, true}, {TickRequest, ok}}}
	}
	for _, state := range []string{KeyWaiting, KeyClaimed, KeyDone, KeyOver} {
		views["device-5-"+state] = PhoneBind{Base: base, Step: 5, State: state, ID: s, Key: smallCode, Link: u, Digits: "012345",
			Device: s, Left: time.Minute, EventsURL: u, LookURL: u}
	}
	for _, reason := range factorReasons {
		views["login-factor-"+string(reason)] = Login{Base: base, Flow: s, Tab: TabCard, Reason: reason}
		views["code-"+string(reason)] = Code{Base: base, Flow: s, Reason: reason}
		views["device-"+string(reason)] = PhoneBind{Base: base, Step: 2, Reason: reason}
	}
	views["code-locked"] = Code{Base: base, Flow: s, Reason: idp.ReasonLocked, LockedUntil: clock.Add(time.Minute)}
	full := Security{Base: base, CardBound: true, OTPBound: true, OTPBoundAt: clock, Recovery: 7, Reason: "otp_wrong", PasskeysURL: u,
		Passkeys: []PasskeyRow{{ID: s, Name: s, CreatedAt: clock}, {ID: s, Name: s, CreatedAt: clock, UsedAt: clock}}}
	for _, standing := range []string{StandingActive, StandingSuspended, StandingExpired} {
		full.Devices = append(full.Devices, DeviceRow{ID: s, Name: s, Platform: s, Standing: standing, BoundAt: clock, EndsAt: clock})
	}
	views["security-full"] = full
	views["security-stuck"] = Security{Base: base, Stuck: true, Devices: full.Devices[1:2]}
	views["device-5-called-off"] = PhoneBind{Base: base, Step: 5, State: KeyOver, Called: true, ID: s}
	changed := Home{Base: base, CardBound: true}
	for _, kind := range letterKinds {
		changed.Changes = append(changed.Changes, FactorChange{Kind: kind, At: clock, ByOther: kind == "phone.suspend"})
	}
	views["home-changes"] = changed
	full.Offer, full.NewCodes = &OTPOffer{Code: smallCode, Secret: s}, []string{s, s}
	views["security-offer"] = full
	for _, notice := range factorNotices {
		views[notice] = Security{Base: base, Notice: notice}
	}
	return views
}

func TestQRCodePath(t *testing.T) {
	if got, want := smallCode.Path(), "M0 0.5h1m1 0h1M1 1.5h2M0 2.5h3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := smallCode.Bits(); got != "r4A=" { // 101 011 111
		t.Errorf("bits %q", got)
	}
	if got := (QRCode)(nil).Path(); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

// TestQRTab holds what the script and a browser without one rely on.
func TestQRTab(t *testing.T) {
	r := newRenderer(t)
	v := Login{Flow: "f", Tab: TabQR, QR: &QR{State: QRScanned, Code: smallCode, Number: "42", Left: 100 * time.Second, EventsURL: "/e", LookURL: "/l"}}
	body := show(t, r, "/login/qr?flow=f", v).Body.String()
	for _, want := range []string{`id="qr" data-state="scanned" data-seconds="100" data-events="/e" data-look="/l"`, `id="qr-number">42<`,
		`<noscript><meta http-equiv="refresh"`, `id="qr-form" method="post" action="/login/qr"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	v.QR.State = QRApproved
	if body := show(t, r, "/", v).Body.String(); strings.Contains(body, "http-equiv") {
		t.Error("an approved login loads itself again")
	}
	v.QR.State, v.QR.AgainURL = QRBurnt, "/login/qr?flow=f"
	if body := show(t, r, "/", v).Body.String(); strings.Contains(body, "http-equiv") || strings.Contains(body, `id="qr-code"`) {
		t.Error("a burnt login still waits")
	}
}
