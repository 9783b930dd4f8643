package oidc_test

import (
	"testing"
)

func TestCodeFlow_EndToEnd(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		for _, id := range []string{"app", "third", "spa", "eddsa", "ps", "jwt"} {
			got := w.tokens(id, "scope", "openid profile email agency")
			c := claims(t, got["id_token"])
			if c["iss"] != w.issuer || c["sub"] != "sub-wang" || c["aud"] != id || c["nonce"] != "no" ||
				c["acr"] != "urn:taipeion:acr:1" || got["token_type"] != "Bearer" {
				t.Errorf("%s: %v %v", id, got, c)
			}
			info := w.userinfo(str(got["access_token"])).json(t)
			if info["sub"] != "sub-wang" || info["preferred_username"] != "ab1234" || info["agency_name"] != "資訊局" {
				t.Errorf("%s: %v", id, info)
			}
			if !w.active(map[bool]string{true: "service", false: id}[id == "spa"], str(got["access_token"])) {
				t.Errorf("%s: not active", id)
			}
		}
	})
}
