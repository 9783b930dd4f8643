package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

func TestT171_NobodyElseEntersByAnySpelling(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for who, want := range map[string]int{"": http.StatusUnauthorized, "a-user1": http.StatusForbidden} {
			for _, method := range []idp.Method{idp.MethodPassword, idp.MethodCard} {
				b := w.in(who, method)
				for _, pattern := range w.mux.patterns {
					verb, path, _ := strings.Cut(pattern, " ")
					if a := b.do(verb, path, ""); who == "" && verb == "GET" {
						w.wantTo(a, "/login?flow=") // whoever is not logged in yet may do that first
					} else if a.Code != want {
						t.Errorf("%q: %s: %d", who, pattern, a.Code)
					}
					for _, spelled := range []string{
						"/" + path, path + "/", path + ";x=1", path + ".", path + "%20", strings.ToUpper(path), "/." + path, "/x/.." + path,
						strings.Replace(path, "admin", "%61dmin", 1), strings.Replace(path, "/admin", "/admin%2f..%2fadmin", 1), path + "%00", path + "/%2e",
					} {
						for _, verb := range []string{"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"} {
							a := b.do(verb, spelled, "_method=GET")
							if a.Code < 400 && (a.Code < 300 || !ours(a, path) && (who != "" || !toLogin(a))) || strings.Contains(a.Body.String(), "a-user0") {
								t.Errorf("%q: %s %s: %d %q", who, verb, spelled, a.Code, a.Header().Get("Location"))
							}
						}
					}
				}
			}
		}
	})
}

// toLogin tells whether it leads to a login.
func toLogin(a *httptest.ResponseRecorder) bool {
	return strings.HasPrefix(a.Header().Get("Location"), "/login?flow=")
}

// ours tells whether it leads to the same page, spelled right: that one refuses.
func ours(a *httptest.ResponseRecorder, path string) bool {
	to, err := url.Parse(a.Header().Get("Location"))
	return err == nil && to.Host == "" && strings.HasPrefix(to.Path, "/admin") && strings.HasPrefix(to.Path, path)
}

func TestT179_OwnCardAtMostFifteenMinutesOld(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for _, method := range []idp.Method{idp.MethodPassword, idp.MethodPhone, idp.MethodPasskey, idp.MethodOTP} {
			b := w.in("a-chief", method)
			for _, pattern := range w.mux.patterns {
				verb, path, _ := strings.Cut(pattern, " ")
				w.wantTo(b.do(verb, path, "account=a-user1&reason=x&portal=a-user0"), "/login?flow=")
			}
		}
		b := w.in("a-chief", idp.MethodCard)
		w.want(b.get("/admin/bindings"), http.StatusOK)
		w.later(15 * time.Minute)
		w.want(b.get("/admin/bindings"), http.StatusOK)
		w.later(time.Second)
		w.wantTo(b.get("/admin/bindings?agency=A"), "/login?flow=")
		w.wantTo(b.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", "x"), "/login?flow=")
		if _, err := w.db.BindingOf(t.Context(), "a-user0"); err != nil {
			t.Error("done with an old card")
		}
		b = w.in("a-chief", idp.MethodCard)
		w.want(b.get("/admin/person?account=a-user0"), http.StatusOK, "人員 a-user0")
		w.must(w.db.RevokeRole(t.Context(), id("a-chief"), policy.Role{Kind: policy.RolePeople, Agency: "A"}))
		w.want(b.get("/admin/person?account=a-user0"), http.StatusForbidden)
		w.want(b.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", "x"), http.StatusForbidden)
		if _, err := w.db.BindingOf(t.Context(), "a-user0"); err != nil {
			t.Error("done without a role")
		}
	})
}

