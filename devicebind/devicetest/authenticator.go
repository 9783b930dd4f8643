// Package devicetest is an authenticator in software for tests: what a phone or
// a browser answers to Web Authentication, and the ways to get it wrong.
package devicetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
)

// Authenticator holds one credential of one user at one origin. Its fields may
// be changed to make it lie.
type Authenticator struct {
	Origin     string
	RPID       string
	Key        *ecdsa.PrivateKey
	ID         []byte // of the credential
	UserHandle []byte
	Count      uint32 // grows with each assertion; fixed at 0 if NoCount
	NoCount    bool
	Flags      byte // user present 1, user verified 4
	AAGUID     [16]byte

	CreateType string // of the client data; "webauthn.create"
	GetType    string // "webauthn.get"
	Trailing   []byte // bytes after the authenticator data's CBOR
}

// New returns an authenticator with a fresh key.
func New(origin string, userHandle []byte) *Authenticator {
	u, err := url.Parse(origin)
	if err != nil {
		panic(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &Authenticator{
		Origin: origin, RPID: u.Hostname(), Key: key, ID: id, UserHandle: userHandle, Flags: 1 | 4,
		CreateType: "webauthn.create", GetType: "webauthn.get",
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *Authenticator) clientData(kind string, challenge []byte) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": b64(challenge), "origin": a.Origin, "crossOrigin": false})
	if err != nil {
		panic(err)
	}
	return text
}

// authData is the authenticator data (Web Authentication Level 3, section 6.1).
func (a *Authenticator) authData(flags byte, attested []byte) []byte {
	rp := sha256.Sum256([]byte(a.RPID))
	out := append(rp[:], flags)
	out = binary.BigEndian.AppendUint32(out, a.Count)
	return append(append(out, attested...), a.Trailing...)
}

// Create answers a registration: credential.toJSON(), with attestation "none".
func (a *Authenticator) Create(challenge []byte) []byte {
	return a.created("none", []byte{0xa0}, a.attested(), a.clientData(a.CreateType, challenge))
}

// attested is the authenticator data with the new credential.
func (a *Authenticator) attested() []byte {
	point, err := a.Key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	// COSE_Key: kty EC2, alg ES256, crv P-256, x, y (RFC 9053).
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	attested := append([]byte{}, a.AAGUID[:]...)
	attested = binary.BigEndian.AppendUint16(attested, uint16(len(a.ID)))
	attested = append(append(attested, a.ID...), cose...)
	return a.authData(a.Flags|0x40, attested)
}

// created is the answer with an attestation object: {"fmt": format, "attStmt":
// statement, "authData": data}.
func (a *Authenticator) created(format string, statement, data, client []byte) []byte {
	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x60|byte(len(format))), format...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(append(object, statement...), 0x68), "authData"...)
	object = append(object, cborBytes(data)...)
	return a.answer(map[string]any{"clientDataJSON": b64(client), "attestationObject": b64(object), "transports": []string{"internal"}})
}

// cborBytes is a byte string of up to 65535 bytes (RFC 8949 section 3.1).
func cborBytes(b []byte) []byte { return append([]byte{0x59, byte(len(b) >> 8), byte(len(b))}, b...) }

// Get answers a login: credential.toJSON().
func (a *Authenticator) Get(challenge []byte) []byte {
	if !a.NoCount {
		a.Count++
	}
	client, data := a.clientData(a.GetType, challenge), a.authData(a.Flags, nil)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.Key, sum[:])
	if err != nil {
		panic(err)
	}
	response := map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
	if a.UserHandle != nil {
		response["userHandle"] = b64(a.UserHandle)
	}
	return a.answer(response)
}

func (a *Authenticator) answer(response map[string]any) []byte {
	text, err := json.Marshal(map[string]any{
		"id": b64(a.ID), "rawId": b64(a.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
	if err != nil {
		panic(err)
	}
	return text
}
