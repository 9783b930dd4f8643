package oidc_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/session"
)

func hash(s string) []byte  { return session.HandleHash(s) }
func b64(b []byte) string   { return base64.RawURLEncoding.EncodeToString(b) }
func hexOf(b []byte) string { return hex.EncodeToString(b) }

func mustPerson(t testing.TB, w *world, id string) *idp.Person {
	t.Helper()
	p, err := w.store.Person(t.Context(), id)
	must(t, err)
	return p
}

func (w *world) putPerson(p idp.Person) {
	w.t.Helper()
	must(w.t, w.store.PutPerson(w.t.Context(), directory.Record{Person: p}))
}

func (w *world) setState(id string, s idp.PersonState) {
	w.t.Helper()
	p := *mustPerson(w.t, w, id)
	p.State = s
	w.putPerson(p)
}

func TestT030_RotatedRefreshTokenReused(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		first := w.tokens("app", "scope", "openid offline_access")
		second := w.refresh("app", str(first["refresh_token"])).json(t)
		third := w.refresh("app", str(second["refresh_token"])).json(t)
		// Two generations old: no retry, even within the grace.
		expect(t, w.refresh("app", str(first["refresh_token"])), 400, "invalid_grant")
		for _, tokens := range []map[string]any{first, second, third} {
			expect(t, w.refresh("app", str(tokens["refresh_token"])), 400, "invalid_grant")
			if w.active("app", str(tokens["access_token"])) {
				t.Error("an access token of the family lives on")
			}
		}
		// One generation old, after the grace.
		first = w.tokens("app", "scope", "openid offline_access")
		second = w.refresh("app", str(first["refresh_token"])).json(t)
		w.pass(61 * time.Second)
		expect(t, w.refresh("app", str(first["refresh_token"])), 400, "invalid_grant")
		expect(t, w.refresh("app", str(second["refresh_token"])), 400, "invalid_grant")
	})
}

func TestT031_RefreshIsBoundToItsClient(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("app", "scope", "openid offline_access")
	token := str(got["refresh_token"])
	for _, id := range []string{"other", "spa", "third"} {
		expect(t, w.refresh(id, token), 400, "invalid_grant")
	}
	second := w.refresh("app", token)
	if second.status != 200 {
		t.Fatalf("another client's try ended it: %d %s", second.status, second.body)
	}
	expect(t, w.refresh("other", token), 400, "invalid_grant")
	if !w.active("app", str(second.json(t)["access_token"])) {
		t.Error("another client's replay ended the family")
	}
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	raw[20] ^= 1
	expect(t, w.refresh("app", b64(raw)), 400, "invalid_grant")
}

func TestRefresh_ParallelRetriesNeverBranch(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		second := w.node(nil)
		token := str(w.tokens("app", "scope", "openid offline_access")["refresh_token"])
		for range 4 {
			var mu sync.Mutex
			var wg sync.WaitGroup
			successors := map[string]bool{}
			for i := range 8 {
				base := w.server.URL
				if i%2 == 1 {
					base = second.URL
				}
				wg.Go(func() {
					a := w.browser().post(base+oidc.PathToken, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token},
						"client_id": {"app"}, "client_secret": {secret}})
					mu.Lock()
					defer mu.Unlock()
					if a.status != 200 {
						t.Errorf("an honest retry: %d %s", a.status, a.body)
						return
					}
					m := a.json(t)
					successors[str(m["refresh_token"])+" "+str(m["access_token"])] = true
					token = str(m["refresh_token"])
				})
			}
			wg.Wait()
			if len(successors) != 1 {
				t.Fatalf("%d successors of one token", len(successors))
			}
			w.pass(time.Second)
		}
	})
}

func TestT032_RefreshAgainstRevoke(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		for range 12 {
			first := w.tokens("app", "scope", "openid offline_access")
			var wg sync.WaitGroup
			var refreshed, revoked *reply
			wg.Go(func() { refreshed = w.refresh("app", str(first["refresh_token"])) })
			wg.Go(func() { revoked = w.post(oidc.PathRevoke, "app", "token", str(first["refresh_token"])) })
			wg.Wait()
			if revoked.status != 200 {
				t.Fatalf("revoke: %d %s", revoked.status, revoked.body)
			}
			all := []map[string]any{first}
			if refreshed.status == 200 {
				all = append(all, refreshed.json(t))
			}
			for _, tokens := range all {
				if w.active("app", str(tokens["access_token"])) || w.refresh("app", str(tokens["refresh_token"])).status == 200 {
					t.Fatal("something of a revoked family is active")
				}
			}
		}
	})
}

