package admin_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

func TestBindingRate_PageAndFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.put("A", "a-formula", false)
		p, err := w.db.Person(t.Context(), id("a-formula"))
		w.must(err)
		p.Name, p.Unit = "=HYPERLINK(\"http://evil.test\")", "+一科"
		w.must(w.db.PutPerson(t.Context(), directory.Record{Person: *p, Accounts: []idp.Account{{Name: "a-formula", Kind: idp.AccountPortal, PersonID: p.ID}}}))
		a := w.in("a-chief", idp.MethodCard)
		w.want(a.get("/admin/bindings"), http.StatusOK, "機關A", "33.3 %", `max="6" value="2"`)
		w.want(a.get("/admin/bindings?agency=A"), http.StatusOK, "人員 a-user1", "a-user3", "一科")
		got := a.get("/admin/bindings.csv")
		body, bom := strings.CutPrefix(got.Body.String(), "\ufeff")
		if !bom || got.Header().Get("Content-Type") != "text/csv; charset=utf-8" || !strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment") {
			t.Errorf("%q %v", body, got.Header())
		}
		rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(rows) != 6 || rows[1][2] != "2" || rows[1][3] != "6" {
			t.Fatalf("%q %v", rows, err)
		}
		if !strings.Contains(body, "'=HYPERLINK") || !strings.Contains(body, "'+一科") || strings.Contains(body, ",=") {
			t.Errorf("T174: a formula: %s", body)
		}
		var rates []directory.Rate
		if err := json.Unmarshal(a.get("/admin/bindings.json").Body.Bytes(), &rates); err != nil || len(rates) != 1 || rates[0].Bound != 2 || len(rates[0].Missing) != 4 {
			t.Errorf("%+v %v", rates, err)
		}
		events, err := w.db.Events(t.Context(), store.EventFilter{Limit: 1})
		if err != nil || events[0].Kind != "admin.export" || events[0].Actor != directory.ActorOf(id("a-chief")) {
			t.Errorf("%+v %v", events, err)
		}
	})
}

// TestBindingRate_AThousandAgencies stays quick, page by page.
func TestBindingRate_AThousandAgencies(t *testing.T) {
	w := newSQLite(t)
	for i := range 1000 {
		w.put(fmt.Sprintf("C%03d", i), fmt.Sprintf("c-%03d", i), i%3 == 0)
	}
	desk := w.in("desk", idp.MethodCard)
	seen := map[string]bool{}
	begin := time.Now()
	for page := 1; page <= 21; page++ {
		body := desk.get(fmt.Sprintf("/admin/bindings?page=%d", page)).Body.String()
		for i := range 1000 {
			if code := fmt.Sprintf("agency=C%03d", i); strings.Contains(body, code) {
				seen[code] = true
			}
		}
		if more := strings.Contains(body, fmt.Sprintf("page=%d", page+1)); more != (page < 21) {
			t.Errorf("page %d: leads on: %v", page, more)
		}
	}
	if len(seen) != 1000 {
		t.Errorf("%d agencies on the pages", len(seen))
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("21 pages took %v", took)
	}
	w.want(desk.get("/admin/bindings?q=c01"), http.StatusOK, "agency=C010", "agency=C019")
}

