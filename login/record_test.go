package login_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

// record lists what was kept of a kind, sorted.
func (w *world) record(kind string) []string {
	w.Helper()
	events, err := w.db.Events(w.Context(), store.EventFilter{Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, e := range events {
		if e.Kind != kind {
			continue
		}
		if e.Address != "10.1.2.3" || e.RequestID != "0123456789abcdef" || e.At.IsZero() {
			w.Errorf("%s: address %q, request %q", kind, e.Address, e.RequestID)
		}
		out = append(out, strings.Join([]string{e.Result, e.PersonID, e.ClientID, e.Detail}, "|"))
	}
	slices.Sort(out)
	return out
}

func (w *world) wantRecord(kind string, want ...string) {
	w.Helper()
	slices.Sort(want)
	if got := w.record(kind); strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.Errorf("record of %s:\n%s\nwant:\n%s", kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsOnRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		card := w.cardOf("ab1001", 0, true)
		id := w.person["ab1001"].ID
		b := w.browser()
		flow := b.begin(documents)
		b.password(flow, "ab1001", "wrong")
		w.wantRecord("login.password", "wrong|"+id+"||")
		w.wantNext(b.password(flow, "ab1001", "ab1001"+rightSuffix), flow)
		w.wantRecord("login.password", "ok|"+id+"|documents|", "wrong|"+id+"||")
		ask := documents
		ask.MinLevel = idp.LevelCard
		flow = b.begin(ask)
		w.wantNext(b.card(flow, card), flow)
		w.wantRecord("login.card", "ok|"+id+"|documents|same session")

		w.browser().get("/login?flow=" + flow)
		w.wantRecord("flow", "flow_foreign||documents|")

		survey := idp.Ask{ClientID: "survey", Scopes: []string{"openid"}}
		flow = b.begin(survey)
		w.wantNext(b.choose("/login/consent", flow, "allow"), flow)
		w.wantRecord("consent", "ok|"+id+"|survey|")
	})
}

func TestT088_TheRecordKnowsWhy(t *testing.T) {
	w := newWorld(t)
	revoked := w.cardOf("ab1001", 0, true)
	nobody := w.newCard(2, cardtest.Leaf{Name: "外人", SubjectSerial: "9999999999999999", IDTail: "9999"})
	other := w.cardOf("ab1002", 1, true)
	w.revoked[revoked.cert.Subject.SerialNumber+revoked.cert.SerialNumber.String()] = true
	b := w.browser()
	flow := b.begin(documents)
	b.card(flow, revoked)
	b.card(flow, nobody)
	b.in("ab1001")
	ask := documents
	ask.MinLevel = idp.LevelCard
	b.card(b.begin(ask), other)
	w.wantRecord("login.card",
		"other_person|"+w.person["ab1002"].ID+"|documents|denied: other_person",
		"card_unusable||documents|no such card is bound: denied: card_unusable",
		"card_unusable||documents|card refused: revoked")
}

func TestT162_AFormThatSomebodyElseWasShown(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001")
	flow := b.begin(idp.Ask{ClientID: "survey", Scopes: []string{"openid"}})
	shown := b.get("/login?flow=" + flow).view.(templates.Consent)
	delete(b.cookies, "idp-session")
	b.in("ab1002")
	w.wantNext(b.post("/login/consent", "flow", flow, "sid", shown.Sid, "choice", "allow"), flow)
	again, ok := b.get("/login?flow=" + flow).view.(templates.Consent)
	if !ok || again.Name != w.person["ab1002"].Name {
		t.Fatalf("%+v", again)
	}
	w.wantNext(b.post("/login/consent", "flow", flow, "sid", again.Sid, "choice", "allow"), flow)
	b.wantDone(flow)
}

func TestT005_NothingIsReflected(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, payload := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onfocus=alert(1) autofocus '`, `javascript:alert(1)`,
		`</title><svg onload=alert(1)>`, `{{7*7}}`, "\u2028alert(1)", `<a href="//evil.test">`, `\"><b>`, "%3Cscript%3E",
	} {
		flow := b.save(&idp.Flow{Ask: idp.Ask{ClientID: "documents", FirstParty: true, LoginHint: payload, Locales: payload, Display: payload}})
		for _, a := range []answer{
			b.get("/login?flow=" + flow), b.get("/login/card?flow=" + flow), b.password(flow, payload, payload),
			b.post("/login/password", "flow", payload), b.post("/login/cancel", "flow", payload, "choice", payload),
		} {
			body := strings.ReplaceAll(a.body, html.EscapeString(payload), "")
			if strings.ContainsAny(payload, `<>"'`) && strings.Contains(body, payload) {
				t.Errorf("%q is reflected", payload)
			}
			if strings.Contains(a.body, ">49<") || strings.Contains(a.body, `href="javascript:`) {
				t.Errorf("%q does something", payload)
			}
		}
	}
}

func TestT161_NoAnswerIsStored(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	flow := b.begin(documents)
	for _, a := range []answer{
		b.get("/login?flow=" + flow), b.get("/login?flow=x"), b.password(flow, "ab1001", "wrong"), b.post("/login/card/challenge?flow=" + flow),
	} {
		if got := a.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
	}
	if a := b.get("/login/x.css?flow=" + flow); a.StatusCode != http.StatusNotFound {
		t.Errorf("/login/x.css: %d", a.StatusCode)
	}
}

// downTries is a counter that can't be reached.
type downTries struct{ directory.Tries }

func (downTries) Reserve(context.Context, directory.Try) (*directory.Reservation, error) {
	return nil, fmt.Errorf("counter: %w", idp.ErrUnavailable)
}

func TestT081_NoCounterNoLook(t *testing.T) {
	w := newWorld(t)
	w.gate.Tries = downTries{w.db}
	b := w.browser()
	flow := b.begin(documents)
	a := b.password(flow, "ab1001", "ab1001"+rightSuffix)
	w.wantReason(a, idp.ReasonUnavailable)
	if a.StatusCode != http.StatusServiceUnavailable || w.looks.n() != 0 {
		t.Errorf("%d, looked %d times", a.StatusCode, w.looks.n())
	}
}
