package portal_test

import (
	"context"
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// reporting is a directory that takes so long for one account that its person has
// reported the session meanwhile.
type reporting struct {
	directory.Backend
	w    *world
	slow string
}

func (r reporting) Check(ctx context.Context, a idp.Account, password string) error {
	if a.Name == r.slow {
		sessions, err := r.w.db.PersonSessions(ctx, a.PersonID, r.w.clock())
		for _, s := range sessions {
			if err == nil {
				_, err = r.w.db.EndSession(ctx, s.ID, r.w.clock())
			}
		}
		if err != nil {
			return err
		}
	}
	return r.Backend.Check(ctx, a, password)
}

// The session ends while both passwords are looked at: nothing is bound or claimed,
// and the page leads to the login.
func TestT147_NoAccountByASessionThatEndedMeanwhile(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.secondAccount("ab1001", "wang.xiaoming", "geaa-000001")
		route := &w.portal.Passwords.Gate.Routes[0]
		route.Backend = reporting{Backend: route.Backend, w: w, slow: "geaa-000002"}
		refused := func(b *browser, a answer, page string) {
			t.Helper()
			w.wantTo(a, page)
			b.wantFlow(b.get(page))
			if _, err := w.db.Account(t.Context(), "geaa-000002"); err == nil {
				t.Error("the account is theirs")
			}
		}
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		refused(b, b.bindAccounts("wang.xiaoming", portalPassword, "geaa-000002", tpeadPassword), "/account/bind")
		w.phase(policy.PhaseCoexist, policy.PhaseDirectory)
		b = w.browser()
		b.in("ab1001", idp.MethodPassword)
		refused(b, b.post("/account/claim", "own", "geaa-000001", "own_password", tpeadPassword, "tpead", "geaa-000002", "tpead_password", tpeadPassword), "/account/choose")
	})
}