func TestPersonsPage_FindsShowsAndUndoes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		a := w.in("a-chief", idp.MethodCard)
		for _, q := range []string{"a-user0", "A-USER0", "T-a-user0", "%E4%BA%BA%E5%93%A1+a-user0"} {
			w.want(a.get("/admin/accounts?q="+q), http.StatusOK, `href="/admin/person?account=a-user0"`)
		}
		w.must(w.db.BindCard(t.Context(), &idp.Card{ID: "card-1", PersonID: id("a-user0"), IssuerKeyID: "k", SubjectSerial: "1", Fingerprint: "f",
			Name: "王小明", NotAfter: w.clock().Add(time.Hour), BoundAt: w.clock()}))
		w.want(a.get("/admin/person?account=t-a-user0"), http.StatusOK, "王小明", "使用中", "沒有鎖定", "a-user0，對應 t-a-user0")
		for range 5 {
			_, _ = w.admin.Gate.CheckPassword(t.Context(), "a-user0", "wrong")
		}
		w.want(a.get("/admin/person?account=a-user0"), http.StatusOK, "鎖定中")
		w.wantTo(a.post("/admin/person/unlock", "account", "a-user0", "reason", "asked by telephone"), "/admin/person?account=a-user0&done=unlock")
		w.want(a.get("/admin/person?account=a-user0&done=unlock"), http.StatusOK, "已解除鎖定", "沒有鎖定", "asked by telephone", "人員 a-chief")
		w.db.TellBy(func(e idp.Event, p *idp.Person, what string) []outbox.Message {
			return []outbox.Message{outbox.NewMail(p.ID, e.Kind+" "+what, "text", e.At)}
		})
		w.wantTo(a.post("/admin/person/unbind", "account", "a-user0", "portal", "a-user0", "reason", "another's"), "/admin/person?account=a-user0&done=unbind")
		if _, err := w.db.BindingOf(t.Context(), "a-user0"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%v", err)
		}
		w.want(a.post("/admin/person/unbind-card", "account", "a-user0", "card", "card-2", "reason", "x"), http.StatusOK, "已經不在")
		w.later(time.Second)
		w.wantTo(a.post("/admin/person/unbind-card", "account", "a-user0", "card", "card-1", "reason", "lost"), "/admin/person?account=a-user0&done=unbind-card")
		if cards, err := w.db.CardsOf(t.Context(), id("a-user0")); err != nil || len(cards) != 0 {
			t.Errorf("%+v %v", cards, err)
		}
		mails, err := w.db.TakeMessages(t.Context(), "lease", w.clock(), w.clock().Add(time.Hour), 9)
		w.must(err)
		if len(mails) != 2 || mails[0].To != id("a-user0") || mails[0].Subject != "account.unbind a-user0" || mails[1].Subject != "card.unbind " {
			t.Errorf("the person is told %+v", mails)
		}
		w.want(a.get("/admin/person?account=a-user0"), http.StatusOK, "自然人憑證：王小明 (card-1) → ", "<td data-label=\"事項\">解除自然人憑證綁定</td>")
		w.want(a.get("/admin/person?account=a-user0&lang=en"), http.StatusOK, "Citizen card: 王小明 (card-1) → ", "Citizen card unbound</td>")
		w.want(w.in("desk", idp.MethodCard).get("/admin/person?account=a-chief"), http.StatusOK, "管理者角色：人員與組織管理 A")
		events, err := w.db.EventsOf(t.Context(), id("a-user0"), 3)
		if err != nil || events[0].Kind != "card.unbind" || events[0].Detail != "lost" || events[0].Actor != directory.ActorOf(id("a-chief")) {
			t.Errorf("%+v %v", events, err)
		}
	})
}

func TestApprovalsPage(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.put("A", "a-second", false)
		w.grant("a-second", policy.RolePeople, "A")
		maker, second, other := w.in("a-chief", idp.MethodCard), w.in("a-second", idp.MethodCard), w.in("b-chief", idp.MethodCard)
		w.want(maker.post("/admin/person/reset", "account", "a-user0", "reason", "forgotten"), http.StatusOK, "起始密碼")
		person, err := w.db.Person(t.Context(), id("a-user0"))
		w.must(err)
		card := idp.Card{ID: "card-1", PersonID: person.ID, IssuerKeyID: "k", SubjectSerial: "1", Fingerprint: "f", Name: "憑證上的人", NotAfter: w.clock().Add(time.Hour)}
		if err := w.db.BindFirst(t.Context(), &card); !errors.Is(err, directory.ErrSecond) {
			t.Fatalf("%v", err)
		}
		w.must(w.db.WaitCard(t.Context(), &directory.WaitingCard{ID: "w1", Person: *person, Card: card, AskedAt: w.clock(), EndsAt: w.clock().Add(7 * 24 * time.Hour)}))
		w.want(maker.get("/admin/approvals"), http.StatusOK, "a-user0", "要由另一位管理者核准")
		w.want(second.get("/admin/approvals"), http.StatusOK, "a-user0", "憑證上的人", "人員 a-chief", "核准前")
		w.want(other.get("/admin/approvals"), http.StatusOK, "沒有等候核准")
		w.want(maker.post("/admin/approvals", "id", "w1", "do", "approve", "reason", "x"), http.StatusOK, "不能由做變更的人自己核准")
		w.want(second.post("/admin/approvals", "id", "w1", "do", "approve", "reason", " "), http.StatusOK, "請寫下原因")
		w.want(other.post("/admin/approvals", "id", "w1", "do", "approve", "reason", "x"), http.StatusNotFound)
		w.later(time.Second)
		w.wantTo(second.post("/admin/approvals", "id", "w1", "do", "approve", "reason", "was here"), "/admin/approvals?done=approve")
		w.want(second.get("/admin/approvals?done=approve"), http.StatusOK, "已核准", "沒有等候核准")
		w.want(second.post("/admin/approvals", "id", "w1", "do", "refuse", "reason", "x"), http.StatusOK, "已有人處理")
		if cards, err := w.db.CardsOf(t.Context(), person.ID); err != nil || len(cards) != 1 {
			t.Errorf("%+v %v", cards, err)
		}
		events, err := w.db.EventsOf(t.Context(), person.ID, 1)
		if err != nil || events[0].Kind != "card.approve" || events[0].Detail != "was here" || events[0].Actor != directory.ActorOf(id("a-second")) {
			t.Errorf("%+v %v", events, err)
		}
	})
}
