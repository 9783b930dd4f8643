package outbox

import (
	"crypto/rand"
	"encoding/base64"
	"time"
)

// KindMail is the kind of a mail.
const KindMail = "mail"

// Message is an effect to be done after a commit. It holds no secret.
type Message struct {
	ID      string // unique; the receiver knows a repetition by it
	Kind    string // who does it: KindMail
	To      string // mail: the address
	Subject string
	Text    string
	At      time.Time // when it was made
	Tries   int       // so far, the present one included
}

// NewMail is a mail of plain text.
func NewMail(to, subject, text string, at time.Time) Message {
	var id [16]byte
	rand.Read(id[:])
	return Message{ID: base64.RawURLEncoding.EncodeToString(id[:]), Kind: KindMail, To: to, Subject: subject, Text: text, At: at}
}
