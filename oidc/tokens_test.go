package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func TestT021_ChallengeAndVerifier(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"app", "spa", "third", "signed", "native"} {
		for name, extra := range map[string][]string{
			"none":          {"code_challenge", "", "code_challenge_method", ""},
			"plain":         {"code_challenge", verifier, "code_challenge_method", "plain"},
			"no method":     {"code_challenge_method", ""},
			"other method":  {"code_challenge_method", "S512"},
			"small method":  {"code_challenge_method", "s256"},
			"method alone":  {"code_challenge", ""},
			"short":         {"code_challenge", "abc"},
			"42 characters": {"code_challenge", challenge()[:42]},
			"44 characters": {"code_challenge", challenge() + "A"},
			"padded":        {"code_challenge", challenge()[:42] + "="},
		} {
			if a := w.browser().authorize(w.request(id, extra...)); a.sent().Get("error") != "invalid_request" {
				t.Errorf("%s, %s: %v", id, name, a.location())
			}
		}
	}
	for _, v := range []string{verifier[:42], strings.Repeat("v", 129), verifier + " ", verifier[:43] + "王"} {
		expect(t, w.redeem("app", w.code("app"), "code_verifier", v), 400, "invalid_grant")
	}
}

func TestT023_VerifierWithoutChallenge(t *testing.T) {
	w := newWorld(t)
	legacy := func() string { return w.code("legacy", "code_challenge", "", "code_challenge_method", "") }
	code := legacy()
	expect(t, w.redeem("legacy", code), 400, "invalid_grant")
	if a := w.redeem("legacy", code, "code_verifier", ""); a.status != 200 {
		t.Errorf("a legacy client without PKCE: %d %s", a.status, a.body)
	}
	expect(t, w.redeem("legacy", w.code("legacy"), "code_verifier", ""), 400, "invalid_grant")
	a := w.browser().authorize(w.request("legacy", "code_challenge", verifier, "code_challenge_method", "plain"))
	if a.sent().Get("error") != "invalid_request" {
		t.Errorf("plain for a legacy client: %v", a.location())
	}
}

func TestT024_CodeUsedTwice(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		for _, id := range []string{"app", "spa", "jwt"} {
			bystander := w.tokens(id, "scope", "openid offline_access")
			code := w.code(id, "scope", "openid offline_access")
			got := w.redeem(id, code).json(t)
			expect(t, w.redeem(id, code), 400, "invalid_grant")
			if w.active("service", str(got["access_token"])) || w.userinfo(str(got["access_token"])).status != 401 {
				t.Errorf("%s: the access token lives on", id)
			}
			expect(t, w.refresh(id, str(got["refresh_token"])), 400, "invalid_grant")
			if !w.active("service", str(bystander["access_token"])) {
				t.Errorf("%s: another grant died", id)
			}
		}
	})
}

func TestT025_ReplayByWhoeverHasNoProof(t *testing.T) {
	w := newWorld(t)
	code := w.code("spa")
	got := w.redeem("spa", code).json(t)
	expect(t, w.redeem("spa", code, "code_verifier", strings.Repeat("x", 43)), 400, "invalid_grant")
	expect(t, w.redeem("native", code, "redirect_uri", "https://rp.test/cb"), 400, "invalid_grant")
	if !w.active("service", str(got["access_token"])) {
		t.Error("a stolen code without its verifier ended a public client's tokens")
	}
}

// Two nodes, several codes, parallel redemptions.
func TestT026_ParallelRedemption(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		second := w.node(nil)
		for range 12 {
			code := w.code("app")
			form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://rp.test/cb"},
				"code_verifier": {verifier}, "client_id": {"app"}, "client_secret": {secret}}
			var mu sync.Mutex
			var wg sync.WaitGroup
			won := 0
			for i := range 8 {
				base := w.server.URL
				if i%2 == 1 {
					base = second.URL
				}
				wg.Go(func() {
					a := w.browser().post(base+oidc.PathToken, form)
					mu.Lock()
					defer mu.Unlock()
					switch a.status {
					case 200:
						won++
					case 400:
					default:
						t.Errorf("%d %s", a.status, a.body)
					}
				})
			}
			wg.Wait()
			if won > 1 {
				t.Errorf("%d redemptions of one code", won)
			}
		}
	})
}

