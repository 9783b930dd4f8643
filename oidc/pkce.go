package oidc

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
)

// challengeLength is that of a base64url SHA-256 (RFC 7636 section 4.2).
const challengeLength = 43

// checkChallenge refuses an authorization request without a good code
// challenge. S256 is the only method: plain, also as the default of a missing
// method, is refused (RFC 9700 section 2.1.1).
func checkChallenge(c *client, form url.Values) error {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	if challenge == "" {
		if method != "" || !c.PKCEOptional || c.Public() {
			return newFault(codeInvalidRequest, "a code_challenge with method S256 is required")
		}
		return nil
	}
	if method != "S256" {
		return newFault(codeInvalidRequest, "code_challenge_method must be S256")
	}
	if len(challenge) != challengeLength || !unreserved(challenge) {
		return newFault(codeInvalidRequest, "code_challenge must be a SHA-256 in base64url")
	}
	return nil
}

// verifierMatches checks the code verifier (RFC 7636 section 4.6). A verifier
// for a code that had no challenge is refused (RFC 9700 section 4.8.2), and a
// challenge needs its verifier at every try.
func verifierMatches(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 || !unreserved(verifier) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) == 1
}

// unreserved tells whether s has no other characters than those of RFC 3986
// section 2.3.
func unreserved(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}