// TestT176_NoRowOfAnotherAgency, with two administrators at the same time.
func TestT176_NoRowOfAnotherAgency(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		a, b := w.in("a-chief", idp.MethodCard), w.in("b-chief", idp.MethodCard)
		pages := []string{
			"/admin/bindings", "/admin/bindings?q=", "/admin/bindings?q=機關", "/admin/bindings?q=b", "/admin/bindings.csv", "/admin/bindings.json",
			"/admin/accounts?q=user", "/admin/accounts?q=b-u", "/admin/accounts?q=人員", "/admin/accounts?q=%25", "/admin/approvals",
		}
		var wg sync.WaitGroup
		for range 4 {
			for who, other := range map[*browser]string{a: "b", b: "a"} {
				wg.Go(func() {
					for _, page := range pages {
						got := who.get(strings.ReplaceAll(page, "機關", url.QueryEscape("機關")))
						if body := got.Body.String(); got.Code != 200 || strings.Contains(body, other+"-user") || strings.Contains(body, "機關"+strings.ToUpper(other)) {
							t.Errorf("%s: %d, shows agency %s", page, got.Code, other)
						}
					}
				})
			}
		}
		wg.Wait()
		for _, page := range []string{
			"/admin/bindings?agency=B", "/admin/bindings.csv?agency=B", "/admin/bindings.json?agency=B", "/admin/bindings?agency=", "/admin/bindings.csv?agency=",
			"/admin/bindings.json?agency=A&agency=B", "/admin/person?account=b-user1", "/admin/person?account=t-b-user0", "/admin/person?account=nobody", "/admin/person",
		} {
			w.want(a.get(page), http.StatusNotFound)
		}
		for _, path := range []string{"unbind", "unbind-card", "unlock", "reset"} {
			w.want(a.post("/admin/person/"+path, "account", "b-user0", "portal", "b-user0", "card", "c", "reason", "x"), http.StatusNotFound)
		}
		// The account of one's own agency, with what is another's.
		w.want(a.post("/admin/person/unbind", "account", "a-user0", "portal", "b-user0", "reason", "x"), http.StatusOK, "這個綁定已經不在了")
		if _, err := w.db.BindingOf(t.Context(), "b-user0"); err != nil {
			t.Error("undone in another agency")
		}
		desk := w.in("desk", idp.MethodCard)
		w.want(desk.get("/admin/bindings"), http.StatusOK, "機關A", "機關B")
		w.want(desk.get("/admin/bindings.csv"), http.StatusOK, "a-user1", "b-user1")
	})
}

func TestT167_NobodyClimbs(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		b, desk := w.in("b-chief", idp.MethodCard), w.in("desk", idp.MethodCard)
		for _, path := range []string{"unbind", "unbind-card", "unlock", "reset"} {
			w.want(b.post("/admin/person/"+path, "account", "desk", "portal", "desk", "reason", "x"), http.StatusOK, "管理範圍比您廣")
			w.want(b.post("/admin/person/"+path, "account", "b-chief", "portal", "b-chief", "reason", "x"), http.StatusOK, "不能變更自己的帳號")
			w.want(desk.post("/admin/person/"+path, "account", "desk", "portal", "desk", "reason", "x"), http.StatusOK, "不能變更自己的帳號")
		}
		if standing, err := w.db.PasswordStanding(t.Context(), id("desk")); err != nil || !standing.ResetAt.IsZero() {
			t.Errorf("%+v %v", standing, err)
		}
		// No form gives a role, whatever is sent along (T168).
		before, err := w.db.Roles(t.Context())
		w.must(err)
		extra := []string{"role", "helpdesk", "agency", "B", "is_admin", "true", "agency_id", "A", "person_id", id("b-user0"), "state", "departed", "level", "3"}
		w.want(b.post("/admin/person/unlock", append(extra, "account", "b-user1", "reason", "asked")...), http.StatusSeeOther)
		w.want(b.post("/admin/approvals", append(extra, "do", "approve", "id", "w", "reason", "x")...), http.StatusNotFound)
		after, err := w.db.Roles(t.Context())
		if err != nil || len(before) != len(after) {
			t.Errorf("%+v %v", after, err)
		}
		if p, err := w.db.Person(t.Context(), id("b-user1")); err != nil || p.Agency.Code != "B" || p.State != idp.PersonEnabled {
			t.Errorf("%+v %v", p, err)
		}
	})
}

