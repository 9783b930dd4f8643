package oidc

import (
	"strconv"
	"strings"
)

// The two loopback literals for which the port is left open (RFC 8252 section
// 7.3); "localhost" is not among them (section 8.3).
var loopbackPrefixes = []string{"http://127.0.0.1", "http://[::1]"}

// redirectMatches tells whether the requested redirect URI is registered: by
// simple string comparison (RFC 3986 section 6.2.1, RFC 9700 section 2.1),
// except for the port of a registered loopback address. Nothing is parsed, so
// nothing can be understood in two ways.
func redirectMatches(registered []string, requested string) bool {
	for _, known := range registered {
		if known == requested {
			return true
		}
		for _, prefix := range loopbackPrefixes {
			if a, ok := afterPort(known, prefix); ok {
				b, ok := afterPort(requested, prefix)
				if ok && a == b {
					return true
				}
			}
		}
	}
	return false
}

// afterPort gives what follows prefix and an optional port, which has to be a
// path, a query or nothing.
func afterPort(uri, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(uri, prefix)
	if !ok {
		return "", false
	}
	if digits, found := strings.CutPrefix(rest, ":"); found {
		end := strings.IndexAny(digits, "/?")
		if end < 0 {
			end = len(digits)
		}
		port, err := strconv.ParseUint(digits[:end], 10, 16)
		if err != nil || port == 0 || strconv.FormatUint(port, 10) != digits[:end] {
			return "", false
		}
		rest = digits[end:]
	}
	if rest != "" && rest[0] != '/' && rest[0] != '?' {
		return "", false
	}
	return rest, true
}
