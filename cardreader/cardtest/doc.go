// Package cardtest makes cards for tests and for the demo: a pair of issuers
// shaped like the two generations of the natural-person certificate authority
// (one name, different keys), certificates of holders, revocation lists, and
// the message that a card with such a certificate signs, well-formed or broken
// in every way a test wants.
//
// THE KEYS IN HERE ARE PUBLIC. They are part of the source text, so whoever
// reads it can make a card for anyone. A production server must refuse each
// issuer that KeyIDs lists; no package of the product imports this one except
// the demo and the check that makes that refusal.
//
// It does not import the package it tests: what it encodes is its own reading
// of RFC 5280 and RFC 5652, so that a mistake would have to be made twice.
package cardtest