func TestT027_CodeOfAnother(t *testing.T) {
	w := newWorld(t)
	code := w.code("app")
	for _, id := range []string{"other", "spa", "third"} {
		expect(t, w.redeem(id, code, "redirect_uri", "https://rp.test/cb"), 400, "invalid_grant")
	}
	altered := []byte(code)
	altered[10] ^= 1
	expect(t, w.redeem("app", string(altered)), 400, "invalid_grant")
	for _, uri := range []string{"", "https://rp.test/cb/", "https://rp.test/CB", "https://evil.test/"} {
		expect(t, w.redeem("app", code, "redirect_uri", uri), 400, "invalid_grant")
	}
	if a := w.redeem("app", code); a.status != 200 {
		t.Errorf("the code was burnt by others: %d %s", a.status, a.body)
	}
}

func TestT028_CodeLife(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		code, late := w.code("app"), w.code("app")
		w.pass(59 * time.Second)
		if a := w.redeem("app", code); a.status != 200 {
			t.Errorf("59 s: %d %s", a.status, a.body)
		}
		w.pass(2 * time.Second)
		expect(t, w.redeem("app", late), 400, "invalid_grant")
	})
}

func TestT029_ValuesOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("app", "scope", "openid offline_access")
	w.stay = true
	b := w.browser()
	handle := b.authorize(w.request("app")).at.Query().Get("flow")
	w.stay = false
	code := w.code("app")
	values := map[string]string{"access": str(got["access_token"]), "refresh": str(got["refresh_token"]), "id": str(got["id_token"]),
		"flow": handle, "code": code}
	for kind, v := range values {
		if kind != "code" {
			expect(t, w.redeem("app", v), 400, "invalid_grant")
		}
		if kind != "refresh" {
			expect(t, w.refresh("app", v), 400, "invalid_grant")
		}
		if kind != "access" {
			if a := w.userinfo(v); a.status != 401 {
				t.Errorf("userinfo took a %s", kind)
			}
		}
		if kind != "access" && kind != "refresh" && w.active("app", v) {
			t.Errorf("introspection took a %s", kind)
		}
		if kind != "flow" {
			if a := b.get(w.server.URL + oidc.PathAuthorize + "?flow=" + v); a.status != 400 {
				t.Errorf("a %s as flow: %d", kind, a.status)
			}
		}
		if kind == "code" || kind == "flow" || kind == "id" {
			if a := w.post(oidc.PathRevoke, "app", "token", v); a.status != 200 {
				t.Errorf("revoking a %s: %d", kind, a.status)
			}
		}
	}
	if a := w.redeem("app", code); a.status != 200 {
		t.Errorf("the code was changed: %d %s", a.status, a.body)
	}
	if !w.active("app", values["access"]) {
		t.Error("the access token was changed")
	}
	if a := b.follow(b.get(w.server.URL + oidc.PathAuthorize + "?flow=" + handle)); a.sent().Get("code") == "" {
		t.Errorf("the flow was changed: %d", a.status)
	}
}

// grantID reads the grant's ID at the beginning of a code or an access token.
func grantID(t *testing.T, token string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	return raw[:16]
}

