package pkcs11

// Slot is a reader as the module sees it at this moment.
type Slot struct {
	ID      uint   `json:"id"`
	Reader  string `json:"reader"`
	Present bool   `json:"present"`         // a card is in it
	Token   *Token `json:"token,omitempty"` // nil: none, or one the module does not know
}

// Token is a card, with the state of its PIN.
type Token struct {
	Label         string `json:"label"`
	Serial        string `json:"serial"`
	CountLow      bool   `json:"count_low,omitempty"` // CKF_USER_PIN_COUNT_LOW: wrong at least once
	FinalTry      bool   `json:"final_try,omitempty"` // CKF_USER_PIN_FINAL_TRY
	Locked        bool   `json:"locked,omitempty"`    // CKF_USER_PIN_LOCKED
	ProtectedPath bool   `json:"protected,omitempty"` // CKF_PROTECTED_AUTHENTICATION_PATH: the reader has a keypad
	MinPIN        uint   `json:"min_pin,omitempty"`
	MaxPIN        uint   `json:"max_pin,omitempty"`

	// Certificate is the DER of the signature certificate, nil if the card
	// has none that we can use; KeyID is its CKA_ID.
	Certificate []byte `json:"certificate,omitempty"`
	KeyID       []byte `json:"key_id,omitempty"`
}

// TriesLeft tells what the token's flags say about the PIN: 0, 1, or Unknown.
func (t *Token) TriesLeft() int {
	switch {
	case t.Locked:
		return 0
	case t.FinalTry:
		return 1
	}
	return Unknown
}

// SignRequest names what to sign, and with which card. The card is named by
// what was shown to its holder, so that another one put in meanwhile is never
// signed with.
type SignRequest struct {
	Slot        uint
	Serial      string // of the token
	Certificate []byte // DER
	PIN         []byte // empty with a protected authentication path; the caller wipes it
	Data        []byte // hashed with SHA-256 and signed by RSASSA-PKCS1-v1_5
}
