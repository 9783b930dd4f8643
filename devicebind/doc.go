// Package devicebind binds a phone's key to a person and checks its proofs: the
// enrolment with its six digits, the codes and attempts of QR login, and the
// other second factors, one-time codes and passkeys.
//
// It owns the wire protocol of the phone (docs/phone-protocol.md), the rules of
// each step, and the drawing of QR codes. It knows neither HTTP pages nor SQL:
// packages phone, login and portal speak to people, and package store keeps
// what storage.go asks for. Which proof is enough for what is policy's.
//
// What always holds: nothing is written while a code waits to be scanned; each
// step of an enrolment or attempt is one conditional statement; what a phone
// approves it signs byte for byte, with the person present; whether a device
// may be used is asked of the person, the card and the device at each use; a
// secret is kept sealed to its row, hashed, or not at all.
package devicebind
