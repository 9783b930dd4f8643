// Package idp is the vocabulary of the city's identity provider: who a person
// is, how sure we are of it and since when, what a relying system asked for,
// and what happened. Every other package speaks these words.
//
// It owns types, their text forms and the sentinel errors. It decides nothing
// (package policy does), keeps nothing (store), and imports only the standard
// library. Values are plain data: copying one is always safe, and times are
// always by our own clock.
package idp
