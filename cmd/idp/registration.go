package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/keys"
)

// checkClient refuses a registration that can't work or is not safe
// (RFC 7591 section 2, RFC 9700 section 2).
func checkClient(k *idp.Client) error {
	if err := checkNames(k); err != nil {
		return err
	}
	if err := checkAuthentication(k); err != nil {
		return err
	}
	if err := checkGrants(k); err != nil {
		return err
	}
	for _, uri := range k.RedirectURIs {
		if err := checkRedirect(uri); err != nil {
			return fmt.Errorf("--redirect-uri %q: %w", uri, err)
		}
	}
	for _, uri := range k.PostLogoutURIs {
		if err := checkRedirect(uri); err != nil {
			return fmt.Errorf("--post-logout-uri %q: %w", uri, err)
		}
	}
	for _, origin := range k.Origins {
		u, err := url.Parse(origin)
		if err != nil || checkRedirect(origin) != nil || origin != u.Scheme+"://"+u.Host {
			return fmt.Errorf("--origin %q: must be scheme and host, such as https://app.example.gov.tw", origin)
		}
	}
	return nil
}

func checkNames(k *idp.Client) error {
	for i := range len(k.ID) {
		if c := k.ID[i]; c < 0x21 || c > 0x7e { // RFC 6749 appendix A.1, without the space
			return errors.New("--id: only visible ASCII characters")
		}
	}
	if k.ID == "" || len(k.ID) > 100 {
		return errors.New("--id: from 1 to 100 characters")
	}
	if strings.TrimSpace(k.Name) == "" {
		return errors.New("--name is required: people see it")
	}
	if k.NameEN == "" {
		k.NameEN = k.Name
	}
	if k.URI != "" && checkRedirect(k.URI) != nil {
		return fmt.Errorf("--uri %q: must be an https address", k.URI)
	}
	if !slices.Contains(keys.AllAlgorithms(), k.IDTokenAlg) {
		return fmt.Errorf("--alg %q: must be one of %s", k.IDTokenAlg, strings.Join(keys.AllAlgorithms(), ", "))
	}
	return nil
}

func checkAuthentication(k *idp.Client) error {
	switch k.AuthMethods[0] {
	case idp.AuthSecretBasic, idp.AuthSecretPost:
	case idp.AuthPrivateKeyJWT:
		if k.JWKS == "" {
			return errors.New("--auth private_key_jwt needs --jwks FILE")
		}
	case idp.AuthNone:
		if k.PKCEOptional {
			return errors.New("--pkce optional: a public client always needs PKCE (RFC 9700 section 2.1.1)")
		}
		if slices.Contains(k.GrantTypes, "client_credentials") {
			return errors.New("--grant client_credentials: a public client has none (RFC 6749 section 4.4)")
		}
		if k.MayIntrospect {
			return errors.New("--may-introspect: a public client can't be told from others")
		}
	default:
		return fmt.Errorf("--auth %q: must be secret, client_secret_basic, client_secret_post, private_key_jwt or none", k.AuthMethods[0])
	}
	if k.JWKS != "" {
		if _, err := keys.ParseJWKS(k.JWKS); err != nil {
			return fmt.Errorf("--jwks: %w", err)
		}
	}
	return nil
}

func checkGrants(k *idp.Client) error {
	known := []string{"authorization_code", "refresh_token", "client_credentials"}
	for _, g := range k.GrantTypes {
		if !slices.Contains(known, g) {
			return fmt.Errorf("--grant %q: must be one of %s", g, strings.Join(known, ", "))
		}
	}
	for _, s := range k.Scopes {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }) {
			return fmt.Errorf("--scope %q: not a scope (RFC 6749 section 3.3)", s)
		}
	}
	if k.Allows("authorization_code") && len(k.RedirectURIs) == 0 {
		return errors.New("--redirect-uri is required for authorization_code")
	}
	if k.Allows("refresh_token") {
		if !k.Allows("authorization_code") {
			return errors.New("--grant refresh_token: only with authorization_code")
		}
		if !slices.Contains(k.Scopes, "offline_access") {
			k.Scopes = append(k.Scopes, "offline_access")
		}
	}
	return nil
}

// checkRedirect: https, or http on loopback, or the private scheme of an app
// (RFC 8252 section 7); nothing that could be read in two ways.
func checkRedirect(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs() || u.String() != uri:
		return errors.New("must be an absolute address in its plain form")
	case strings.ContainsAny(uri, "*\\ \t\r\n"):
		return errors.New("must not hold wildcards, backslashes or spaces")
	case strings.Contains(uri, "#"):
		return errors.New("must not have a fragment (RFC 6749 section 3.1.2)")
	case u.User != nil:
		return errors.New("must not hold a user name")
	case u.Scheme == "https" && u.Hostname() != "":
		return nil
	case u.Scheme == "http" && config.Loopback(u.Hostname()):
		return nil
	case strings.Contains(u.Scheme, ".") && u.Host == "":
		return nil // com.example.app:/callback
	}
	return errors.New("must be https (http on loopback only)")
}
