// Package app is a phone in software: it speaks the protocol of
// docs/phone-protocol.md to the provider, for the terminal and for tests.
//
// It owns the phone's side of the protocol: the key, the request, the proofs and
// the signatures, and the calls that carry them. It does not own where the key
// is kept: a Phone is plain data. What always holds: it speaks to the origin it
// was bound to and to no other; the secret of a key QR code leaves it only as a
// proof.
package app
