package templates

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

var sourceHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)

// ContentSecurityPolicy is the policy of every page, with further origins that
// a form of this page may lead to. Chromium holds form-action against every
// redirect that follows a form, so the relying system's origin has to be in it.
func ContentSecurityPolicy(formAction ...string) string {
	policy := securityPolicy
	var seen []string
	for _, origin := range formAction {
		if source := formSource(origin); source != "" && !slices.Contains(seen, source) {
			seen = append(seen, source)
			policy += " " + source
		}
	}
	return policy
}

// formSource turns an origin or address into a source expression (Content
// Security Policy Level 3 section 2.3.1), or into nothing if it can't be one.
func formSource(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || executable(u.Scheme) {
		return ""
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return u.Scheme + ":" // an app's own scheme (RFC 8252 section 7.1)
	case sourceHost.MatchString(u.Host):
		return u.Scheme + "://" + strings.ToLower(u.Host)
	case strings.HasPrefix(u.Host, "["):
		return u.Scheme + ":" // the grammar has no IPv6 literal (RFC 8252 section 7.3)
	}
	return ""
}

func executable(scheme string) bool {
	switch strings.ToLower(scheme) {
	case "javascript", "data", "vbscript", "blob", "file", "filesystem", "about":
		return true
	}
	return false
}
