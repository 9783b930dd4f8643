package templates

import "strings"

// The codes of records that have words. Any other is shown as it is.
var (
	eventKinds = []string{
		"login.password", "login.card", "login.phone", "login.otp", "login.passkey", "logout", "session.end", "consent",
		"factor", "flow", "flow.refuse", "grant.revoke", "code.reuse", "refresh.reuse", "card.bind", "card.unbind",
		"card.renew", "card.revoked", "card.approve", "card.refuse", "phone.enrol", "phone.claim", "phone.bind",
		"phone.rename", "phone.suspend", "phone.resume", "phone.revoke", "phone.scan", "phone.approve", "phone.deny",
		"phone.report", "otp.bind", "otp.remove", "otp.recovery", "otp.recover", "passkey.add", "passkey.rename",
		"passkey.remove", "password.change", "password.card", "password.reset", "password.known", "account.bind", "account.unbind",
		"account.without", "account.keep", "account.claim", "account.provision", "account.rename", "account.disable",
		"account.enable", "account.unlock", "account.source", "account.forget", "account.forget_entry", "person.update",
		"person.correct", "person.put", "admin.grant", "admin.revoke", "admin.operator", "admin.release", "directory.closed", "directory.opened", "sync.mend",
		"sync.effect_retry", "sync.effect_drop",
	}
	eventResults = []string{
		"ok", "waits", "alarm", "refused", "unbound", "no_role",
	}
	historyKinds = []string{
		"add", "update", "disable", "enable", "leave", "register", "bind", "unbind", "provision", "rename", "keep", "claim",
		"correct", "source",
	}
	historyFields = []string{
		"name", "agency", "unit", "title", "email", "phone", "address", "state", "source", "shared", "accounts", "account",
		"posts", "bound", "national_id", "reason", "kept", "disabled", "feed", "card", "device", "passkey", "codes", "recovery",
		"password", "role", "entry", "operator",
	}
	// What codes and roles are, in a person's history.
	historyCodes = []string{"bound"}
	historyRoles = []string{"people", "helpdesk"}
)

func eventKeys() (keys []string) {
	for prefix, codes := range map[string][]string{
		"event.": eventKinds, "event.result.": eventResults, "history.": historyKinds, "history.field.": historyFields,
		"history.codes.": historyCodes, "history.role.": historyRoles,
	} {
		for _, code := range codes {
			keys = append(keys, prefix+code)
		}
	}
	return keys
}

// Coded is a code in words: by the first prefix under which there are any, or as
// it is.
func (p *page) Coded(code string, prefixes ...string) string {
	for _, prefix := range prefixes {
		if p.r.words.has(prefix + code) {
			return p.T(prefix + code)
		}
	}
	return code
}

// Event is what happened in words, and how it ended.
func (p *page) Event(kind, result string) string {
	what := p.Coded(kind, "event.")
	if result == "" {
		return what
	}
	return p.T("admin.event", what, p.Coded(result, "event.result.", "reason."))
}

// Changed is a field of a person's data that changed, in words.
func (p *page) Changed(field, old, now string) string {
	old, now = p.valued(field, old), p.valued(field, now)
	field = p.Coded(field, "history.field.")
	switch {
	case old == "": // it was not there before
		return p.T("admin.event", field, now)
	case now == "":
		now = p.T("rebind.unknown")
	}
	return p.T("admin.field", field, old, now)
}

// valued is the value of a field in words, where it is a code.
func (p *page) valued(field, value string) string {
	switch field {
	case "state":
		return p.Coded(value, "admin.state.")
	case "codes":
		return p.Coded(value, "history.codes.")
	case "role": // of an agency, or of all
		kind, agency, _ := strings.Cut(value, " ")
		return strings.TrimSpace(p.Coded(kind, "history.role.") + " " + agency)
	}
	return value
}
