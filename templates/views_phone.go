package templates

import "slices"

// Phone is the app on the phone: one page that holds all its screens, so that it
// opens without the network. Scripts show one of them at a time.
type Phone struct{ Base }

// Page names the template.
func (Phone) Page() string { return "phone" }

// policy is what the app needs beyond the policy of every page: its service
// worker and its manifest.
func (Phone) policy() string { return "; worker-src 'self'; manifest-src 'self'" }

// phoneState is a screen that says what happened and what to do now.
type phoneState struct {
	Screen string // "problem-NAME" or, for an end that was wished for, NAME
	Key    string // of the words
	Icon   string
	Tone   string // "", "danger" or "success"
	Act    string // what the first button does: a key below "phone.do."
	Ask    bool   // whom to ask is shown
	Report bool   // "this was not me" is offered
}

// phoneStates are all such screens, by the reason that the protocol gives.
var phoneStates = []phoneState{
	{Screen: "denied", Icon: "cross", Act: ""},
	{Screen: "reported", Icon: "shield", Ask: true},
	{Screen: "reported-session", Icon: "shield", Tone: "danger", Ask: true},
	{Screen: "reported-nothing", Icon: "shield", Ask: true},
	{Screen: "called-off", Icon: "cross", Act: "scan"},
	{Screen: "removed", Icon: "bin"},
	{Screen: "removed-here", Icon: "bin", Ask: true},
	{Screen: "problem-offline", Icon: "offline", Act: "retry"},
	{Screen: "problem-unavailable", Icon: "offline", Act: "retry"},
	{Screen: "problem-internal", Icon: "alert", Tone: "danger", Act: "retry", Ask: true},
	{Screen: "problem-throttled", Icon: "clock", Act: "retry"},
	{Screen: "problem-code_over", Icon: "clock", Act: "scan"},
	{Screen: "problem-attempt_over", Icon: "clock", Act: "scan", Report: true},
	{Screen: "problem-attempt_taken", Icon: "alert", Tone: "danger", Act: "scan", Ask: true},
	{Screen: "problem-number_wrong", Icon: "cross", Tone: "danger", Act: "scan", Report: true},
	{Screen: "problem-scan_limit", Icon: "clock"},
	{Screen: "problem-locked", Icon: "lock", Ask: true},
	{Screen: "problem-phone_unusable", Icon: "lock", Tone: "danger", Act: "scan", Ask: true},
	{Screen: "problem-phone_proof", Icon: "alert", Tone: "danger", Act: "scan", Ask: true},
	{Screen: "problem-phone_clock", Icon: "clock", Act: "retry"},
	{Screen: "problem-pin_blocked", Icon: "lock", Tone: "danger", Ask: true},
	{Screen: "problem-enrol_over", Icon: "clock", Act: "scan"},
	{Screen: "problem-enrol_cancelled", Icon: "cross", Act: "scan"},
	{Screen: "problem-enrol_proof", Icon: "alert", Tone: "danger", Act: "scan", Ask: true},
	{Screen: "problem-unbound", Icon: "phone", Act: "scan"},
	{Screen: "problem-foreign", Icon: "alert", Tone: "danger", Act: "scan"},
	{Screen: "problem-unknown", Icon: "scan", Act: "scan"},
	{Screen: "problem-cut", Icon: "scan", Act: "scan"},
	{Screen: "problem-unsupported", Icon: "phone", Tone: "danger", Ask: true},
}

// PhoneStates are those screens with the keys of their words.
func (p *page) PhoneStates() []phoneState {
	out := slices.Clone(phoneStates)
	for i := range out {
		out[i].Key = "phone.state." + out[i].name()
	}
	return out
}

func (s phoneState) name() string {
	const prefix = "problem-"
	if len(s.Screen) > len(prefix) && s.Screen[:len(prefix)] == prefix {
		return s.Screen[len(prefix):]
	}
	return s.Screen
}

// phoneWords are the words that scripts put together: "phone.word." and these.
var phoneWords = []string{
	"left", "network.city", "network.gateway", "network.local", "network.outside", "browser", "browser.unknown",
	"portal", "result.approve", "result.deny", "result.report", "result.failed", "source.phone", "source.all", "older.failed", "here", "elsewhere",
	"presence.webauthn", "presence.pin", "standing.suspended", "standing.expired", "standing.revoked",
	"camera.denied", "camera.denied.do", "camera.none", "camera.none.do", "no_code", "pin.short", "pin.differs", "pin.weak",
	"pin.wrong", "pin.wrong.here", "pin.missing", "number.missing", "presence.failed", "name.iphone", "name.ipad", "name.android", "name.other",
	"roc", "type.unknown", "waiting", "remove",
}

// phoneWord is a word with its name.
type phoneWord struct{ Name, Text string }

// PhoneWords are those words in the page's language.
func (p *page) PhoneWords() []phoneWord {
	out := make([]phoneWord, len(phoneWords))
	for i, name := range phoneWords {
		out[i] = phoneWord{Name: name, Text: p.T("phone.word." + name)}
	}
	return out
}

// PadKeys are the keys of the number pad, in the order of a telephone.
func (p *page) PadKeys() []string { return []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "0"} }

// ROCYears tells whether years are counted as 民國.
func (p *page) ROCYears() bool { return p.r.opts.ROCYears }

// phoneKeys are the keys that the app's page puts together at run time.
func phoneKeys() []string {
	keys := []string{"phone.do.retry", "phone.do.scan", "phone.app", "phone.app.short", "phone.app.what"}
	for _, s := range phoneStates {
		key := "phone.state." + s.name()
		keys = append(keys, key, key+".what", key+".do")
	}
	for _, name := range phoneWords {
		keys = append(keys, "phone.word."+name)
	}
	return keys
}

// furtherPolicy is what a page's content security policy has beyond that of all.
func (p *page) furtherPolicy() string {
	if v, ok := p.V.(interface{ policy() string }); ok {
		return v.policy()
	}
	return ""
}
