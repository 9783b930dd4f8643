package admin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
)

func (w *world) bind(portal, tpead, session string) {
	w.Helper()
	w.must(w.db.Bind(w.Context(), directory.Binding{
		Portal: portal, TPEAD: tpead, PersonID: id(portal), How: "self", At: w.clock(), Session: session,
	}, "test"))
}

// TestWhatIsUnboundEnds: whoever held the account that was bound by mistake goes on
// with no session and no token.
func TestWhatIsUnboundEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		holder, owner, other := w.in("a-user0", idp.MethodPassword), w.in("a-user0", idp.MethodPassword), w.in("a-user2", idp.MethodPassword)
		w.bind("a-user0", "t-a-user0", owner.current().Session.ID)
		if holder.current() == nil {
			t.Error("the same account, and the session ended")
		}
		w.bind("a-user0", "colleague", owner.current().Session.ID)
		if holder.current() != nil || owner.current() == nil || other.current() == nil {
			t.Error("another account is bound: the others' sessions end, and only those")
		}
		w.in("a-chief", idp.MethodCard).post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", "a colleague's")
		if owner.current() != nil || other.current() == nil {
			t.Error("unbound, and the session goes on")
		}
		if _, err := w.db.Account(t.Context(), "colleague"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// TestUndoingSaysWhatItDoes, in each phase, and does no more.
func TestUndoingSaysWhatItDoes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		chief := w.in("a-chief", idp.MethodCard)
		w.bind("a-user1", "only-claimed", "")
		says := func(account, words string) {
			t.Helper()
			w.want(chief.get("/admin/person?account="+account), http.StatusOK, words)
		}
		says("a-user0", "兩個帳號都會保留")
		says("a-user1", "可由它的擁有者重新綁定")
		w.must(w.db.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, w.clock()))
		says("a-user1", "不能在這裡登入")
		says("a-user0", "沒有可解除的綁定")
		if a := chief.get("/admin/person?account=a-user0"); strings.Contains(a.Body.String(), "/admin/person/unbind\"") {
			t.Error("offered")
		}
		w.want(chief.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", "x"), http.StatusOK, "這個綁定不能再解除")
		if _, err := w.db.BindingOf(t.Context(), "a-user0"); err != nil {
			t.Error(err)
		}
		if err := w.db.Unbind(t.Context(), "nobody", "x", "x", w.clock()); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
		w.wantTo(chief.post("/admin/person/unbind", "account", "a-user1", "portal", "a-user1", "reason", "x"), "/admin/person?account=a-user1&done=unbind")
		if phase, facts, err := w.db.NameFacts(t.Context(), "only-claimed"); err != nil || phase.Admits(facts) {
			t.Errorf("logs in: %s %+v %v", phase, facts, err)
		}
	})
}

// TestT167_NobodyApprovesForWhoReachesFurther: of two agencies one is not enough.
func TestT167_NobodyApprovesForWhoReachesFurther(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.grant("a-user1", policy.RolePeople, "A")
		w.grant("a-user1", policy.RolePeople, "B")
		p, err := w.db.Person(t.Context(), id("a-user1"))
		w.must(err)
		w.must(w.db.WaitCard(t.Context(), &directory.WaitingCard{
			ID: "w1", Person: *p, AskedAt: w.clock(), EndsAt: w.clock().Add(time.Hour),
			Card: idp.Card{ID: "c1", PersonID: p.ID, IssuerKeyID: "k", SubjectSerial: "1", Fingerprint: "f", Name: p.Name, NotAfter: w.clock().Add(time.Hour)},
		}))
		decide := func(by string) error {
			_, err := w.db.ApproveCard(t.Context(), directory.Decision{ID: "w1", PersonID: id(by), Reason: "r", At: w.clock()})
			return err
		}
		for _, by := range []string{"a-chief", "b-chief"} {
			if err := decide(by); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", by, err)
			}
			if list, err := w.db.WaitingFor(t.Context(), id(by), w.clock()); err != nil || len(list) != 0 {
				t.Errorf("%s: %v %v", by, list, err)
			}
		}
		w.want(w.in("a-chief", idp.MethodCard).post("/admin/person/unlock", "account", "a-user1", "reason", "x"), http.StatusOK, "管理範圍比您廣")
		w.grant("a-chief", policy.RolePeople, "B")
		w.must(decide("a-chief"))
	})
}

// current is the browser's session; nil if it is over.
func (b *browser) current() *session.Current {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "idp-session", Value: b.cookies["idp-session"]})
	c, err := b.sessions.Current(r)
	b.must(err)
	return c
}
