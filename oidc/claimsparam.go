package oidc

import (
	"bytes"
	"encoding/json"
	"slices"

	idp "taipeion.internal/idp"
)

const maxClaims = 8 << 10

// claimsRequest is the claims parameter (OpenID Connect Core 1.0 section 5.5):
// what is asked for beyond the scopes.
type claimsRequest struct {
	UserInfo map[string]*claimWish `json:"userinfo,omitempty"`
	IDToken  map[string]*claimWish `json:"id_token,omitempty"`
}

// claimWish is how one claim is asked for (Core section 5.5.1); nil: as a
// voluntary claim.
type claimWish struct {
	Essential bool              `json:"essential,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"`
}

// wanted lists the values that would do, nil for any.
func (c *claimWish) wanted() []json.RawMessage {
	if c == nil {
		return nil
	}
	if len(c.Value) > 0 && string(c.Value) != "null" {
		return append([]json.RawMessage{c.Value}, c.Values...)
	}
	return c.Values
}

// accepts tells whether a claim of that value is what was asked for.
func (c *claimWish) accepts(value any) bool {
	wanted := c.wanted()
	if len(wanted) == 0 {
		return true
	}
	have, err := json.Marshal(value)
	if err != nil {
		return false
	}
	for _, w := range wanted {
		// Re-encoded, so that only the value counts and not its spelling.
		var v any
		if json.Unmarshal(w, &v) != nil {
			continue
		}
		if text, err := json.Marshal(v); err == nil && bytes.Equal(text, have) {
			return true
		}
	}
	return false
}

func (c *claimWish) strings() []string {
	var out []string
	for _, raw := range c.wanted() {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			out = append(out, s)
		}
	}
	return out
}

// readClaims reads the claims parameter into the request. acr and sub decide
// about the login and go to policy; the others about the answer.
func (q *request) readClaims(text string) error {
	if len(text) > maxClaims || json.Unmarshal([]byte(text), &q.claims) != nil {
		return newFault(codeInvalidRequest, "claims is not the JSON that it should be")
	}
	for _, part := range []map[string]*claimWish{q.claims.IDToken, q.claims.UserInfo} {
		if sub := part["sub"]; len(sub.wanted()) > 0 && !q.narrow(sub.strings()) {
			return newFault(codeInvalidRequest, "the claims name nobody who could come")
		}
	}
	q.ask.Scopes = q.consentScopes()
	wish := q.claims.IDToken["acr"]
	asked := wish.strings()
	var levels []idp.Level
	for _, v := range asked {
		if l, ok := idp.ParseACR(v); ok {
			levels = append(levels, l)
		}
	}
	switch {
	case wish == nil || len(wish.wanted()) == 0:
	case !wish.Essential:
		q.ask.Voluntary = append(q.ask.Voluntary, levels...)
	case len(levels) == 0: // Core section 5.5.1.1: a failed authentication
		return newFault(codeUnmetAuthentication, "no such authentication context is known here")
	default:
		q.ask.Essential = levels
	}
	return nil
}

// narrow says that it must be one of these people (Core section 5.5.1), and one
// of those named before. It tells whether that leaves anybody.
func (q *request) narrow(subjects []string) bool {
	before := q.ask.Subjects
	if q.ask.Subject != "" {
		before = []string{q.ask.Subject}
	}
	subjects = slices.DeleteFunc(slices.Clone(subjects), func(s string) bool {
		return s == "" || len(before) > 0 && !contains(before, s)
	})
	q.ask.Subject, q.ask.Subjects = "", nil
	if len(subjects) == 1 {
		q.ask.Subject = subjects[0]
	} else {
		q.ask.Subjects = subjects
	}
	return len(subjects) > 0
}

// consentScopes are the scopes that the person is asked about: those that will
// be granted, and those behind each claim that is asked for by itself.
func (q *request) consentScopes() []string {
	scopes := slices.Clone(q.scopes)
	for _, sc := range scopeClaims {
		behind := slices.ContainsFunc(sc.claims, func(name string) bool {
			_, info := q.claims.UserInfo[name]
			_, token := q.claims.IDToken[name]
			return info || token
		})
		if behind && contains(q.client.Scopes, sc.scope) && !contains(scopes, sc.scope) {
			scopes = append(scopes, sc.scope)
		}
	}
	return scopes
}
