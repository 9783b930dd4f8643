// Package pivcard is a smart card in software: a small PIV card (NIST SP
// 800-73-4) that sits in the virtual reader of vsmartcard-vpcd, so that tests
// go through the real reader daemon and a real PKCS#11 module.
//
// It has one key (9A) with its certificate, a PIN with a count of tries, and
// faults that a test can order: pulled in the middle, slow, another key than
// the certificate's. It does not do card management, PUK, or secure messaging.
//
// What always holds: each wrong PIN costs exactly one try, none is left
// means blocked for good, and a signature needs the PIN since the last reset.
package pivcard
