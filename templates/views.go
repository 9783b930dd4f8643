package templates

import (
	"time"

	"taipeion.internal/idp"
)

// View is what one page shows. Every view embeds Base.
type View interface {
	Page() string // the name of the page's template
	common() Base
}

// Base is what every page may need.
type Base struct {
	FormAction []string // extra origins for the form-action of the content security policy
	OpensAgent bool     // the page opens the card component: same-origin-allow-popups
	Locales    string   // ui_locales of the authorization request
	Account    *Who     // who is logged in, shown at the top right; nil if nobody
	Reference  string   // the request id, shown as reference code on error pages
	Self       string   // rooted path and query of this page for the language switch; worked out if empty
}

func (b Base) common() Base { return b }

// Who names the logged-in person.
type Who struct {
	Name     string
	Username string
}

// The tabs of the login page.
const (
	TabPassword = "password"
	TabCard     = "card"
	TabQR       = "qr"
)

// Login is the login page with its tabs. Base.Account is shown on a step-up.
type Login struct {
	Base
	Flow         string
	Tab          string // TabPassword, TabCard or TabQR
	System       string // where one is going, in the page's language; empty for the platform itself
	Account      string // what was typed, or login_hint
	Reason       idp.Reason
	LockedUntil  time.Time     // for ReasonLocked: when it opens by itself
	CardOpens    bool          // for ReasonLocked: the card logs in all the same
	RetryAfter   time.Duration // for ReasonThrottled and ReasonBusy
	StepUp       bool          // logged in already, but more is asked for
	Need         idp.Level     // the level that is needed
	CanDecline   bool          // a voluntary step-up: a way on without it (POST /login/stepup, choice=decline)
	OnlyCard     bool          // nothing but the card will do
	OnlyPassword bool          // nothing but the password will do (binding a card)
	AgentOrigin  string        // where the card component listens; empty: cards are not set up
	ChallengeURL string        // default /login/card/challenge?flow=
	BindURL      string        // default /card/bind
	QR           *QR           // of the QR tab; nil: phones are not set up
	Passkey      *PasskeyOffer // nil: passkeys are not set up
	CodeURL      string        // a step-up that a one-time code would do
}

// Page names the template.
func (Login) Page() string { return "login" }

// Select asks whether to go on as the person who is logged in
// (POST /login/select, choice=continue or choice=other).
type Select struct {
	Base
	Flow, System           string
	Name, Username, Agency string
	Sid                    string // the session the page is drawn for
}

// Page names the template.
func (Select) Page() string { return "select" }

// Consent asks whether a system may have what it asks for
// (POST /login/consent, choice=allow or choice=deny).
type Consent struct {
	Base
	Flow, System string
	SystemURI    string
	Scopes       []string
	Name         string
	Sid          string // the session the page is drawn for
}

// Page names the template.
func (Consent) Page() string { return "consent" }

// The titles of error pages: Error.Title. Each has a sentence of detail
// ("error.NAME.detail"), which Error.Detail may replace by another key.
const (
	ErrorUnknownClient  = "error.unknown_client"  // no such relying system, or it is switched off
	ErrorRedirect       = "error.redirect"        // the redirect URI is not registered
	ErrorRequest        = "error.request"         // the relying system asked wrongly
	ErrorLogout         = "error.logout"          // a logout request that can't be trusted
	ErrorForm           = "error.form"            // a form of ours came in incomplete
	ErrorForbidden      = "error.forbidden"       // 403, also a form from another site
	ErrorNotFound       = "error.not_found"       // 404
	ErrorMethod         = "error.method"          // 405
	ErrorTooLarge       = "error.too_large"       // 413
	ErrorThrottled      = "error.throttled"       // 429
	ErrorInternal       = "error.internal"        // 500
	ErrorUnavailable    = "error.unavailable"     // 503
	ErrorSessionExpired = "error.session_expired" // one must log in again
)

// Error says what happened, what to do now, and whom to ask. With a Reason and
// no Title it speaks the reason's words; with neither, those of the Status.
type Error struct {
	Base
	Status  int // of the answer; Render's status is used if 0
	Reason  idp.Reason
	Title   string // one of the Error... constants
	Detail  string // a key of words, in place of the title's own detail
	Code    string // OAuth error code, shown small
	Hint    string // for the relying system's developers, shown small; never anything out of the request
	BackURL string // where "go back" leads; empty: the first page
}

