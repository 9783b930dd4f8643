package oidc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
)

// believer is a second node on the same database, which believes of sessions
// what it read a moment ago, and knows nothing of what the first one does.
func (w *world) believer() (base string) {
	w.t.Helper()
	o := w.options
	manager := &session.Manager{Now: w.now, Idle: time.Hour, Absolute: 12 * time.Hour, Insecure: true, Believe: time.Second}
	o.OnEnd = manager.Forget
	db, err := store.Open(w.t.Context(), o)
	must(w.t, err)
	w.t.Cleanup(func() { db.Close() })
	manager.Store = db
	return w.node(func(p *oidc.Provider) {
		p.Grants, p.Requests, p.Clients, p.Sessions = db, db, db, manager
	}).URL
}

// endings end the session of wang that a phone opened, on the first node.
func (w *world) endings() map[string]func() {
	sessionOf := func() string {
		list, err := w.store.PersonSessions(context.Background(), "wang", w.now())
		must(w.t, err)
		return list[0].ID
	}
	return map[string]func(){
		"logout": func() {
			_, err := w.store.EndSession(context.Background(), sessionOf(), w.now())
			must(w.t, err)
		},
		"reported": func() {
			_, err := w.store.ReportAttempt(context.Background(), devicebind.Reported{Attempt: []byte("act"), Act: "act", DeviceID: "phone", PersonID: "wang", Used: true},
				w.now(), idp.Event{At: w.now(), Kind: "report", PersonID: "wang"})
			must(w.t, err)
		},
	}
}

// opened is a browser with a session that a phone opened, and that the second
// node believes in.
func (w *world) opened(there string) *browser {
	w.t.Helper()
	list, err := w.store.PersonSessions(w.t.Context(), "wang", w.now())
	must(w.t, err)
	for _, s := range list {
		_, err := w.store.EndSession(w.t.Context(), s.ID, w.now())
		must(w.t, err)
	}
	w.evidence = &idp.Evidence{Method: idp.MethodPhone, Device: "phone", Act: "act", Near: true}
	b := w.browser()
	w.codeIn(b, "app")
	b.base = there
	w.codeIn(b, "app")
	return b
}

// T155: what a node believes of a session that has ended elsewhere gives nothing
// that lasts: no code for offline access, and no tokens for another.
func TestT155_ABelievedSessionGivesNothingThatLasts(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		there := w.believer()
		for name, end := range w.endings() {
			b := w.opened(there)
			end()
			silent := b.get(there + oidc.PathAuthorize + "?" + w.request("app", "scope", "openid offline_access", "prompt", "none").Encode())
			if silent.sent().Get("error") != "login_required" {
				t.Errorf("%s: %v", name, silent.location())
			}
			shown := b.get(there + oidc.PathAuthorize + "?" + w.request("app", "scope", "openid offline_access").Encode())
			if u := shown.location(); u == nil || u.Path != "/login" {
				t.Errorf("%s: %v", name, u)
			}
			plain := b.get(there + oidc.PathAuthorize + "?" + w.request("app", "prompt", "none").Encode())
			if code := plain.sent().Get("code"); code != "" {
				expect(t, w.redeem("app", code), 400, "invalid_grant")
			}
		}
	})
}

// T149: a thief who asks for refresh tokens without pause on one node is left
// with nothing when the session ends on another, with clocks that go.
func TestT149_NoRefreshTokenOutlivesTheReportedSession(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.started = time.Now()
		there := w.believer()
		for range 3 {
			b := w.opened(there)
			var over atomic.Bool
			codes := make(chan string, 10000)
			go func() {
				defer close(codes)
				for after := 0; after < 5; {
					if over.Load() {
						after++
					}
					a := b.get(there + oidc.PathAuthorize + "?" + w.request("app", "scope", "openid offline_access", "prompt", "none").Encode())
					if code := a.sent().Get("code"); code != "" {
						codes <- code
					}
				}
			}()
			code := <-codes // before the end
			got := w.redeem("app", code).json(t)
			token := str(got["refresh_token"])
			if token == "" {
				t.Fatalf("%v", got)
			}
			w.endings()["reported"]()
			over.Store(true)
			expect(t, w.refresh("app", token), 400, "invalid_grant")
			for code := range codes {
				expect(t, w.redeem("app", code), 400, "invalid_grant")
			}
		}
	})
}

// T034, T155: between the look at a session and the grant it may end: the request
// starts again with a login, or is told that one is needed.
func TestT155_SessionEndsBeforeItsOfflineGrant(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		base := w.node(func(p *oidc.Provider) { p.Grants = endsBefore{w.store, w} }).URL
		for prompt, want := range map[string]func(a *reply) bool{
			"none": func(a *reply) bool { return a.sent().Get("error") == "login_required" },
			"":     func(a *reply) bool { return a.location() != nil && a.location().Path == "/login" },
		} {
			b := w.opened(w.server.URL)
			a := b.get(base + oidc.PathAuthorize + "?" + w.request("app", "scope", "openid offline_access", "prompt", prompt).Encode())
			if !want(a) {
				t.Errorf("prompt %q: %d %v", prompt, a.status, a.location())
			}
		}
	})
}

// endsBefore ends the session just before its grant is kept.
type endsBefore struct {
	oidc.Grants
	w *world
}

func (e endsBefore) CreateGrant(ctx context.Context, g *oidc.Grant, events ...idp.Event) error {
	if _, err := e.w.store.EndSession(ctx, g.SessionID, e.w.now()); err != nil {
		return err
	}
	return e.Grants.CreateGrant(ctx, g, events...)
}
