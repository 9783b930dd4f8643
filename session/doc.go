// Package session owns the browser's session: its cookie, its look-up, its
// limits and its end, and the cookie that binds a login under way to the
// browser it was begun in.
//
// It does not decide what a session is good for (policy does) and keeps nothing
// itself (Store does). What always holds: a cookie's value is 256 random bits
// made by us and is known to the store by its SHA-256 only; it changes at each
// login and step-up, and the old value is dead at once; a session belongs to
// one person for life, and ends for us the moment that person may not log in.
// Recent alone may learn of it half a second later, on other nodes.
package session
