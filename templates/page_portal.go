package templates

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"taipeion.internal/idp"
)

// cardWarning is how long before its end a card needs attention.
const cardWarning = 60 * 24 * time.Hour

// Greeting is the key of the greeting for the time of day.
func (p *page) Greeting() string {
	switch hour := p.Now().In(p.r.opts.Location).Hour(); {
	case hour >= 5 && hour < 12:
		return "home.morning"
	case hour >= 12 && hour < 18:
		return "home.afternoon"
	}
	return "home.evening"
}

// LevelWord says how the person logged in.
func (p *page) LevelWord() string {
	v, ok := p.V.(Home)
	if !ok || v.Level < idp.LevelPassword || v.Level > idp.LevelCard {
		return ""
	}
	return p.T("home.level." + strconv.Itoa(int(v.Level)))
}

// CardEnded tells whether the bound card's certificate has ended.
func (p *page) CardEnded() bool {
	v, ok := p.V.(Home)
	return ok && v.CardBound && !v.CardEnds.IsZero() && !p.Now().Before(v.CardEnds)
}

// NeedsAttention tells whether there is something to do.
func (p *page) NeedsAttention() bool {
	v, ok := p.V.(Home)
	return ok && (!v.CardBound || !v.CardEnds.IsZero() && v.CardEnds.Sub(p.Now()) < cardWarning)
}

// changesNew is how long a change is put before one's eyes; older ones unfold.
const changesNew = 14 * 24 * time.Hour

// ChangesAreNew tells whether one of the changes is of the last days.
func (p *page) ChangesAreNew() bool {
	v, ok := p.V.(Home)
	return ok && len(v.Changes) > 0 && p.Now().Sub(v.Changes[0].At) < changesNew
}

// Query is what was searched for, without scripts.
func (p *page) Query() string { return p.req.URL.Query().Get("q") }

// group is the systems of one category.
type group struct {
	Name  string
	Tiles []Tile
}

// Groups are the systems that match the query, by category, in the order given.
func (p *page) Groups() []group {
	v, ok := p.V.(Home)
	if !ok {
		return nil
	}
	words := strings.Fields(fold(p.Query()))
	var groups []group
	at := map[string]int{}
	for _, tile := range v.Systems {
		if !containsAll(fold(tile.Name), words) {
			continue
		}
		i, known := at[tile.Category]
		if !known {
			i = len(groups)
			at[tile.Category] = i
			groups = append(groups, group{Name: tile.Category})
		}
		groups[i].Tiles = append(groups[i].Tiles, tile)
	}
	return groups
}

func fold(s string) string { return strings.ToLower(norm.NFKC.String(s)) }

func containsAll(s string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(s, word) {
			return false
		}
	}
	return true
}

// browsers and systems are looked for in this order: later names are in the
// User-Agent of earlier ones, too.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"},
		{"FxiOS", "Firefox"}, {"CriOS", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}
	systems = [][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

func firstOf(names [][2]string, agent string) string {
	for _, name := range names {
		if strings.Contains(agent, name[0]) {
			return name[1]
		}
	}
	return ""
}

// Browser puts a User-Agent header into words.
func (p *page) Browser(agent string) string {
	browser, system := firstOf(browsers, agent), firstOf(systems, agent)
	switch {
	case browser != "" && system != "":
		return p.T("browser.on", browser, system)
	case browser != "":
		return browser
	case system != "":
		return system
	}
	return p.T("browser.unknown")
}

func deviceIcon(agent string) string {
	if mobile(agent) {
		return "phone"
	}
	return "computer"
}

func mobile(agent string) bool {
	return strings.Contains(agent, "Mobi") || strings.Contains(agent, "Android") || strings.Contains(agent, "iPad")
}

// OnPhone tells whether the page is looked at on a phone or tablet.
func (p *page) OnPhone() bool { return mobile(p.req.UserAgent()) }

// Computer names the operating system at hand.
func (p *page) Computer() string {
	if system := firstOf(systems, p.req.UserAgent()); system != "" {
		return system
	}
	return p.T("browser.this")
}

// BindSteps are the states of the wizard's five steps, by number.
func (p *page) BindSteps() map[int]string {
	v, ok := p.V.(Bind)
	if !ok {
		return nil
	}
	states := map[int]string{}
	for n := 1; n <= 5; n++ {
		switch step := max(v.Step, 1); {
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

// BindHeading is the key of the step's heading.
func (p *page) BindHeading() string {
	step := 1
	if v, ok := p.V.(Bind); ok && v.Step >= 1 && v.Step <= 5 {
		step = v.Step
	}
	return "bind.heading." + strconv.Itoa(step)
}

// ChecksPlace tells whether the checklist begins with the computer itself.
func (p *page) ChecksPlace() bool {
	v, ok := p.V.(Bind)
	return ok && v.Step == 2
}

// BindScript is the script of the step: what talks with the card component.
func (p *page) BindScript() string {
	v, ok := p.V.(Bind)
	switch {
	case !ok || v.Reason != "" || v.AlreadyBound:
		return ""
	case v.Step == 2:
		return "check.js"
	case v.Step == 3:
		return "card.js"
	}
	return ""
}

// HasOtherSessions tells whether there is more than the session at hand.
func (p *page) HasOtherSessions() bool {
	v, ok := p.V.(Home)
	return ok && slices.ContainsFunc(v.Sessions, func(s SessionRow) bool { return !s.Current })
}

// BindAgain tells whether starting again can help.
func (p *page) BindAgain() bool { return p.Reason() != idp.ReasonOutside }

// ReturnName names where one goes after a logout.
func (p *page) ReturnName() string {
	if v, ok := p.V.(LoggedOut); ok && v.ReturnName != "" {
		return v.ReturnName
	}
	return p.T("loggedout.return.it")
}

// statusTitles are the words of an answer that has only a status.
var statusTitles = map[int]string{
	http.StatusBadRequest: ErrorForm, http.StatusUnauthorized: ErrorSessionExpired, http.StatusForbidden: ErrorForbidden,
	http.StatusNotFound: ErrorNotFound, http.StatusMethodNotAllowed: ErrorMethod,
	http.StatusRequestEntityTooLarge: ErrorTooLarge, http.StatusTooManyRequests: ErrorThrottled,
	http.StatusServiceUnavailable: ErrorUnavailable,
}

// errorKey is the key of an error page's title.
func (p *page) errorKey() string {
	v, ok := p.V.(Error)
	switch {
	case ok && v.Title != "" && p.r.words.has(v.Title):
		return v.Title
	case ok && v.Reason != "" && p.r.words.has("reason."+string(v.Reason)):
		return "reason." + string(v.Reason)
	}
	status := v.Status
	if status == 0 {
		status = p.status
	}
	if key := statusTitles[status]; key != "" {
		return key
	}
	return ErrorInternal
}

// ErrorTitle says what happened.
func (p *page) ErrorTitle() string { return p.T(p.errorKey()) }

// ErrorDetail says why, if known, and what to do now.
func (p *page) ErrorDetail() string {
	if v, ok := p.V.(Error); ok && v.Detail != "" && p.r.words.has(v.Detail) {
		return p.T(v.Detail)
	}
	return p.T(p.errorKey() + ".detail")
}

// BackURL is where "go back" leads.
func (p *page) BackURL() string {
	if v, ok := p.V.(Error); ok && v.BackURL != "" {
		return v.BackURL
	}
	return "/"
}
