// Package admin is what agencies' administrators and the helpdesk see and do in
// the browser: the binding rate, first card bindings that wait for a second
// administrator, and people's accounts, of the agencies that their roles reach.
//
// It decides nothing about roles (policy) or logins (login), and keeps nothing
// (store). It never shows or takes a password but a start password, which opens
// nothing but its own change.
//
// What always holds: each request reads the roles anew; each statement that lists
// or finds people is given who asks, and holds their roles against each row; each
// change asks for the role once more, in its own transaction; a
// page opens only by the person's own card, read at most 15 minutes ago; each
// change needs a reason and is on record.
package admin
