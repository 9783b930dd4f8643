package oidc

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

const (
	grantIDSize = 16
	macSize     = sha256.Size
	// secretSize is a code's and an opaque access token's: grant ID, and 256 bits
	// that nobody can guess. The ID tells where to look: an index of hashes, which
	// lie anywhere, would cost more than all the rest of a write.
	secretSize = grantIDSize + macSize
	// refreshSize is a refresh token's: grant ID, generation, HMAC of both.
	refreshSize = grantIDSize + 8 + macSize
)

// minter derives tokens from grant and generation, so that an honest retry gets
// the very same tokens again, on any node, and none of them has to be kept.
type minter struct {
	access, refresh []byte
}

func newMinter(s Sealer) *minter {
	return &minter{access: s.Derive("oidc access token v1"), refresh: s.Derive("oidc refresh token v1")}
}

// seal appends the HMAC of a generation, and of what else the token says.
func seal(to, key, id []byte, generation int64, rest string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(id)
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(generation))
	mac.Write(n[:])
	mac.Write([]byte(rest))
	return mac.Sum(to)
}

// accessToken makes the opaque access token of a generation. One for fewer
// scopes than the grant's carries which they are, as bits of their positions:
// it is found by the hash of the whole, so nobody can change them.
func (m *minter) accessToken(id []byte, generation int64, granted, narrowed []string) string {
	mask := ""
	if len(narrowed) < len(granted) {
		mask = "." + strconv.FormatUint(scopeMask(granted, narrowed), 16)
	}
	token := append(make([]byte, 0, secretSize), id...)
	return base64.RawURLEncoding.EncodeToString(seal(token, m.access, id, generation, mask)) + mask
}

// grantOf reads the grant's ID in a code or an opaque access token; ok is false
// for what can't be one of ours, without asking the store. Whether it is one the
// hash tells.
func grantOf(token string) (id []byte, ok bool) {
	text, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != secretSize {
		return nil, false
	}
	return raw[:grantIDSize], true
}

// maxScopes is how many scopes a grant can have: the bits of a mask.
const maxScopes = 64

func scopeMask(granted, narrowed []string) uint64 {
	var mask uint64
	for i, s := range granted {
		if i < maxScopes && contains(narrowed, s) {
			mask |= 1 << i
		}
	}
	return mask
}

// scopesOf gives the scopes of an access token that was found by its hash.
func scopesOf(token string, granted []string) []string {
	_, text, narrowed := strings.Cut(token, ".")
	if !narrowed {
		return granted
	}
	mask, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return nil
	}
	var out []string
	for i, s := range granted {
		if i < maxScopes && mask&(1<<i) != 0 {
			out = append(out, s)
		}
	}
	return out
}

// refreshToken makes the refresh token of a generation.
func (m *minter) refreshToken(id []byte, generation int64) string {
	token := make([]byte, 0, refreshSize)
	token = append(token, id...)
	token = binary.BigEndian.AppendUint64(token, uint64(generation))
	return base64.RawURLEncoding.EncodeToString(seal(token, m.refresh, id, generation, ""))
}

// readRefresh reads a refresh token that we made; ok is false for any other,
// without asking the store.
func (m *minter) readRefresh(token string) (id []byte, generation int64, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != refreshSize || strings.ContainsAny(token, "\r\n") {
		return nil, 0, false
	}
	id = raw[:grantIDSize]
	generation = int64(binary.BigEndian.Uint64(raw[grantIDSize:]))
	return id, generation, hmac.Equal(raw[grantIDSize+8:], seal(nil, m.refresh, id, generation, ""))
}

// newCode makes an authorization code, of the grant's ID and 256 random bits, and
// what is kept of it.
func newCode(id []byte) (code string, hash []byte) {
	var b [secretSize]byte
	rand.Read(b[copy(b[:], id):]) // never fails: crypto/rand ends the program rather
	code = base64.RawURLEncoding.EncodeToString(b[:])
	return code, hashOf(code)
}

// newGrantID makes an ID that begins with the time in milliseconds, as a UUID of
// version 7 does (RFC 9562 section 5.7), so that new rows lie beside each other,
// and goes on with 80 random bits. It is no secret: what protects a token is the
// HMAC over it.
func newGrantID(now time.Time) []byte {
	id := binary.BigEndian.AppendUint64(make([]byte, 0, grantIDSize), uint64(now.UnixMilli())<<16)[:grantIDSize]
	rand.Read(id[6:])
	return id
}

// hashOf is what is kept of a code or an access token.
func hashOf(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

func sameHash(a, b []byte) bool { return len(a) > 0 && bytes.Equal(a, b) }

// grantName is how a grant is named in the record.
func grantName(id []byte) string { return "grant " + hex.EncodeToString(id) }
