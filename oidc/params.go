package oidc

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Limits of what we read. They are documented in docs/divergences.md.
const (
	maxBody       = 64 << 10
	maxQuery      = 64 << 10
	maxParameters = 100
	maxKept       = 32 << 10 // of an authorization request that waits for its person
	maxState      = 8 << 10
	maxNonce      = 4 << 10
)

var errRepeated = newFault(codeInvalidRequest, "a parameter is included more than once")

// parameters reads the query and, of a POST, the form. Each parameter comes
// once, in one of them (RFC 6749 section 3.1); one without a value counts as
// left out (same section). The result has exactly one value for each name.
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, newFault(codeInvalidRequest, "the query is too long")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newFault(codeInvalidRequest, "the query can't be parsed")
	}
	all := url.Values{}
	if err := merge(all, query); err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost {
		return all, nil
	}
	body, err := formBody(w, r)
	if err != nil {
		return nil, err
	}
	if err := merge(all, body); err != nil {
		return nil, err
	}
	return all, nil
}

// bodyParameters is for the endpoints that read their form only. A parameter
// that is in the query too is refused; secrets in the query are not looked at
// (RFC 6749 section 2.3.1).
func bodyParameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := formBody(w, r)
	if err != nil {
		return nil, err
	}
	clean := make(url.Values, len(body))
	if err := merge(clean, body); err != nil {
		return nil, err
	}
	if r.URL.RawQuery == "" {
		return clean, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newFault(codeInvalidRequest, "the query can't be parsed")
	}
	for name, values := range query {
		if len(values) > 1 || body.Has(name) {
			return nil, errRepeated
		}
	}
	return clean, nil
}

func formBody(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, newFault(codeInvalidRequest, "the body must be application/x-www-form-urlencoded")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		f := newFault(codeInvalidRequest, "the body is too large")
		f.status = http.StatusRequestEntityTooLarge
		return nil, f
	}
	if err != nil {
		return nil, newFault(codeInvalidRequest, "the body can't be read")
	}
	body, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, newFault(codeInvalidRequest, "the body can't be parsed")
	}
	return body, nil
}

func merge(into, from url.Values) error {
	if len(into)+len(from) > maxParameters {
		return newFault(codeInvalidRequest, "too many parameters")
	}
	for name, values := range from {
		if len(values) > 1 || into.Has(name) {
			return errRepeated
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return newFault(codeInvalidRequest, "a parameter is not UTF-8")
		}
		if values[0] != "" {
			into[name] = values
		}
	}
	return nil
}

// words splits a space-delimited list, each word once, in its order.
func words(s string) []string {
	var out []string
	seen := map[string]bool{}
	for w := range strings.SplitSeq(s, " ") {
		if w != "" && !seen[w] {
			seen[w], out = true, append(out, w)
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// validClientID tells whether s can be a client identifier at all (RFC 6749
// appendix A.1), so that nothing else reaches the store.
func validClientID(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// kept are the parameters of requests that are saved. What we don't know is
// not.
var kept = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "prompt", "max_age", "display", "ui_locales", "claims_locales",
	"id_token_hint", "login_hint", "acr_values", "claims", "request", "request_uri", "registration",
	"post_logout_redirect_uri",
}

// known leaves out the parameters that are not ours to understand.
func known(form url.Values) url.Values {
	out := make(url.Values, len(form))
	for _, name := range kept {
		if v, ok := form[name]; ok {
			out[name] = v
		}
	}
	return out
}

func size(form url.Values) int {
	n := 0
	for name, values := range form {
		n += len(name) + len(values[0])
	}
	return n
}
