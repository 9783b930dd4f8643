package oidc_test

import (
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

// With the cache on: what this node ends is dead at once, what others change
// within the age.
func TestGrantCache(t *testing.T) {
	w := newWorld(t)
	w.server = w.node(func(p *oidc.Provider) { p.CacheGrants = time.Hour }) // cut to 500 ms
	reads := func(f func()) int64 {
		before := w.store.Stats().Reads
		f()
		return w.store.Stats().Reads - before
	}
	b := w.browser()
	got := w.redeem("app", w.codeIn(b, "app", "scope", "openid offline_access")).json(t)
	access := str(got["access_token"])
	w.userinfo(access)
	if n := reads(func() { w.userinfo(access); w.active("app", access) }); n != 0 {
		t.Errorf("%d reads of a token known a moment ago", n)
	}
	w.pass(501 * time.Millisecond)
	if n := reads(func() { w.userinfo(access) }); n == 0 {
		t.Error("no read after the age")
	}
	// A rotation here.
	second := w.refresh("app", str(got["refresh_token"])).json(t)
	if w.active("app", access) {
		t.Error("the token before the rotation is active")
	}
	// Reuse here.
	access = str(second["access_token"])
	w.userinfo(access)
	w.pass(2 * time.Minute)
	w.userinfo(access)
	w.refresh("app", str(got["refresh_token"]))
	if w.active("app", access) {
		t.Error("active after the family was ended here")
	}
	// A revocation here.
	access = str(w.tokens("app")["access_token"])
	w.userinfo(access)
	w.post(oidc.PathRevoke, "app", "token", access)
	if w.active("app", access) {
		t.Error("active after a revocation here")
	}
	// A logout here.
	got = w.redeem("app", w.codeIn(b, "app")).json(t)
	access = str(got["access_token"])
	w.userinfo(access)
	b.get(w.server.URL + oidc.PathLogout + "?id_token_hint=" + str(got["id_token"]))
	if w.active("app", access) {
		t.Error("active after a logout here")
	}
}

func TestGrantCache_OtherNodes(t *testing.T) {
	w := newWorld(t)
	w.server = w.node(func(p *oidc.Provider) { p.CacheGrants = time.Hour })
	other := w.node(nil)
	// A revocation on another node.
	access := str(w.tokens("app")["access_token"])
	w.userinfo(access)
	here := w.server
	w.server = other
	w.post(oidc.PathRevoke, "app", "token", access)
	w.server = here
	w.pass(500 * time.Millisecond)
	if w.active("app", access) {
		t.Error("active 500 ms after a revocation elsewhere")
	}
	// A person disabled.
	access = str(w.tokens("app")["access_token"])
	w.userinfo(access)
	w.setState("wang", idp.PersonDisabled)
	w.pass(500 * time.Millisecond)
	if w.active("app", access) || w.userinfo(access).status != 401 {
		t.Error("active 500 ms after the person was disabled")
	}
}
