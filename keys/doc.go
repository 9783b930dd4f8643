// Package keys makes, keeps, rotates and publishes the signing keys, signs and
// verifies with them, and seals secrets at rest.
//
// It owns the master key file, the Sealer (AES-256-GCM and HMAC-SHA-256 under
// keys derived from the master key), the Ring of signing keys, the JSON Web Key
// Set, and the verification of JSON Web Signatures (RFC 7515), ours and those
// of clients. It does not own what is signed (oidc, cardreader) nor where the
// sealed keys lie (store).
//
// What always holds: a private key leaves the process only sealed; a key signs
// with one algorithm only, the one it was made for; the next key is published
// before it signs and a retired one until its end; nothing inside a token
// chooses the key or the algorithm beyond what we already hold; keys are parsed
// once and not for each request.
package keys