func TestT168_RepeatedAndExtraFields(t *testing.T) {
	w := newSQLite(t)
	a := w.in("a-chief", idp.MethodCard)
	w.want(a.post("/admin/person/unbind", "account", "a-user0", "account", "a-user2", "portal", "a-user0", "reason", "x"), http.StatusNotFound)
	w.want(a.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "portal", "a-user2", "reason", "x"), http.StatusOK, "已經不在")
	w.want(a.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0"), http.StatusOK, "請寫下原因")
	w.want(a.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", " \t"), http.StatusOK, "請寫下原因")
	for _, unfit := range []string{strings.Repeat("x", 201), "a\x1bb", "a\u202eb"} {
		w.want(a.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", unfit), http.StatusOK, "最多 200 字")
	}
	for _, portal := range []string{"a-user0", "a-user2"} {
		if _, err := w.db.BindingOf(t.Context(), portal); err != nil {
			t.Errorf("%s: %v", portal, err)
		}
	}
	w.want(a.post("/admin/approvals", "do", "grant", "id", "w", "reason", "x"), http.StatusBadRequest)
	w.want(a.do("POST", "/admin/person/unlock", "account=a-user0&reason=%zz"), http.StatusBadRequest)
	w.want(a.post("/admin/person/unlock", "account", "a-user0", "reason", strings.Repeat("x", 40<<10)), http.StatusRequestEntityTooLarge)
}

func TestT170_AResetSetsNoLastingPassword(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		a := w.in("a-chief", idp.MethodCard)
		answer := a.post("/admin/person/reset", "account", "a-user0", "reason", "came to the counter", "password", "Chosen-By-1-Admin", "new", "Chosen-By-1-Admin", "start", "x")
		w.want(answer, http.StatusOK, "起始密碼，只顯示這一次")
		_, rest, _ := strings.Cut(answer.Body.String(), `<p class="reference start">`)
		start, _, _ := strings.Cut(rest, "<")
		if len(start) != 19 || answer.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%q", start)
		}
		gate := w.admin.Gate
		var must interface{ Error() string }
		if _, err := gate.CheckPassword(t.Context(), "t-a-user0", start); err == nil || !errors.As(err, &must) || !strings.Contains(err.Error(), "chang") {
			t.Errorf("a start password opens something: %v", err)
		}
		if _, err := gate.CheckPassword(t.Context(), "t-a-user0", "Chosen-By-1-Admin"); err == nil {
			t.Error("an administrator chose a password")
		}
		for _, page := range []string{"/admin/person?account=a-user0", "/admin/person?account=a-user0&done=reset"} {
			if body := a.get(page).Body.String(); strings.Contains(body, start) || strings.Contains(body, "argon2") {
				t.Errorf("%s shows it again", page)
			}
		}
		events, err := w.db.EventsOf(t.Context(), id("a-user0"), 5)
		if err != nil || len(events) == 0 {
			t.Fatal(err)
		}
		for _, e := range events {
			if strings.Contains(fmt.Sprintf("%+v", e), start) {
				t.Errorf("on record: %+v", e)
			}
		}
		w.want(a.post("/admin/person/reset", "account", "a-user1", "reason", "x"), http.StatusOK) // not bound: as the rules say
	})
}

func TestT175_QueriesInEveryParameter(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		a := w.in("a-chief", idp.MethodCard)
		for _, payload := range []string{
			"' OR 1=1 --", "A' UNION SELECT name FROM persons --", `"; DROP TABLE roles; --`, "1) OR (1=1", "%", "_", "!%", `\`, "$1", "A\x00", "0x41", "''",
		} {
			q := url.QueryEscape(payload)
			for _, page := range []string{"/admin/bindings?q=", "/admin/accounts?q=", "/admin/bindings?sort=name&order=", "/admin/bindings?cursor=", "/admin/accounts?after="} {
				got := a.get(page + q)
				if body := got.Body.String(); got.Code != 200 || strings.Contains(body, "b-user") || strings.Contains(body, "機關B") {
					t.Errorf("%s%q: %d", page, payload, got.Code)
				}
			}
			for _, page := range []string{"/admin/bindings?page=", "/admin/bindings?agency=A&page="} {
				w.want(a.get(page+q), http.StatusBadRequest)
			}
			for _, page := range []string{"/admin/bindings?agency=", "/admin/person?account=", "/admin/bindings.csv?agency="} {
				w.want(a.get(page+q), http.StatusNotFound)
			}
			reason := strings.ReplaceAll(payload, "\x00", "") // which is refused as such
			w.want(a.post("/admin/approvals", "do", "approve", "id", payload, "reason", reason), http.StatusNotFound)
			w.want(a.post("/admin/person/unbind", "account", "a-user0", "portal", payload, "reason", reason), http.StatusOK, "已經不在")
		}
		for _, page := range []string{"0", "-1", "1e3", "99999999999999999999", "2001", " 1", ""} {
			w.want(a.get("/admin/bindings?page="+url.QueryEscape(page)), http.StatusBadRequest)
		}
		w.want(a.get("/admin/accounts?q="+strings.Repeat("x", 101)), http.StatusBadRequest)
		if all, err := w.db.Roles(t.Context()); err != nil || len(all) != 3 {
			t.Errorf("%+v %v", all, err)
		}
	})
}
