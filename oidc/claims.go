package oidc

import (
	"slices"

	idp "taipeion.internal/idp"
)

// The scopes about a person (OpenID Connect Core 1.0 section 5.4), and ours.
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopePhone   = "phone"
	scopeAddress = "address"
	scopeOffline = "offline_access"
	scopeAgency  = "agency"
)

// personScopes say something about a person; a client without one can't have
// them.
var personScopes = []string{scopeOpenID, scopeProfile, scopeEmail, scopePhone, scopeAddress, scopeOffline, scopeAgency}

// scopeClaims names the claims of each scope, in the order of the metadata.
var scopeClaims = []struct {
	scope  string
	claims []string
}{
	{scopeProfile, []string{"name", "preferred_username", "updated_at"}},
	{scopeEmail, []string{"email", "email_verified"}},
	{scopePhone, []string{"phone_number", "phone_number_verified"}},
	{scopeAddress, []string{"address"}},
	{scopeAgency, []string{"agency_code", "agency_name", "unit", "title"}},
}

// personClaim gives a claim's value; ok is false where nothing is known (Core
// section 5.3.2: a claim without a value is left out).
func personClaim(p *idp.Person, name string) (value any, ok bool) {
	text := func(s string) (any, bool) { return s, s != "" }
	switch name {
	case "name":
		return text(p.Name)
	case "preferred_username":
		return text(p.Username)
	case "updated_at":
		return p.UpdatedAt.Unix(), !p.UpdatedAt.IsZero()
	case "email":
		return text(p.Email)
	case "email_verified":
		return true, p.Email != "" // the city's own mail system hands it out
	case "phone_number":
		return text(p.Phone)
	case "phone_number_verified":
		return false, p.Phone != "" // as the personnel register has it
	case "address":
		return map[string]string{"formatted": p.Address}, p.Address != ""
	case "agency_code":
		return text(p.Agency.Code)
	case "agency_name":
		return text(p.Agency.Name)
	case "unit":
		return text(p.Unit)
	case "title":
		return text(p.Title)
	}
	return nil, false
}

// addPersonClaims adds the claims of the scopes and those asked for one by one.
func addPersonClaims(into map[string]any, p *idp.Person, scopes []string, asked map[string]*claimWish, allowed []string) {
	for _, sc := range scopeClaims {
		if !slices.Contains(scopes, sc.scope) {
			continue
		}
		for _, name := range sc.claims {
			if wish := asked[name]; wish != nil && len(wish.wanted()) > 0 {
				continue // by value: below
			}
			if v, ok := personClaim(p, name); ok {
				into[name] = v
			}
		}
	}
	for name, wish := range asked {
		if !claimAllowed(name, allowed) {
			continue
		}
		if v, ok := personClaim(p, name); ok && wish.accepts(v) {
			into[name] = v
		}
	}
}

// claimAllowed tells whether a client that is registered for those scopes may
// ask for the claim by name: no more than by scope.
func claimAllowed(name string, registered []string) bool {
	for _, sc := range scopeClaims {
		if slices.Contains(sc.claims, name) {
			return slices.Contains(registered, sc.scope)
		}
	}
	return false
}
