package idp

import "time"

// Event is one thing that happened, for the record. It never holds a secret, a
// PIN, a token or a national ID.
type Event struct {
	At        time.Time
	Kind      string // what: "login", "lock", "unlock", "card.bind", "grant.revoke", ...
	Result    string // "ok" or a Reason
	PersonID  string // whom it concerns
	Actor     string // who did it, when not the person: an operator's account
	ClientID  string
	SessionID string
	Address   string // from where
	RequestID string
	Detail    string // free text, short; for example the reason of an unlock
}
