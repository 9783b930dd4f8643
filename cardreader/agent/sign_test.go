package agent

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/cardreader/pkcs11"
)

type neverRevoked struct{}

func (neverRevoked) Check(string, *x509.Certificate, time.Time, bool) error { return nil }

// verifier is the server's side.
func verifier(t *testing.T) *cardreader.Verifier {
	t.Helper()
	profile := cardreader.MOICAG3()
	profile.Issuers = cardtest.KeyIDs()
	anchors, err := cardreader.NewAnchors([]*x509.Certificate{cardtest.G2().Certificate, cardtest.G3().Certificate}, []cardreader.Profile{profile})
	if err != nil {
		t.Fatal(err)
	}
	return &cardreader.Verifier{Anchors: anchors, Revocation: neverRevoked{}, Now: time.Now}
}

func TestSignsForTheWindow(t *testing.T) {
	r := softRig(t, "王大明", "歐陽上官令狐某某")
	window, jws, p := r.prepare()
	if p.Origin != siteOrigin || p.Client != "公文系統" || p.Name != "測試市政府" || p.Purpose != "login" {
		t.Errorf("the window would show %+v", p.prepared)
	}
	if len(p.State.Cards) != 2 || p.State.Code != "" || p.State.Component+p.State.Reader+p.State.Card != "okokok" {
		t.Fatalf("state %+v", p.State)
	}
	for i := range p.State.Cards {
		if p.State.Cards[i].Holder == "王大明" {
			p.State.Cards[0] = p.State.Cards[i]
		}
	}
	a, status := r.sign(window, p.State.Cards[0].ID, pin)
	if status != 200 {
		t.Fatalf("sign: %d %s\n%s", status, a.Code, r.log)
	}
	holder, err := verifier(t).Verify(a.CMS, []byte(jws))
	if err != nil {
		t.Fatal(err)
	}
	if holder.Name != "王大明" {
		t.Errorf("signed with the card of %s", holder.Name)
	}
	if a, status = r.sign(window, p.State.Cards[0].ID, pin); status != 409 || a.Code != string(codeUsed) {
		t.Errorf("a second signature of one window: %d %s", status, a.Code)
	}
	if strings.Contains(r.log.String(), "大明") || strings.Contains(r.log.String(), "documents") {
		t.Error("the log names a person or a system")
	}
}

func TestWrongPINKeepsTheWindow(t *testing.T) {
	r := softRig(t, "王大明")
	window, _, p := r.prepare()
	card := p.State.Cards[0].ID
	if a, status := r.sign(window, card, "000000"); status != 409 || a.Code != "wrong_pin" {
		t.Fatalf("got %d %s", status, a.Code)
	}
	var s State
	if r.post("/api/status", map[string]any{"window": window}, &s); len(s.Cards) != 1 || !s.Cards[0].CountLow {
		t.Errorf("the wrong try is not told: %+v", s)
	}
	if a, status := r.sign(window, card, "12"); status != 409 || a.Code != "pin_format" {
		t.Errorf("short PIN: %d %s", status, a.Code)
	}
	if a, status := r.sign(window, "another", pin); status != 409 || a.Code != "removed" {
		t.Errorf("unknown card: %d %s", status, a.Code)
	}
	if a, status := r.sign(window, card, ""); status != 409 || a.Code != "pin_format" {
		t.Errorf("no PIN: %d %s", status, a.Code)
	}
	if a, status := r.sign(window, card, pin); status != 200 {
		t.Errorf("right PIN: %d %s", status, a.Code)
	}
}

func TestNoComponentNoReader(t *testing.T) {
	r := newRig(t, config("/nonexistent/module.so"))
	_, _, p := r.prepare()
	if p.State.Code != pkcs11.KindNoComponent || p.State.Component != "fail" {
		t.Errorf("missing module: %+v", p.State)
	}
	r = softRig(t) // SoftHSM2 without a token: its empty slot is no reader
	_, _, p = r.prepare()
	if p.State.Code != pkcs11.KindNoReader || p.State.Component != "ok" || p.State.Reader != "fail" {
		t.Errorf("no token: %+v", p.State)
	}
}

func TestCancelEndsTheWindow(t *testing.T) {
	r := softRig(t, "王大明")
	window, _, p := r.prepare()
	if status := r.post("/api/cancel", map[string]any{"window": window}, nil); status != 200 {
		t.Fatal(status)
	}
	if a, status := r.sign(window, p.State.Cards[0].ID, pin); status != 403 {
		t.Errorf("signed after cancel: %d %s", status, a.Code)
	}
}

func TestStatusHidesHoldersBeforeTheChallenge(t *testing.T) {
	r := softRig(t, "王大明")
	var s State
	r.post("/api/status", map[string]any{"window": r.open()}, &s)
	if s.Card != "ok" || len(s.Cards) != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestWindowsAreForgotten(t *testing.T) {
	var w windows
	now := time.Now()
	first := w.open(now)
	if w.find(first, now) == nil || w.find(first, now.Add(windowLife+time.Second)) != nil || w.find("", now) != nil {
		t.Error("life of a window")
	}
	for range 3 * maxWindows {
		now = now.Add(time.Millisecond)
		w.open(now)
	}
	if len(w.all) > maxWindows || w.find(first, now) != nil {
		t.Errorf("%d windows are kept", len(w.all))
	}
}
