package idp

// Level says how sure we are that a person is who they say. Higher is surer.
type Level int

// The levels, each with the acr value that relying systems see
// (OpenID Connect Core 1.0 section 2, "acr").
const (
	LevelNone     Level = iota // nothing proved
	LevelPassword              // urn:taipeion:acr:1: a password
	LevelTwo                   // urn:taipeion:acr:2: a bound phone, or a password with a one-time code
	LevelCard                  // urn:taipeion:acr:3: the natural-person card with its PIN
)

const acrPrefix = "urn:taipeion:acr:"

// ACR is the authentication context class reference of the level, empty for
// LevelNone.
func (l Level) ACR() string {
	if l < LevelPassword || l > LevelCard {
		return ""
	}
	return acrPrefix + string(rune('0'+l))
}

// ParseACR reads an acr value; ok is false for one that is not ours.
func ParseACR(s string) (l Level, ok bool) {
	for l := LevelPassword; l <= LevelCard; l++ {
		if s == l.ACR() {
			return l, true
		}
	}
	return LevelNone, false
}

// Method is a way to prove who one is.
type Method string

// The methods.
const (
	MethodPassword Method = "password"
	MethodOTP      Method = "otp"
	MethodPhone    Method = "phone"
	MethodPasskey  Method = "passkey"
	MethodCard     Method = "card"
)
