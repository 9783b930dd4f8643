package idp

import "time"

// Evidence is one proof of who a person is.
type Evidence struct {
	Method  Method    `json:"method"`
	At      time.Time `json:"at"`                // when it was proved
	Card    string    `json:"card,omitempty"`    // for MethodCard: the bound card's ID
	Device  string    `json:"device,omitempty"`  // for MethodPhone: the bound phone's ID
	Near    bool      `json:"near,omitempty"`    // for MethodPhone: the place was one where the phone alone will do
	Act     string    `json:"act,omitempty"`     // for MethodPhone: the ID of the approval
	Passkey string    `json:"passkey,omitempty"` // for MethodPasskey: its ID, in base64url
}

// Session is a browser in which a person has logged in. One session belongs to
// one person for its whole life.
type Session struct {
	ID        string // public, stable: the "sid" of tokens (OpenID Connect Front-Channel Logout 1.0 section 3)
	PersonID  string
	Evidence  []Evidence // the newest of each method, and all that phones approved
	CreatedAt time.Time
	SeenAt    time.Time // last use, exact to a minute
	EndsAt    time.Time // the absolute end
	Address   string    // where it was opened from
	UserAgent string    // at most 256 bytes
}
