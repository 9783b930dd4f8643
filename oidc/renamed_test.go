package oidc_test

import (
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// TestARenamedPersonIsTheSameWithAnotherName renames somebody between two tokens:
// refresh tokens and the browser's session go on, with the same sub and the new name.
func TestARenamedPersonIsTheSameWithAnotherName(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		must(t, w.store.PutPerson(t.Context(), directory.Record{
			Person: idp.Person{ID: "chen", Subject: "sub-chen", Name: "陳一", Username: "geaa-000001", State: idp.PersonEnabled, UpdatedAt: w.now(),
				Agency: idp.Agency{Code: "GEAA", Name: "資訊局"}},
			Accounts: []idp.Account{{Name: "geaa-000001", Kind: idp.AccountTPEAD, PersonID: "chen"}}, NationalIDHash: []byte("chen"),
		}))
		w.person = "chen"
		b, scope := w.browser(), []string{"scope", "openid profile offline_access"}
		first := w.redeem("app", w.codeIn(b, "app", scope...)).json(t)
		name := func(when string, tokens map[string]any) string {
			t.Helper()
			info := w.userinfo(str(tokens["access_token"])).json(t)
			if info["sub"] != "sub-chen" || claims(t, tokens["id_token"])["sub"] != "sub-chen" {
				t.Errorf("%s: %v", when, info)
			}
			return str(info["preferred_username"])
		}
		if got := name("before", first); got != "geaa-000001" {
			t.Fatal(got)
		}
		given := ""
		job := &directory.Job{Store: w.store, Now: w.now, Actor: "test", Agency: "GEAA"}
		must(t, job.Rename(t.Context(), func(o directory.Outcome) { given = o.Account }))
		logins := w.logins
		if got := name("refreshed", w.refresh("app", str(first["refresh_token"])).json(t)); given == "" || got != given {
			t.Errorf("refreshed: %q, not %q", got, given)
		}
		if got := name("in the same session", w.redeem("app", w.codeIn(b, "app", scope...)).json(t)); got != given || w.logins != logins {
			t.Errorf("in the same session: %q, not %q; %d logins more", got, given, w.logins-logins)
		}
	})
}
