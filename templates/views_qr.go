package templates

import (
	"encoding/base64"
	"strconv"
	"time"

	"taipeion.internal/idp"
)

// QRCode is the modules of a QR code, row by row, true for dark, with its quiet
// zone; nil for none.
type QRCode [][]bool

// Size is the number of modules of a side.
func (c QRCode) Size() int { return len(c) }

// Path draws the dark modules as lines of an SVG path, one module wide.
func (c QRCode) Path() string {
	b := make([]byte, 0, len(c)*len(c)*2)
	for y, row := range c {
		pen := -1 // where the last line of this row ended; -1: none yet
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			end := x
			for end < len(row) && row[end] {
				end++
			}
			if pen < 0 {
				b = strconv.AppendInt(append(b, 'M'), int64(x), 10)
				b = strconv.AppendInt(append(b, ' '), int64(y), 10)
				b = append(b, ".5"...)
			} else {
				b = strconv.AppendInt(append(b, 'm'), int64(x-pen), 10)
				b = append(b, " 0"...)
			}
			b = strconv.AppendInt(append(b, 'h'), int64(end-x), 10)
			pen, x = end, end
		}
	}
	return string(b)
}

// Bits are the modules row by row, eight to a byte, in base64: for the script
// that draws the next code.
func (c QRCode) Bits() string {
	bits := make([]byte, (len(c)*len(c)+7)/8)
	for y, row := range c {
		for x, dark := range row {
			if i := y*len(c) + x; dark {
				bits[i/8] |= 0x80 >> (i % 8)
			}
		}
	}
	return base64.StdEncoding.EncodeToString(bits)
}

// The states of the QR tab.
const (
	QRWaiting  = "waiting"  // the code waits for a phone
	QRScanned  = "scanned"  // the number is to be typed on the phone
	QRApproved = "approved" // on the way
	QRDenied   = "denied"   // refused on the phone
	QRBurnt    = "burnt"    // a wrong number was typed
	QRExpired  = "expired"  // it took too long
)

// QR is what the QR tab shows: the code while it waits, the number when a phone
// has scanned it (POST /login/qr with flow when it was approved).
type QR struct {
	State     string
	Code      QRCode
	Link      string        // what the code says
	Text      string        // the code to be typed where the phone has no camera
	Number    string        // two digits
	Left      time.Duration // until the next code, or until the attempt ends
	EventsURL string        // server-sent events
	LookURL   string        // the same for polling, as JSON
	AgainURL  string        // a new code after an end
	Far       bool          // from here the phone alone will not be enough
}

// PasskeyOffer lets the login page ask for a passkey (POST OptionsURL for the
// options, POST /login/passkey with flow and answer).
type PasskeyOffer struct {
	OptionsURL string
}

// Code asks for the one-time code after the password (POST /login/otp with
// flow, proved and code).
type Code struct {
	Base
	Flow, System string
	Reason       idp.Reason
	LockedUntil  time.Time
	Name         string // whose password it was; empty on a step-up: Base.Account says so
	Proved       string // sealed: that the password was right
}

// Page names the template.
func (Code) Page() string { return "code" }

// Tick is one piece of work of the binding, done or failed.
type Tick struct {
	Name string // TickCard, TickDevice or TickRequest
	OK   bool
}

// The three pieces of work of step 2.
const (
	TickCard    = "card"    // 自然人憑證驗證中
	TickDevice  = "device"  // 行動裝置帳號初始化
	TickRequest = "request" // 產生憑證申請初始化資料
)

// PhoneBind is the wizard that binds a phone, in five steps: 1 environment
// (POST /device/bind/check), 2 the card's PIN and the binding data
// (POST /device/bind/sign with cms; then Ticks), 3 the app, 4 is it installed
// (POST /device/bind/start), 5 the key QR code (POST /device/bind/confirm or
// /device/bind/cancel with id). "Back" is GET /device/bind?step=N.
type PhoneBind struct {
	Base
	Step          int
	Reason        idp.Reason
	AgentOrigin   string
	ChallengeURL  string
	WithoutReader bool   // the password and a one-time code do in place of the card
	Ticks         []Tick // of step 2, once the work was done
	Apps          []App
	State         string // of step 5: KeyWaiting, ...
	Called        bool   // over because it was called off, here or on the phone
	ID            string
	Key           QRCode
	Link          string // what the key QR code says, for the phone's own camera
	Digits        string // six, when a phone has claimed the key
	Device        string // its name
	Left          time.Duration
	EventsURL     string
	LookURL       string
}

