package templates

import (
	"html/template"
	"net/url"
	"slices"
	"strings"

	"taipeion.internal/idp"
)

var tabIcons = map[string]string{TabQR: "qr", TabCard: "card", TabPassword: "key"}

// What is checked before a card can be read, and the messages of the script
// that talks with the card component.
var (
	cardChecks   = []string{"component", "reader", "card"}
	checkIcons   = map[string]string{"component": "part", "reader": "reader", "card": "card"}
	cardMessages = []string{"opening", "waiting", "ready", "sending", "popup_blocked", "no_agent", "challenge",
		"no_component", "no_reader", "no_card", "foreign_card", "wrong_pin", "pin_format", "blocked", "removed",
		"hung", "crashed", "cancelled", "closed", "expired", "refused", "used", "offline", "failed"}
	knownScopes = []string{"openid", "profile", "email", "phone", "address", "offline_access", "agency"}
)

func (v Login) tab() string {
	switch v.Tab {
	case TabCard, TabQR:
		return v.Tab
	}
	return TabPassword
}

// Tabs are the ways that will do here; one alone needs no tabs.
func (p *page) Tabs() []string {
	v, ok := p.V.(Login)
	switch {
	case !ok || v.OnlyCard || v.OnlyPassword || v.Need >= idp.LevelCard:
		return nil
	case v.StepUp && v.Need == idp.LevelTwo:
		return []string{TabQR, TabCard}
	}
	return []string{TabQR, TabCard, TabPassword}
}

// StepUpWhy says what is needed and who asks.
func (p *page) StepUpWhy() string {
	v, ok := p.V.(Login)
	if !ok {
		return ""
	}
	system := v.System
	if system == "" {
		system = p.T("product")
	}
	switch {
	case v.OnlyPassword:
		return p.T("stepup.password")
	case v.OnlyCard || v.Need >= idp.LevelCard:
		return p.T("stepup.card", system)
	case v.Need == idp.LevelTwo:
		return p.T("stepup.two", system)
	}
	return p.T("stepup.again", system)
}

// BadPassword marks the fields that have to be typed again.
func (p *page) BadPassword() bool { return p.Reason() == idp.ReasonWrong }

// Retries tells whether trying again later helps.
func (p *page) Retries() bool {
	return p.Reason() == idp.ReasonThrottled || p.Reason() == idp.ReasonBusy
}

// ShowBind tells whether the way to the first binding is offered.
func (p *page) ShowBind() bool {
	v, ok := p.V.(Login)
	return ok && !v.OnlyPassword
}

// BindURL is where the binding of a card starts.
func (p *page) BindURL() string {
	address := ""
	switch v := p.V.(type) {
	case Login:
		address = v.BindURL
	case Home:
		address = v.BindURL
	}
	if address == "" {
		return "/card/bind"
	}
	return address
}

// ChallengeURL is where the script fetches what the card shall sign.
func (p *page) ChallengeURL() string {
	switch v := p.V.(type) {
	case Login:
		if v.ChallengeURL == "" {
			return "/login/card/challenge?flow=" + url.QueryEscape(v.Flow)
		}
		return v.ChallengeURL
	case Bind:
		if v.ChallengeURL != "" {
			return v.ChallengeURL
		}
	}
	return "/card/bind/challenge"
}

// CardChecks are the lines of the live checklist.
func (p *page) CardChecks() []string { return cardChecks }

// CardWords hands the script its messages, as attributes: data-msg-no_reader
// and so on.
func (p *page) CardWords() template.HTMLAttr {
	var b strings.Builder
	for _, code := range cardMessages {
		b.WriteString(` data-msg-` + code + `="` + template.HTMLEscapeString(p.T("card.msg."+code)) + `"`)
	}
	return template.HTMLAttr(b.String())
}

// Scope says what a scope gives away.
func (p *page) Scope(scope string) string {
	if slices.Contains(knownScopes, scope) {
		return p.T("scope." + scope)
	}
	return p.T("scope.other", scope)
}