func TestT034_WhatEndsARefresh(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		second := w.node(nil)
		for name, change := range map[string]struct {
			client   string
			do, undo func()
			code     string
		}{
			"person disabled": {"app", func() { w.setState("wang", idp.PersonDisabled) },
				func() { w.setState("wang", idp.PersonEnabled) }, "invalid_grant"},
			"person departed": {"app", func() { w.setState("wang", idp.PersonDeparted) },
				func() { w.setState("wang", idp.PersonEnabled) }, "invalid_grant"},
			"consent withdrawn": {"third", func() { must(t, w.store.SaveConsent(t.Context(), "wang", "third", nil, w.now())) },
				func() {}, "invalid_grant"},
			"client disabled": {"other", func() { w.changeClient("other", func(c *idp.Client) { c.Disabled = true }) },
				func() { w.changeClient("other", func(c *idp.Client) { c.Disabled = false }) }, "invalid_client"},
			"grant type removed": {"jwt", func() {
				w.changeClient("jwt", func(c *idp.Client) { c.GrantTypes = []string{"authorization_code"} })
			}, func() {}, "unauthorized_client"},
		} {
			got := w.tokens(change.client, "scope", "openid offline_access")
			change.do()
			for _, base := range []string{w.server.URL, second.URL} {
				a := w.browser().post(base+oidc.PathToken, url.Values{"grant_type": {"refresh_token"},
					"refresh_token": {str(got["refresh_token"])}, "client_id": {change.client}, "client_secret": {secret}})
				if a.json(t)["error"] != change.code {
					t.Errorf("%s: %d %s", name, a.status, a.body)
				}
			}
			if change.code == "invalid_grant" || name == "client disabled" {
				if w.userinfo(str(got["access_token"])).status != 401 || w.active("service", str(got["access_token"])) {
					t.Errorf("%s: the access token lives on", name)
				}
			}
			change.undo()
		}
	})
}

// What a card or a phone opened is not refreshed once it is taken away, with
// offline access as little as without.
func TestT034_CardOrPhoneTakenAway(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		second, n := w.node(nil), 0
		for name, do := range map[string]func(card, phone string) error{
			"card unbound": func(card, _ string) error { return w.store.UnbindCard(t.Context(), card, w.now()) },
			"phone revoked": func(_, phone string) error {
				return w.store.RevokeDevice(t.Context(), phone, "wang", w.now(), devicebind.With{})
			},
			"phone suspended": func(_, phone string) error {
				return w.store.SuspendDevice(t.Context(), phone, w.now(), devicebind.With{})
			},
		} {
			for _, method := range []idp.Method{idp.MethodCard, idp.MethodPhone} {
				for _, scope := range []string{"openid", "openid offline_access"} {
					n++
					card, phone := w.bound(n)
					w.evidence = &idp.Evidence{Method: method, Card: card}
					if method == idp.MethodPhone {
						w.evidence = &idp.Evidence{Method: method, Device: phone, Act: "act", Near: true}
					}
					got := w.tokens("app", "scope", scope)
					must(t, do(card, phone))
					lives := method == idp.MethodCard && name != "card unbound"
					for _, base := range []string{second.URL, w.server.URL} {
						a := w.browser().post(base+oidc.PathToken, url.Values{"grant_type": {"refresh_token"},
							"refresh_token": {str(got["refresh_token"])}, "client_id": {"app"}, "client_secret": {secret}})
						if (a.json(t)["error"] == "invalid_grant") == lives {
							t.Errorf("%s, %s, %s: %d %s", name, method, scope, a.status, a.body)
						}
						if lives {
							break // it was replaced
						}
					}
					if !lives && w.userinfo(str(got["access_token"])).status != 401 {
						t.Errorf("%s, %s, %s: the access token lives on", name, method, scope)
					}
					if method == idp.MethodCard && lives {
						must(t, w.store.UnbindCard(t.Context(), card, w.now()))
					}
				}
			}
		}
	})
}

