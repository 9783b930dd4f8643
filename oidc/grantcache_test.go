package oidc_test

import (
	"net/http/httptest"
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

// A family that is refreshed now here, now there, with the cache on everywhere.
func TestGrantCache_RefreshOnAnyNode(t *testing.T) {
	w := newWorld(t)
	cached := func(p *oidc.Provider) { p.CacheGrants = time.Hour }
	nodes := []*httptest.Server{w.node(cached), w.node(cached)}
	w.server = nodes[0]
	token := str(w.tokens("app", "scope", "openid offline_access")["refresh_token"])
	first := token
	for i := range 12 {
		w.server = nodes[i/2%2] // twice on one, then twice on the other
		a := w.refresh("app", token)
		if a.status != 200 {
			t.Fatalf("refresh %d: %d %s", i, a.status, a.body)
		}
		before := token
		token = str(a.json(t)["refresh_token"])
		w.server = nodes[(i/2+1)%2]
		if again := w.refresh("app", before); again.status != 200 || str(again.json(t)["refresh_token"]) != token {
			t.Fatalf("the retry of refresh %d elsewhere: %d %s", i, again.status, again.body)
		}
	}
	if a := w.refresh("app", first); a.status == 200 {
		t.Error("the first token of the family still works")
	}
	for _, w.server = range nodes {
		w.pass(500 * time.Millisecond)
		if a := w.refresh("app", token); a.status == 200 {
			t.Error("the family outlives its reuse")
		}
	}
}

// A code used on one node and again on the one that issued it.
func TestGrantCache_CodeReuseAcrossNodes(t *testing.T) {
	w := newWorld(t)
	cached := func(p *oidc.Provider) { p.CacheGrants = time.Hour }
	issuer, other := w.node(cached), w.node(cached)
	w.server = issuer
	code := w.codeIn(w.browser(), "app")
	w.server = other
	got := w.redeem("app", code).json(t)
	w.server = issuer
	if a := w.redeem("app", code); a.status != 400 {
		t.Fatalf("the second use: %d", a.status)
	}
	w.pass(500 * time.Millisecond)
	for _, w.server = range []*httptest.Server{issuer, other} {
		if w.active("app", str(got["access_token"])) {
			t.Error("active after its code was used twice")
		}
	}
}

// Whatever a node writes of a grant, what it knows of the person does not become
// younger by that: a chain of refreshes ends with the person.
func TestGrantCache_ChainEndsWithThePerson(t *testing.T) {
	w := newWorld(t)
	w.server = w.node(func(p *oidc.Provider) { p.CacheGrants = time.Hour })
	token := str(w.tokens("app", "scope", "openid offline_access")["refresh_token"])
	w.setState("wang", idp.PersonDisabled)
	for passed := time.Duration(0); ; {
		w.pass(100 * time.Millisecond)
		passed += 100 * time.Millisecond
		a := w.refresh("app", token)
		if a.status != 200 {
			break
		}
		if passed >= 500*time.Millisecond {
			t.Fatalf("refreshed %v after the person was disabled", passed)
		}
		token = str(a.json(t)["refresh_token"])
	}
}

// The same from a believed session: half a second after it ended elsewhere there
// is neither a code nor a token left.
func TestGrantCache_TokensOfABelievedSession(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.sessions.Believe = time.Hour
		w.server = w.node(func(p *oidc.Provider) { p.CacheGrants = time.Hour })
		b := w.browser()
		silently := func() string {
			return b.authorize(w.request("app", "prompt", "none")).sent().Get("code")
		}
		w.codeIn(b, "app")
		if silently() == "" {
			t.Fatal("not logged in")
		}
		open, err := w.store.PersonSessions(t.Context(), "wang", w.now())
		must(t, err)
		_, err = w.store.EndSession(t.Context(), open[0].ID, w.now()) // as another node does
		must(t, err)
		access := ""
		for range 4 {
			w.pass(100 * time.Millisecond)
			if a := w.redeem("app", silently()); a.status == 200 {
				access = str(a.json(t)["access_token"])
			}
		}
		if access == "" {
			t.Fatal("nothing was believed: the test shows nothing")
		}
		w.pass(100 * time.Millisecond)
		if w.active("app", access) || w.userinfo(access).status != 401 {
			t.Error("a token lives half a second after its session ended elsewhere")
		}
		if silently() != "" {
			t.Error("a code is given half a second after the session ended elsewhere")
		}
	})
}