// The grant's ID in a token only says where to look: under another grant's, or
// with anything else changed, it is none.
func TestT038_TokensUnderAnotherGrantsID(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		swap := func(token, other string) string {
			a, err := base64.RawURLEncoding.DecodeString(token)
			must(t, err)
			return b64(append(grantID(t, other), a[16:]...))
		}
		one, two := str(w.tokens("app")["access_token"]), str(w.tokens("app")["access_token"])
		codeOne, codeTwo := w.code("app"), w.code("app")
		for _, bad := range []string{swap(one, two), swap(two, one), one[:len(one)-1], one + "A", one + ".1", one + "." + one, codeOne} {
			if w.active("app", bad) || w.userinfo(bad).status == 200 {
				t.Errorf("active: %q", bad)
			}
		}
		for _, bad := range []string{swap(codeOne, codeTwo), codeOne + "A", one} {
			if a := w.redeem("app", bad); a.status != 400 {
				t.Errorf("redeemed: %d %s", a.status, a.body)
			}
		}
		if !w.active("app", one) || !w.active("app", two) || w.redeem("app", codeOne).status != 200 || w.redeem("app", codeTwo).status != 200 {
			t.Error("what is good does not work any more")
		}
	})
}

// Every value that the store keeps, presented as a credential.
func TestT039_KeptValuesAreUseless(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	code := w.code("app")
	got := w.redeem("app", code).json(t)
	g, _, err := w.store.GrantByCode(ctx, grantID(t, code), hash(code))
	must(t, err)
	kept := [][]byte{g.ID, g.CodeHash, g.AccessHash, g.Request, slices.Concat(g.ID, g.CodeHash), slices.Concat(g.ID, g.AccessHash)}
	c, err := w.store.Client(ctx, "app")
	must(t, err)
	kept = append(kept, c.SecretHash)
	for _, raw := range kept {
		for _, v := range []string{url.QueryEscape(string(raw)), b64(raw), hexOf(raw)} {
			if w.active("service", v) || w.redeem("app", v).status == 200 || w.refresh("app", v).status == 200 {
				t.Errorf("a kept value works: %.16q", v)
			}
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"service"}, "client_secret": {v}}
			if a := w.browser().post(w.server.URL+oidc.PathToken, form); a.status == 200 {
				t.Error("a kept value works as secret")
			}
			req, _ := http.NewRequest(http.MethodGet, w.server.URL+oidc.PathAuthorize+"?"+w.request("app", "prompt", "none").Encode(), nil)
			req.AddCookie(&http.Cookie{Name: w.sessions.CookieName(), Value: b64(raw)})
			if w.browser().do(req).sent().Get("code") != "" {
				t.Error("a kept value works as cookie")
			}
		}
	}
	if !w.active("app", str(got["access_token"])) {
		t.Error("the real one died of it")
	}
}

func TestT044_TokenOfAnotherAudience(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("jwt", "scope", "documents.read")
	if a := w.userinfo(str(got["access_token"])); a.status != 403 || !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("a token without openid at userinfo: %d %s", a.status, a.header.Get("WWW-Authenticate"))
	}
	c := claims(t, got["access_token"])
	if aud, _ := c["aud"].([]any); len(aud) != 1 || aud[0] != "https://api.test" || c["client_id"] != "jwt" || c["scope"] != "documents.read" {
		t.Errorf("%v", c)
	}
	own := w.post(oidc.PathToken, "service", "grant_type", "client_credentials").json(t)
	if a := w.userinfo(str(own["access_token"])); a.status != 401 && a.status != 403 {
		t.Errorf("a system's own token at userinfo: %d", a.status)
	}
}

func TestT045_SubjectIsNotInherited(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("app", "scope", "openid offline_access")
	if claims(t, got["id_token"])["sub"] != "sub-wang" {
		t.Fatal("sub")
	}
	// The same name and mail, another person.
	again := *mustPerson(t, w, "wang")
	again.ID, again.Subject = "wang2", "sub-wang2"
	old := *mustPerson(t, w, "wang")
	old.State = idp.PersonDeparted
	w.putPerson(old)
	w.putPerson(again)
	w.person = "wang2"
	fresh := w.tokens("app", "scope", "openid")
	if claims(t, fresh["id_token"])["sub"] != "sub-wang2" {
		t.Error("the subject came back")
	}
	if w.active("app", str(got["access_token"])) || w.refresh("app", str(got["refresh_token"])).status == 200 {
		t.Error("the departed person's tokens live on")
	}
}