// bound gives wang a card, in place of another, and a phone that it vouches for.
func (w *world) bound(n int) (card, phone string) {
	w.t.Helper()
	ctx, now := w.t.Context(), w.now()
	old, err := w.store.CardsOf(ctx, "wang")
	must(w.t, err)
	for _, c := range old {
		must(w.t, w.store.UnbindCard(ctx, c.ID, now))
	}
	card, phone = fmt.Sprintf("card_%d", n), fmt.Sprintf("phone_%d", n)
	must(w.t, w.store.BindCard(ctx, &idp.Card{ID: card, PersonID: "wang", IssuerKeyID: "ab", SubjectSerial: card, Fingerprint: card,
		NotAfter: now.Add(time.Hour), BoundAt: now}))
	session := &idp.Session{ID: phone, PersonID: "wang", CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour)}
	must(w.t, w.store.CreateSession(ctx, session, []byte(phone), nil))
	e := &devicebind.Enrolment{ID: []byte(phone), PersonID: "wang", SessionID: phone, CardID: card, Fingerprint: card, Presence: devicebind.PresencePIN,
		Public: []byte("p"), Sealed: []byte("s"), CreatedAt: now, EndsAt: now.Add(time.Minute)}
	must(w.t, w.store.CreateEnrolment(ctx, e, devicebind.With{}))
	must(w.t, w.store.ClaimEnrolment(ctx, e, now, devicebind.With{}))
	must(w.t, w.store.FinishEnrolment(ctx, e.ID, phone, &devicebind.Device{ID: phone, PersonID: "wang", CardID: card, Presence: devicebind.PresencePIN,
		Certificate: []byte("c"), Sealed: []byte("s"), BoundAt: now, NotAfter: now.Add(time.Hour)}, now, devicebind.With{}))
	return card, phone
}

func TestT035_AbsoluteEnd(t *testing.T) {
	w := newWorld(t)
	tokens := w.tokens("app", "scope", "openid offline_access")
	begun := w.now()
	for w.now().Sub(begun) < 40*24*time.Hour {
		w.pass(6 * time.Hour)
		a := w.refresh("app", str(tokens["refresh_token"]))
		if a.status != 200 {
			break
		}
		tokens = a.json(t)
	}
	if lived := w.now().Sub(begun); lived < 29*24*time.Hour || lived > 30*24*time.Hour {
		t.Errorf("refreshed for %v, the end is 30 days", lived)
	}
	// Without offline_access the session is the end.
	tokens = w.tokens("app")
	w.pass(12*time.Hour + time.Second)
	expect(t, w.refresh("app", str(tokens["refresh_token"])), 400, "invalid_grant")
	// A token not used for a week is dead.
	tokens = w.tokens("app", "scope", "openid offline_access")
	w.pass(7*24*time.Hour + time.Second)
	expect(t, w.refresh("app", str(tokens["refresh_token"])), 400, "invalid_grant")
}

func TestT036_RefreshNeverWidens(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("app", "scope", "openid offline_access")
	token := str(got["refresh_token"])
	for _, scope := range []string{"openid email", "openid profile offline_access", "admin", "openid openid2"} {
		expect(t, w.refresh("app", token, "scope", scope), 400, "invalid_scope")
	}
	a := w.refresh("app", token, "audience", "https://other.test", "resource", "https://other.test")
	if a.status != 200 || a.json(t)["scope"] != "openid offline_access" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A retry that asks for other scopes than the first time would be a branch.
func TestT037_RetryWithOtherScopes(t *testing.T) {
	w := newWorld(t)
	first := w.tokens("app", "scope", "openid email offline_access")
	narrowed := w.refresh("app", str(first["refresh_token"]), "scope", "openid").json(t)
	expect(t, w.refresh("app", str(first["refresh_token"])), 400, "invalid_grant")
	if again := w.refresh("app", str(first["refresh_token"]), "scope", "openid").json(t); again["access_token"] != narrowed["access_token"] {
		t.Error("the same retry got another token")
	}
	if !w.active("app", str(narrowed["access_token"])) {
		t.Error("the retry ended the family")
	}
}

func TestRefresh_IDToken(t *testing.T) {
	w := newWorld(t)
	first := w.tokens("app", "scope", "openid offline_access")
	w.pass(5 * time.Minute)
	second := w.refresh("app", str(first["refresh_token"])).json(t)
	a, b := claims(t, first["id_token"]), claims(t, second["id_token"])
	for _, same := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
		if a[same] != b[same] {
			t.Errorf("%s changed: %v, %v", same, a[same], b[same])
		}
	}
	if b["nonce"] != nil || b["iat"] == a["iat"] {
		t.Errorf("%v", b)
	}
}