// Page names the template.
func (Error) Page() string { return "error" }

// LoggedOut says what was ended.
type LoggedOut struct {
	Base
	Ended      []string // the names of the systems
	ReturnURL  string   // the registered address to go on to, if any
	ReturnName string
}

// Page names the template.
func (LoggedOut) Page() string { return "loggedout" }

// LogoutConfirm asks before a logout that a relying system wants
// (POST /oauth2/logout with Hidden and confirm=yes).
type LogoutConfirm struct {
	Base
	System string
	Hidden map[string]string
}

// Page names the template.
func (LogoutConfirm) Page() string { return "logoutconfirm" }

// Home is the first page after the login. Sessions are ended by
// POST /sessions/end with id (one of theirs, or "others"), the session by POST /logout.
type Home struct {
	Base
	Name, Agency, Unit, Title string
	Level                     idp.Level
	LoginAt                   time.Time
	Systems                   []Tile
	CardBound                 bool
	CardEnds                  time.Time
	Sessions                  []SessionRow
	Notice                    string // a key of words said on top once: NoticeSessionEnded, ...
	NoPhone                   bool   // phones can be bound, and none is
	BindURL                   string // default /card/bind
	Admin                     bool   // has an administrator's role
	Choose                    bool   // has several TPEAD accounts and has to keep one
	Changes                   []FactorChange
}

// FactorChange is a change of somebody's ways to log in, for whom no mail
// reaches. The newest comes first.
type FactorChange struct {
	Kind    string // of the event: one that Tells knows
	At      time.Time
	ByOther bool // the helpdesk or an administrator did it
}

// The notices of the first page.
const (
	NoticeSessionEnded = "notice.session_ended"
	NoticeCardBound    = "notice.card_bound"
)

// Tile is a system that the person may use.
type Tile struct {
	Name, URI, Category string
}

// SessionRow is one of the person's own sessions.
type SessionRow struct {
	ID      string
	Agent   string // the User-Agent header, put into words by the page
	Address string
	SeenAt  time.Time
	Current bool
}

// Page names the template.
func (Home) Page() string { return "home" }

// Bind is the wizard that binds a card, in five steps: 1 start
// (POST /card/bind/start, ready=yes), 2 environment (POST /card/bind/check),
// 3 read the certificate (POST /card/bind/sign, cms), 4 its details
// (POST /card/bind/confirm, pending and consent=yes), 5 done. "Back" is
// GET /card/bind?step=N. With a Reason
// the step is shown as failed, and what to do about it.
type Bind struct {
	Base
	Step         int
	Reason       idp.Reason
	Name         string // the person's, as in the personnel register
	AgentOrigin  string
	ChallengeURL string // default /card/bind/challenge
	Card         *CardDetails
	Pending      string // handle of the certificate that waits for its confirmation
	AlreadyBound bool   // a card is bound: nothing to do here
	Waiting      *Waiting
}

// Waiting is a card that waits for a second administrator
// 「等候第二位管理者核准」.
type Waiting struct {
	State   string // WaitingOpen, WaitingRefused or WaitingOver
	AskedAt time.Time
	EndsAt  time.Time
	Reason  string // of a refusal, as the administrator wrote it
}

// The states of a waiting card.
const (
	WaitingOpen    = "waiting"
	WaitingRefused = "refused"
	WaitingOver    = "over"
)

// CardDetails is what a certificate says 「憑證資訊」.
type CardDetails struct {
	Name      string // 用戶姓名
	Subject   string // 憑證完整名稱
	Serial    string // 憑證序號
	IDTail    string // 身分證末四碼
	NotBefore time.Time
	NotAfter  time.Time
}

// Page names the template.
func (Bind) Page() string { return "bind" }

// FormPost carries an authorization response in a form (OAuth 2.0 Form Post
// Response Mode). The origin of Action is allowed as form-action by itself.
type FormPost struct {
	Base
	System string
	Action string
	Fields [][2]string
}

// Page names the template.
func (FormPost) Page() string { return "formpost" }
