package oidc

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/keys"
)

// ErrClient says that a client's registration is not one we keep.
var ErrClient = errors.New("client registration refused")

func refuseClient(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrClient, fmt.Sprintf(format, args...))
}

// ValidateClient checks a registration before it is kept: whoever writes
// clients calls it. What it lets through can be redirected to and linked to.
func ValidateClient(c *idp.Client) error {
	if !validClientID(c.ID) || strings.ContainsAny(c.ID, " \"<>\\") {
		return refuseClient("client_id must be 1 to 255 visible ASCII characters without quotes or brackets")
	}
	if strings.TrimSpace(c.Name) == "" || len(c.Name) > 200 || len(c.NameEN) > 200 {
		return refuseClient("a name of at most 200 bytes is needed")
	}
	checks := []func(*idp.Client) error{validateAuth, validateGrants, validateRedirects, validateLinks, validateOrigins}
	for _, check := range checks {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func validateAuth(c *idp.Client) error {
	shared := []string{idp.AuthSecretBasic, idp.AuthSecretPost}
	switch {
	case len(c.AuthMethods) == 1 && c.AuthMethods[0] == idp.AuthNone:
		if len(c.SecretHash) > 0 || c.PKCEOptional || c.MayIntrospect {
			return refuseClient("a public client has no secret, always uses PKCE and may not introspect")
		}
		return nil
	case len(c.AuthMethods) == 1 && c.AuthMethods[0] == idp.AuthPrivateKeyJWT:
		if _, err := keys.ParseJWKS(c.JWKS); err != nil {
			return refuseClient("private_key_jwt needs a key set: %v", err)
		}
		return nil
	case len(c.AuthMethods) == 0:
		return refuseClient("a way of client authentication is needed")
	}
	for i, m := range c.AuthMethods {
		if !slices.Contains(shared, m) || slices.Contains(c.AuthMethods[:i], m) {
			return refuseClient("ways of client authentication: none, private_key_jwt, or client_secret_basic and client_secret_post")
		}
	}
	if len(c.SecretHash) != 32 {
		return refuseClient("a secret is needed")
	}
	return nil
}

func validateGrants(c *idp.Client) error {
	if len(c.GrantTypes) == 0 {
		return refuseClient("a grant type is needed")
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains(grantTypes, g) {
			return refuseClient("grant type %q is not supported", g)
		}
	}
	if c.Allows("refresh_token") && !c.Allows("authorization_code") {
		return refuseClient("refresh_token goes with authorization_code")
	}
	if c.Allows("client_credentials") && c.Public() {
		return refuseClient("client_credentials needs a client that can keep a secret")
	}
	if c.IDTokenAlg != "" && !slices.Contains(keys.AllAlgorithms(), c.IDTokenAlg) {
		return refuseClient("signing algorithm %q is not one of %v", c.IDTokenAlg, keys.AllAlgorithms())
	}
	if c.MinLevel < idp.LevelNone || c.MinLevel > idp.LevelCard {
		return refuseClient("the least level is 0 to 3")
	}
	if len(c.Scopes) > maxScopes {
		return refuseClient("at most %d scopes", maxScopes)
	}
	for _, s := range c.Scopes {
		if !validScope(s) {
			return refuseClient("scope %q is not a scope token", s)
		}
	}
	return nil
}

// validScope is the scope-token of RFC 6749 appendix A.4.
func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func validateRedirects(c *idp.Client) error {
	if c.Allows("authorization_code") && len(c.RedirectURIs) == 0 {
		return refuseClient("a redirect URI is needed")
	}
	for _, list := range [][]string{c.RedirectURIs, c.PostLogoutURIs} {
		for _, uri := range list {
			if err := validateRedirect(uri, c.Public()); err != nil {
				return err
			}
		}
	}
	return nil
}

// validateRedirect allows https anywhere, http on loopback only (RFC 8252
// section 7.3, RFC 9700 section 2.6), and for public clients a private-use
// scheme that is a reversed domain name (RFC 8252 section 7.1).
func validateRedirect(uri string, public bool) error {
	u, err := cleanURL(uri)
	if err != nil {
		return err
	}
	switch {
	case u.Scheme == "https" && u.Host != "":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case public && strings.Contains(u.Scheme, ".") && u.Host == "" && u.Opaque == "" && u.Path != "":
	default:
		return refuseClient("%q must be https, or http on loopback", uri)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// cleanURL refuses everything that two readers might read differently.
func cleanURL(uri string) (*url.URL, error) {
	if len(uri) > 2048 {
		return nil, refuseClient("an address is over 2048 bytes")
	}
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}*", c) >= 0 {
			return nil, refuseClient("%q has a character that an address can't have", uri)
		}
	}
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() {
		return nil, refuseClient("%q is not an absolute address", uri)
	}
	if u.User != nil || strings.Contains(uri, "#") {
		return nil, refuseClient("%q has user information or a fragment", uri)
	}
	if _, port, found := strings.Cut(strings.TrimPrefix(u.Host, "["+u.Hostname()+"]"), ":"); found {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, refuseClient("%q has no such port", uri)
		}
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, refuseClient("%q has a dot segment", uri)
		}
	}
	if u.Scheme != strings.SplitN(uri, ":", 2)[0] || u.Host != strings.ToLower(u.Host) {
		return nil, refuseClient("%q: scheme and host are written small", uri)
	}
	return u, nil
}

func validateLinks(c *idp.Client) error {
	if c.URI == "" {
		return nil
	}
	u, err := cleanURL(c.URI)
	if err != nil {
		return err
	}
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return refuseClient("%q must be https, or http on loopback", c.URI)
	}
	return nil
}

func validateOrigins(c *idp.Client) error {
	for _, origin := range c.Origins {
		u, err := cleanURL(origin)
		if err != nil {
			return err
		}
		https := u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
		if !https || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			return refuseClient("%q is not an origin", origin)
		}
	}
	return nil
}
