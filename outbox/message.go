package outbox

import "time"

// Message is an effect to be done after a commit. It holds no secret.
type Message struct {
	ID      string // unique; drawn by New
	Kind    string // who does it: "mail"
	To      string // mail: the address
	Subject string
	Text    string
	At      time.Time // when it was made
}

// KindMail is the kind of a mail.
const KindMail = "mail"
