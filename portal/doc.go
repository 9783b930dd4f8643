// Package portal is what a logged-in person sees and does on our own pages: the
// first page with the systems and the own sessions, the logout, the five steps
// that bind a card, those that bind a phone, the page of phones, one-time codes
// and passkeys, the change of the password, and the binding of a portal account
// to a TPEAD account.
//
// It does not log people in: a page that needs a session, or fresher evidence
// than the session has, saves a flow and sends the browser to login. It
// verifies no card (cardreader) and keeps nothing (store).
//
// What always holds: a card is bound only from the city's own network, in a
// session that the account's password opened a short while ago, by an answer to
// a challenge made for that session and that person, after the holder's name
// and national ID were compared, and after that person said yes to what the
// certificate says. A password is never set by a session alone: the old one is
// given too, or the card was read a short while ago.
package portal
