package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/admin"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// revoking takes a-chief's role away right after the last look of a page at it.
type revoking struct {
	admin.Store
	w    *world
	last string // whose roles are looked at last
}

func (s *revoking) RolesOf(ctx context.Context, personID string) (policy.Roles, error) {
	roles, err := s.Store.RolesOf(ctx, personID)
	if personID == s.last {
		s.last = ""
		s.w.must(s.w.db.RevokeRole(ctx, id("a-chief"), policy.Role{Kind: policy.RolePeople, Agency: "A"}))
	}
	return roles, err
}

// forms are what is sent to each route that changes something: the fields, and
// whose roles its page looks at last.
var forms = map[string]struct {
	last   string
	fields []string
}{
	"POST /admin/approvals":          {"a-chief", []string{"id", "w1", "do", "approve", "reason", "r"}},
	"POST /admin/person/unbind":      {"a-user0", []string{"account", "a-user0", "portal", "a-user0", "reason", "r"}},
	"POST /admin/person/unbind-card": {"a-user0", []string{"account", "a-user0", "card", "card-1", "reason", "r"}},
	"POST /admin/person/unlock":      {"a-user0", []string{"account", "a-user0", "reason", "r"}},
	"POST /admin/person/reset":       {"a-user0", []string{"account", "a-user0", "reason", "r"}},
}

// changeable is a person of whom everything can be changed, and another whose card
// waits for a second administrator.
func (w *world) changeable() {
	w.Helper()
	card := func(person, card string) idp.Card {
		return idp.Card{ID: card, PersonID: id(person), IssuerKeyID: "k", SubjectSerial: card, Fingerprint: card, Name: "王小明", NotAfter: w.clock().Add(time.Hour), BoundAt: w.clock()}
	}
	c := card("a-user0", "card-1")
	w.must(w.db.BindCard(w.Context(), &c))
	for range 5 {
		_, _ = w.admin.Gate.CheckPassword(w.Context(), "a-user0", "wrong")
	}
	p, err := w.db.Person(w.Context(), id("a-user2"))
	w.must(err)
	w.must(w.db.WaitCard(w.Context(), &directory.WaitingCard{ID: "w1", Person: *p, Card: card("a-user2", "card-2"), AskedAt: w.clock(), EndsAt: w.clock().Add(time.Hour)}))
}

// shape is all that the routes can change, and what is on record as done.
func (w *world) shape() string {
	w.Helper()
	var s strings.Builder
	for _, account := range []string{"a-user0", "a-user1", "a-user2"} {
		state, err := w.admin.Gate.State(w.Context(), account)
		w.must(err)
		bindings, err := w.db.BindingsOf(w.Context(), id(account))
		w.must(err)
		cards, err := w.db.CardsOf(w.Context(), id(account))
		w.must(err)
		standing, err := w.db.PasswordStanding(w.Context(), id(account))
		w.must(err)
		history, err := w.db.History(w.Context(), id(account), 100)
		w.must(err)
		events, err := w.db.EventsOf(w.Context(), id(account), 100)
		w.must(err)
		done := 0
		for _, e := range events {
			if e.Result == "ok" {
				done++
			}
		}
		fmt.Fprintln(&s, account, state.LockedUntil, state.Failures, len(bindings), len(cards), standing.ResetAt, len(standing.History), len(history), done)
	}
	waiting, err := w.db.WaitingOf(w.Context(), id("a-user2"))
	w.must(err)
	fmt.Fprintln(&s, waiting.State)
	return s.String()
}

// TestT166_TheRoleIsAskedInEveryChange: of all routes there are, one by one, with
// the role taken away between the page's look at it and the change.
func TestT166_TheRoleIsAskedInEveryChange(t *testing.T) {
	for _, pattern := range newSQLite(t).mux.patterns {
		verb, path, _ := strings.Cut(pattern, " ")
		form, changes := forms[pattern]
		if changes == (verb == http.MethodGet) {
			t.Errorf("%s: no form of it is tested here", pattern)
			continue
		}
		t.Run(pattern, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				w.changeable()
				a := w.in("a-chief", idp.MethodCard)
				former := w.shape()
				w.later(time.Second)
				if !changes {
					a.get(path)
					a.get(path + "?account=a-user0&agency=A&q=user&id=w1&do=approve&reason=r&card=card-1&portal=a-user0")
					if now := w.shape(); now != former {
						t.Errorf("a GET changes\n%s to\n%s", former, now)
					}
					return
				}
				w.admin.Store = &revoking{Store: w.db, w: w, last: id(form.last)}
				w.want(a.post(path, form.fields...), http.StatusForbidden, "沒有使用這一頁的權限")
				if now := w.shape(); now != former {
					t.Errorf("without a role\n%s became\n%s", former, now)
				}
				events, err := w.db.Events(t.Context(), store.EventFilter{Limit: 1})
				if err != nil || events[0].Result != "no_role" || events[0].Actor != directory.ActorOf(id("a-chief")) || events[0].Detail != "r" {
					t.Errorf("not on record: %+v %v", events, err)
				}
				w.want(a.post(path, form.fields...), http.StatusForbidden)

				w.grant("a-chief", policy.RolePeople, "A")
				if answer := a.post(path, form.fields...); answer.Code >= 400 || w.shape() == former {
					t.Errorf("with the role: %d, and nothing is changed", answer.Code)
				}
			})
		})
	}
}

// TestApprovals_OfWhatWasTyped: it shows who typed it, and is the own change of
// whoever that acts for.
func TestApprovals_OfWhatWasTyped(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		reset := func(account, actor string) {
			t.Helper()
			_, _, err := w.admin.Passwords.Reset(t.Context(), account, directory.Hand{Actor: actor, Operator: "operator:alice"}, "r")
			w.must(err)
			w.later(time.Second)
		}
		reset("a-user2", directory.ActorOf(id("a-chief"))) // from now on alice acts for a-chief
		reset("a-user0", "operator:alice")                 // as the former version did
		p, err := w.db.Person(t.Context(), id("a-user0"))
		w.must(err)
		w.must(w.db.WaitCard(t.Context(), &directory.WaitingCard{ID: "w1", Person: *p, AskedAt: w.clock(), EndsAt: w.clock().Add(time.Hour), Card: idp.Card{
			ID: "c1", PersonID: p.ID, IssuerKeyID: "k", SubjectSerial: "1", Fingerprint: "f", NotAfter: w.clock().Add(time.Hour)}}))
		chief, desk := w.in("a-chief", idp.MethodCard), w.in("desk", idp.MethodCard)
		w.want(chief.get("/admin/approvals"), http.StatusOK, "operator:alice", "要由另一位管理者核准")
		w.want(chief.post("/admin/approvals", "id", "w1", "do", "approve", "reason", "r"), http.StatusOK, "不能由做變更的人自己核准")
		w.want(desk.get("/admin/approvals"), http.StatusOK, "operator:alice", `value="approve"`)
		w.wantTo(desk.post("/admin/approvals", "id", "w1", "do", "approve", "reason", "r"), "/admin/approvals?done=approve")
		w.want(w.in("desk", idp.MethodCard).get("/admin/person?account=a-chief"), http.StatusOK, "維運帳號：operator:alice")
	})
}
