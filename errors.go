package idp

import "errors"

// The sentinels: what a conditional statement or a look-up can say.
var (
	ErrNotFound = errors.New("not found")
	ErrUsed     = errors.New("already used")
	ErrExpired  = errors.New("expired")
	ErrConflict = errors.New("conflict")
	// ErrUnavailable says that something we depend on did not answer. Nothing
	// was decided and nothing was counted.
	ErrUnavailable = errors.New("unavailable")
	// ErrOverloaded says that we refused before starting, to stay responsive.
	ErrOverloaded = errors.New("overloaded")
)

// Reason says why a person was turned away. Its values are keys of the words
// in templates/locale ("reason." + Reason).
type Reason string

// The reasons.
const (
	ReasonWrong         Reason = "wrong"           // 帳號密碼錯誤
	ReasonDisabled      Reason = "disabled"        // 此帳號停用中
	ReasonLocked        Reason = "locked"          // 此帳號鎖定中
	ReasonThrottled     Reason = "throttled"       // too many tries from this network
	ReasonBusy          Reason = "busy"            // try again in a moment
	ReasonUnavailable   Reason = "unavailable"     // the directory or store does not answer
	ReasonFlowExpired   Reason = "flow_expired"    // the login page was open too long
	ReasonFlowForeign   Reason = "flow_foreign"    // begun in another browser
	ReasonCardInvalid   Reason = "card_invalid"    // the signature or certificate was refused
	ReasonCardUnusable  Reason = "card_unusable"   // revoked, unbound or of nobody: one class outside
	ReasonCardMismatch  Reason = "card_mismatch"   // 用戶身分與卡片不符
	ReasonCardName      Reason = "card_name"       // 自然人憑證姓名不符
	ReasonCardID        Reason = "card_id"         // 身分證不符
	ReasonCardTaken     Reason = "card_taken"      // bound to another person already
	ReasonChallengeUsed Reason = "challenge_used"  // challenge used or too old
	ReasonOutside       Reason = "outside_network" // only from the city's network
	ReasonOtherPerson   Reason = "other_person"    // step-up by somebody else
)

// Denied says that a person was turned away, and why. Internal detail belongs
// in the record, never in here.
type Denied struct {
	Reason Reason
}

func (d Denied) Error() string { return "denied: " + string(d.Reason) }