// Page names the template.
func (PhoneBind) Page() string { return "phonebind" }

func (PhoneBind) self() string { return "/device/bind" }

// The states of step 5.
const (
	KeyWaiting = "new"     // the key QR code waits
	KeyClaimed = "claimed" // compare the digits
	KeyDone    = "done"    // 成功註冊
	KeyOver    = "over"    // too old, or cancelled
)

// App is where the phone's app can be had.
type App struct {
	Name string // AppAndroid or AppIOS
	URL  string
	Code QRCode
}

// The kinds of phones.
const (
	AppAndroid = "android"
	AppIOS     = "ios"
)

// Security is the page of a person's phones, one-time codes and passkeys. Forms:
// POST /security/device/rename and /revoke (id, name), /security/otp/begin,
// /confirm (code), /renew, /remove, /security/passkey/options (JSON), /add
// (name, answer), /rename (id, name), /remove (id).
type Security struct {
	Base
	Notice      string // a key of words: NoticeDeviceBound, ...
	Reason      idp.Reason
	CardBound   bool
	Devices     []DeviceRow
	OTPBound    bool
	OTPBoundAt  time.Time
	Recovery    int       // recovery codes left
	Offer       *OTPOffer // a secret that waits for its first code
	NewCodes    []string  // recovery codes, shown this once
	Passkeys    []PasskeyRow
	NoPhones    bool // phones are not set up here
	NoPasskeys  bool // nor passkeys
	PasskeysURL string
	Stuck       bool // all that is strong enough to change something can't be used: the helpdesk is asked
}

// Page names the template.
func (Security) Page() string { return "security" }

func (Security) self() string { return "/security" }

// DeviceRow is one bound phone.
type DeviceRow struct {
	ID, Name string
	Platform string
	Standing string // StandingActive, ...
	BoundAt  time.Time
	UsedAt   time.Time
	EndsAt   time.Time
}

// The standings of a phone.
const (
	StandingActive    = "active"
	StandingSuspended = "suspended"
	StandingExpired   = "expired"
)

// OTPOffer is a secret for an authenticator app.
type OTPOffer struct {
	Code   QRCode
	Secret string // to be typed
}

// PasskeyRow is one passkey.
type PasskeyRow struct {
	ID, Name  string
	CreatedAt time.Time
	UsedAt    time.Time
}

// What the page of factors may say once.
const (
	NoticeDeviceBound   = "notice.device_bound"
	NoticeDeviceRenamed = "notice.device_renamed"
	NoticeDeviceRevoked = "notice.device_revoked"
	NoticeOTPBound      = "notice.otp_bound"
	NoticeOTPRemoved    = "notice.otp_removed"
	NoticePasskeyAdded  = "notice.passkey_added"
	NoticePasskeyGone   = "notice.passkey_removed"
	NoticePasskeyNamed  = "notice.passkey_renamed"
	NoticeConfirmed     = "notice.confirmed"
)

var factorNotices = []string{NoticeDeviceBound, NoticeDeviceRenamed, NoticeDeviceRevoked, NoticeOTPBound, NoticeOTPRemoved,
	NoticePasskeyAdded, NoticePasskeyGone, NoticePasskeyNamed, NoticeConfirmed}

// factorReasons are why a phone, a code or a passkey was turned away, as the
// pages of a computer say it.
var factorReasons = []idp.Reason{"phone_far", "phone_unusable", "attempt_over", "enrol_over", "enrol_fresh", "factor_fresh",
	"otp_wrong", "passkey_invalid", "passkey_known"}
