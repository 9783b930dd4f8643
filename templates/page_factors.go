package templates

import (
	"html/template"
	"slices"
	"strconv"
	"strings"

	"taipeion.internal/idp"
)

// factorKeys are the keys that the pages of phones, codes and passkeys put
// together at run time.
func factorKeys() []string {
	keys := slices.Concat([]string{"qr.next", "qr.left"}, factorNotices, letterKeys())
	for _, reason := range factorReasons {
		keys = append(keys, "reason."+string(reason), "reason."+string(reason)+".detail")
	}
	add := func(prefix string, names ...string) {
		for _, name := range names {
			keys = append(keys, prefix+name)
		}
	}
	add("qr.end.", QRDenied, QRBurnt, QRExpired)
	add("qr.end.detail.", QRDenied, QRBurnt, QRExpired)
	add("device.tick.", TickCard, TickDevice, TickRequest)
	add("device.step.", "1", "2", "3", "4", "5")
	add("device.heading.", "1", "2", "3", "4", "5", "digits")
	add("device.app.", AppAndroid, AppIOS)
	add("device.app.how.", AppAndroid, AppIOS)
	add("device.standing.", StandingSuspended, StandingExpired)
	add("device.standing.why.", StandingSuspended, StandingExpired)
	add("passkey.msg.", passkeyMessages...)
	return keys
}

// passkeyMessages are what the script says about passkeys.
var passkeyMessages = []string{"opening", "cancelled", "known", "failed", "unsupported"}

// QROver tells whether the QR login has come to an end without a login.
func (p *page) QROver() bool {
	v, ok := p.V.(Login)
	return ok && v.QR != nil && (v.QR.State == QRDenied || v.QR.State == QRBurnt || v.QR.State == QRExpired)
}

// QRWaits tells whether the QR tab changes by itself: without a script the page
// comes again after some seconds.
func (p *page) QRWaits() bool {
	switch v := p.V.(type) {
	case Login:
		return v.Tab == TabQR && v.QR != nil && (v.QR.State == QRWaiting || v.QR.State == QRScanned)
	case PhoneBind:
		return v.Step == 5 && v.Reason == "" && (v.State == KeyWaiting || v.State == KeyClaimed)
	}
	return false
}

// Seconds is how long the code or attempt still lives, for the script's ring.
func (p *page) Seconds() string {
	switch v := p.V.(type) {
	case Login:
		if v.QR != nil {
			return seconds(v.QR.Left.Seconds())
		}
	case PhoneBind:
		return seconds(v.Left.Seconds())
	}
	return "0"
}

func seconds(s float64) string { return strconv.Itoa(max(0, int(s))) }

// Digits sets digits that people compare in two groups.
func (p *page) Digits() string {
	v, _ := p.V.(PhoneBind)
	if len(v.Digits) != 6 {
		return v.Digits
	}
	return v.Digits[:3] + "\u2009" + v.Digits[3:]
}

// Grouped sets a long secret in groups of four, as people type it.
func (p *page) Grouped(secret string) string {
	var b strings.Builder
	for i, r := range secret {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// DeviceHeading is the key of the step's heading.
func (p *page) DeviceHeading() string {
	v, _ := p.V.(PhoneBind)
	if v.Step == 5 && v.State == KeyClaimed {
		return "device.heading.digits"
	}
	return "device.heading." + strconv.Itoa(min(max(v.Step, 1), 5))
}

// DeviceSteps are the states of the wizard's five steps, by number.
func (p *page) DeviceSteps() map[int]string {
	v, _ := p.V.(PhoneBind)
	step := v.Step
	if v.State == KeyDone {
		step = 6
	}
	return stepStates(step)
}

func stepStates(now int) map[int]string {
	states := map[int]string{}
	for n := 1; n <= 5; n++ {
		switch step := max(now, 1); {
		case n < step:
			states[n] = "past"
		case n == step:
			states[n] = "now"
		default:
			states[n] = "next"
		}
	}
	return states
}

// DeviceScript is the script of the step.
func (p *page) DeviceScript() string {
	v, ok := p.V.(PhoneBind)
	switch {
	case !ok || v.Reason != "":
		return ""
	case v.Step == 1 && !v.WithoutReader:
		return "check.js"
	case v.Step == 2 && !v.WithoutReader && len(v.Ticks) == 0:
		return "card.js"
	case v.Step == 5:
		return "qr.js"
	}
	return ""
}

// TicksFine tells whether all the work of step 2 was done.
func (p *page) TicksFine() bool {
	v, _ := p.V.(PhoneBind)
	for _, t := range v.Ticks {
		if !t.OK {
			return false
		}
	}
	return len(v.Ticks) > 0
}

// factorReason is why somebody was turned away on one of these pages.
func factorReason(p *page) idp.Reason {
	switch v := p.V.(type) {
	case Code:
		return v.Reason
	case PhoneBind:
		return v.Reason
	case Security:
		return v.Reason
	}
	return ""
}

// NeverUsed tells whether a phone or passkey was only bound so far.
func (p *page) NeverUsed(row any) bool {
	switch r := row.(type) {
	case DeviceRow:
		return r.UsedAt.IsZero()
	case PasskeyRow:
		return r.UsedAt.IsZero()
	}
	return true
}

// PasskeyWords hands the script its messages, as attributes.
func (p *page) PasskeyWords() template.HTMLAttr {
	var b strings.Builder
	for _, code := range passkeyMessages {
		b.WriteString(` data-msg-` + code + `="` + template.HTMLEscapeString(p.T("passkey.msg."+code)) + `"`)
	}
	return template.HTMLAttr(b.String())
}

// WantsPhone tells whether binding a phone is what comes next.
func (p *page) WantsPhone() bool {
	v, ok := p.V.(Home)
	return ok && v.CardBound && v.NoPhone
}
