package templates

import (
	"cmp"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"taipeion.internal/idp"
)

// page is what a template sees: the view, and what puts it into words.
type page struct {
	V    View
	B    Base
	Lang string

	r      *Renderer
	req    *http.Request
	status int
}

func (r *Renderer) page(req *http.Request, status int, v View) *page {
	if pointer := reflect.ValueOf(v); pointer.Kind() == reflect.Pointer && !pointer.IsNil() {
		v = pointer.Elem().Interface().(View) // a view has no pointer methods: its value is one, too
	}
	b := v.common()
	return &page{V: v, B: b, Lang: LanguageFor(req, b.Locales), r: r, req: req, status: status}
}

func (p *page) formAction() []string {
	if v, ok := p.V.(FormPost); ok {
		return append(slices.Clone(p.B.FormAction), v.Action)
	}
	return p.B.FormAction
}

func (p *page) opensAgent() bool {
	switch v := p.V.(type) {
	case Login:
		return p.B.OpensAgent || v.Tab == TabCard
	case Bind:
		return true
	case PhoneBind:
		return v.Step <= 2
	}
	return p.B.OpensAgent
}

// T is a word in the page's language.
func (p *page) T(key string, args ...any) string {
	return p.r.words.format(p.Lang, key, plain(args))
}

// Gap stands between two sentences: Chinese has none.
func (p *page) Gap() string {
	if p.Lang == Chinese {
		return ""
	}
	return " "
}

// Parts is T for a text whose arguments are marked up.
func (p *page) Parts(key string, args ...any) []part {
	return p.r.words.parts(p.Lang, key, plain(args))
}

// plain takes the time element off what goes into a text, which is escaped as
// a whole.
func plain(args []any) []any {
	out := slices.Clone(args)
	for i, arg := range out {
		if markup, ok := arg.(template.HTML); ok {
			_, text, _ := strings.Cut(string(markup), ">")
			text, _, _ = strings.Cut(text, "<")
			out[i] = text
		}
	}
	return out
}

// Time is a moment in the city's own time.
func (p *page) Time(t time.Time) template.HTML { return p.r.moment(p.Lang, t) }

// For is a duration in words.
func (p *page) For(d time.Duration) string { return p.r.span(p.Lang, d) }

// Until says how long it is until t.
func (p *page) Until(t time.Time) string { return p.T("duration.left", p.For(t.Sub(p.Now()))) }

// Now is the time by our own clock.
func (p *page) Now() time.Time { return p.r.opts.Now() }

// OtherLang is the language that the switch leads to.
func (p *page) OtherLang() string {
	if p.Lang == English {
		return Chinese
	}
	return English
}

// OtherURL is this page in the other language.
func (p *page) OtherURL() string { return switchURL(p.req, p.V, p.OtherLang()) }

// LinksHome tells whether the mark leads to the first page: not from a page
// on which a login is under way.
func (p *page) LinksHome() bool {
	switch p.V.(type) {
	case Home, Error, LoggedOut, Bind, PhoneBind, Security:
		return true
	}
	return p.menued()
}

// CanLogOut tells whether the page has a logout button at the top.
func (p *page) CanLogOut() bool {
	switch p.V.(type) {
	case Home, Bind, PhoneBind, Security:
		return true
	}
	return p.menued()
}

// contact is whom to ask, in the page's language.
type contact struct{ Name, Text string }

// Contacts is whom to ask.
func (p *page) Contacts() []contact {
	if len(p.r.opts.Contacts) == 0 {
		return []contact{
			{p.T("contact.agency"), p.T("contact.agency.text")},
			{p.T("contact.line"), p.T("contact.line.text")},
		}
	}
	out := make([]contact, len(p.r.opts.Contacts))
	for i, c := range p.r.opts.Contacts {
		out[i] = contact{c.NameZH, c.Text}
		if p.Lang != English {
			continue
		}
		out[i] = contact{cmp.Or(c.NameEN, c.NameZH), cmp.Or(c.TextEN, c.Text)}
	}
	return out
}

// AgentDownload is where the card component can be had.
func (p *page) AgentDownload() string { return p.r.opts.AgentDownload }

// Reason is why the person was turned away, if so.
func (p *page) Reason() idp.Reason {
	switch v := p.V.(type) {
	case Login:
		return v.Reason
	case Bind:
		return v.Reason
	case Error:
		return v.Reason
	}
	return factorReason(p)
}

// ReasonTone tells what one can wait out from what one has to act upon.
func (p *page) ReasonTone() string {
	switch p.Reason() {
	case idp.ReasonLocked, idp.ReasonThrottled, idp.ReasonBusy, idp.ReasonUnavailable, idp.ReasonFlowExpired,
		idp.ReasonChallengeUsed, idp.ReasonOutside:
		return "warning"
	}
	return "danger"
}

// ReasonIcon goes with the reason's words.
func (p *page) ReasonIcon() string {
	switch p.Reason() {
	case idp.ReasonLocked:
		return "lock"
	case idp.ReasonThrottled, idp.ReasonBusy, idp.ReasonFlowExpired, idp.ReasonChallengeUsed:
		return "clock"
	}
	return "alert"
}

// reasonSteps are the keys of what to do about a reason, in order.
func reasonSteps(reason idp.Reason) []string {
	switch reason {
	case idp.ReasonCardMismatch, idp.ReasonCardName:
		key := "reason." + string(reason)
		return []string{key + ".1", key + ".2", key + ".3"}
	}
	return nil
}

// ReasonSteps is what to do now, where it takes several steps.
func (p *page) ReasonSteps() []string { return reasonSteps(p.Reason()) }
