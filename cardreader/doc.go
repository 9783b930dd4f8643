// Package cardreader turns a signed challenge and a certificate into evidence:
// it makes the challenge a card signs, and finds out from the answer which
// card holder signed it.
//
// It owns the challenge (a compact JWS of our own key), the CMS SignedData of
// the card's answer (RFC 5652) in both directions, the certificate profile of
// natural-person cards, revocation lists, and what a certificate says of its
// holder. It does not own readers and PKCS#11 modules (cardreader/pkcs11), the
// program on the staff PC (cardreader/agent), who a holder is among the city's
// staff (directory), or the single use of a challenge (store).
//
// What always holds: nothing inside a message is trusted before a pinned
// issuer's key, chosen by key identifier, has vouched for it; every rule is
// checked here and by our own clock, whatever the parsing library thinks; a
// refusal tells the world one thing only, and the record the exact reason.
package cardreader
