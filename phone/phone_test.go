package phone_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/phone"
	"taipeion.internal/idp/templates"
)

func TestPages_AreOneForEverybody(t *testing.T) {
	w := newWorld(t, phone.Rates{})
	first := w.get("/phone").Body.String()
	for _, path := range []string{"/phone/bind/AAAAAAAAAAAAAAAAAAAAAA", "/phone/q/Y29kZWNvZGVjb2RlY29kZQ"} {
		answer := w.get(path)
		if answer.Code != http.StatusOK || answer.Body.String() != first {
			t.Errorf("%s: status %d, or a page of its own", path, answer.Code)
		}
		if w.core.id != "" || w.core.scan.Code != "" {
			t.Errorf("opening %s did something", path)
		}
		if len(answer.Result().Cookies()) != 0 {
			t.Errorf("%s sets cookies", path)
		}
	}
	h := w.get("/phone").Header()
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'",
		"Permissions-Policy":      "camera=(self)",
		"Cache-Control":           "no-store",
	} {
		if !strings.Contains(h.Get(name), want) {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
	if policy := h.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "worker-src 'self'; manifest-src 'self'") {
		t.Errorf("policy %q", policy)
	}
}

func TestApp_CanBeInstalled(t *testing.T) {
	w := newWorld(t, phone.Rates{})
	for lang, name := range map[string]string{"zh-Hant": "臺北市政府電子認證", "en": "Taipei Electronic Authentication"} {
		answer := w.get("/phone/manifest.webmanifest?lang=" + lang)
		var m templates.PhoneManifest
		if err := json.Unmarshal(answer.Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		if m.Name != name || m.Start != "/phone" || m.Scope != "/phone" || m.Display != "standalone" || len(m.Icons) < 3 {
			t.Errorf("%s: %+v", lang, m)
		}
		for _, icon := range m.Icons {
			if !strings.HasPrefix(icon.Source, "/static/phone/") {
				t.Errorf("icon %q", icon.Source)
			}
		}
		if kind := answer.Header().Get("Content-Type"); kind != "application/manifest+json" {
			t.Errorf("kind %q", kind)
		}
	}
	worker := w.get("/phone/worker.js")
	if worker.Header().Get("Service-Worker-Allowed") != "/phone" || worker.Header().Get("Cache-Control") != "no-cache" ||
		!strings.HasPrefix(worker.Body.String(), "const VERSION = ") {
		t.Errorf("worker: %v\n%.200s", worker.Header(), worker.Body)
	}
}

func TestAPI_CarriesWhatThePhoneSays(t *testing.T) {
	w := newWorld(t, phone.Rates{})
	answer := w.post("/phone/api/enrolments/ID", `{"csr":"AQID","proof":"p","name":"n","platform":"ios","webauthn":{"id":"x"}}`)
	if answer.Code != http.StatusOK || w.core.id != "ID" || len(w.core.claim.CSR) != 3 || w.core.claim.Proof != "p" ||
		string(w.core.claim.WebAuthn) != `{"id":"x"}` || !strings.Contains(answer.Body.String(), `"digits":"012345"`) {
		t.Errorf("claim: %d %s %+v", answer.Code, answer.Body, w.core.claim)
	}
	if w.post("/phone/api/enrolments/ID", `{"pin":"204826","webauthn":null}`); w.core.claim.PIN != "204826" || w.core.claim.WebAuthn != nil {
		t.Errorf("claim with a PIN: %+v", w.core.claim)
	}
	r := httptest.NewRequest(http.MethodGet, "/phone/api/enrolments/ID", nil)
	r.Header.Set("Authorization", "Bearer token")
	if answer := w.do(r, office()); answer.Code != http.StatusOK || w.core.token != "token" {
		t.Errorf("collect: %d %q", answer.Code, w.core.token)
	}
	w.post("/phone/api/scan", `{"device_id":"d","code":"c","time":5,"nonce":"n","signature":"s"}`)
	if w.core.scan != (devicebind.ScanRequest{DeviceID: "d", Code: "c", Time: 5, Nonce: "n", Signature: "s"}) {
		t.Errorf("scan: %+v", w.core.scan)
	}
	w.post("/phone/api/decide", `{"device_id":"d","attempt":"a","client_id":"c","number":"42","time":5,"decision":"approve","signature":"s","pin":"204826","webauthn":{"id":"y"}}`)
	if d := w.core.decide; d.Number != "42" || d.Verdict != devicebind.VerdictApprove || d.PIN != "204826" || string(d.WebAuthn) != `{"id":"y"}` {
		t.Errorf("decide: %+v", d)
	}
	answer = w.post("/phone/api/decide", `{"device_id":"d","attempt":"a","client_id":"c","number":"","nonce":"n","time":5,"decision":"report","signature":"s"}`)
	if d := w.core.reported; d.Verdict != devicebind.VerdictReport || d.Nonce != "n" || strings.TrimSpace(answer.Body.String()) != `{"ended":"session"}` {
		t.Errorf("report: %d %s %+v", answer.Code, answer.Body, d)
	}
	r = httptest.NewRequest(http.MethodPost, "/phone/api/enrolments/ID/cancel", nil)
	if answer := w.do(r, office()); answer.Code != http.StatusNotFound || w.core.abandoned != "" {
		t.Errorf("anybody calls it off: %d", answer.Code)
	}
	r.Header.Set("Authorization", "Bearer token")
	if answer := w.do(r, office()); answer.Code != http.StatusOK || w.core.abandoned != "ID token" {
		t.Errorf("abandon: %d %q", answer.Code, w.core.abandoned)
	}
	if answer := w.post("/phone/api/self", `{"device_id":"d","action":"status"}`); !strings.Contains(answer.Body.String(), `"standing":"suspended"`) {
		t.Errorf("status: %s", answer.Body)
	}
	if answer := w.post("/phone/api/self", `{"device_id":"d","action":"unbind"}`); answer.Code != http.StatusOK || w.core.self.Action != "unbind" {
		t.Errorf("unbind: %d %+v", answer.Code, w.core.self)
	}
	if answer := w.post("/phone/api/self", `{"device_id":"d","action":"burn"}`); answer.Code != http.StatusBadRequest {
		t.Errorf("an action nobody knows: %d", answer.Code)
	}
}

func TestAPI_TellsAPhoneWhatWasDecided(t *testing.T) {
	w := newWorld(t, phone.Rates{})
	ask := func() (answer struct {
		Standing string `json:"standing"`
		Decided  []struct {
			Decision string `json:"decision"`
			OK       bool   `json:"ok"`
			Client   string `json:"client_name"`
			Here     bool   `json:"here"`
		} `json:"decided"`
	}) {
		t.Helper()
		raw := w.post("/phone/api/self", `{"device_id":"ID","action":"status"}`).Body.Bytes()
		if err := json.Unmarshal(raw, &answer); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		return answer
	}
	if a := ask(); a.Standing != "suspended" || a.Decided != nil {
		t.Errorf("a suspended phone is told %+v", a)
	}
	w.core.state = idp.PersonEnabled
	a := ask()
	if len(a.Decided) != 3 {
		t.Fatalf("told %+v", a)
	}
	if d := a.Decided[0]; d.Decision != "report" || !d.OK || d.Here || d.Client != "gone" {
		t.Errorf("the report of another phone: %+v", d)
	}
	if d := a.Decided[1]; d.OK || !d.Here || d.Client != "" {
		t.Errorf("the wrong number: %+v", d)
	}
	if d := a.Decided[2]; d.Decision != "approve" || !d.OK || !d.Here || d.Client != "公文系統" {
		t.Errorf("the approval: %+v", d)
	}
}

func TestAPI_RefusesWhatIsNoMessage(t *testing.T) {
	w := newWorld(t, phone.Rates{})
	for name, body := range map[string]string{
		"nothing": "", "text": "x", "two": `{"code":"a"}{"code":"b"}`, "list": `["a"]`, "kind": `{"time":"soon"}`,
		"long": `{"code":"` + strings.Repeat("a", 40<<10) + `"}`,
	} {
		answer := w.post("/phone/api/scan", body)
		if answer.Code != http.StatusBadRequest && answer.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", name, answer.Code)
		}
		if w.core.scan.Code != "" {
			t.Errorf("%s reached the core: %+v", name, w.core.scan)
		}
	}
	// What a form of another site can send without asking is never read.
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
		r := httptest.NewRequest(http.MethodPost, "/phone/api/decide", strings.NewReader(`{"decision":"approve"}`))
		r.Header.Set("Content-Type", kind)
		if answer := w.do(r, office()); answer.Code != http.StatusBadRequest || w.core.decide.Verdict != "" {
			t.Errorf("content type %q: status %d", kind, answer.Code)
		}
	}
	if answer := w.get("/phone/api/enrolments/ID"); answer.Code != http.StatusNotFound || w.core.token != "" {
		t.Errorf("collect without a token: %d", answer.Code)
	}
}

func TestAPI_TellsAReasonAndNoMore(t *testing.T) {
	w := newWorld(t, phone.Rates{})
	for _, c := range []struct {
		err    error
		status int
		reason string
	}{
		{idp.Denied{Reason: devicebind.ReasonPhoneUnusable}, http.StatusForbidden, "phone_unusable"},
		{idp.Denied{Reason: idp.ReasonLocked}, http.StatusForbidden, "locked"},
		{idp.Denied{Reason: devicebind.ReasonNumberWrong}, http.StatusForbidden, "number_wrong"},
		{idp.Denied{Reason: devicebind.ReasonAttemptTaken}, http.StatusConflict, "attempt_taken"},
		{idp.Denied{Reason: devicebind.ReasonScanLimit}, http.StatusTooManyRequests, "scan_limit"},
		{idp.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{idp.ErrOverloaded, http.StatusServiceUnavailable, "busy"},
		{idp.ErrNotFound, http.StatusNotFound, "not_found"},
		{errors.New("inside"), http.StatusInternalServerError, "internal"},
	} {
		w.core.err = c.err
		answer := w.post("/phone/api/decide", `{"pin":"204826","signature":"c2lnbmF0dXJl"}`)
		if answer.Code != c.status || reasonOf(t, answer) != c.reason {
			t.Errorf("%v: %d %s", c.err, answer.Code, answer.Body)
		}
		if wait := answer.Header().Get("Retry-After"); (wait != "") != (c.status == http.StatusTooManyRequests || c.status == http.StatusServiceUnavailable) {
			t.Errorf("%v: Retry-After %q", c.err, wait)
		}
		if strings.Contains(answer.Body.String(), "inside") {
			t.Errorf("the answer tells too much: %s", answer.Body)
		}
	}
	for _, secret := range []string{"204826", "c2lnbmF0dXJl"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, w.log)
		}
	}
	if !strings.Contains(w.log.String(), "inside") {
		t.Errorf("the log says nothing of our fault:\n%s", w.log)
	}
}

func TestT142_SourcesAreBounded(t *testing.T) {
	w := newWorld(t, phone.Rates{Minute: 10, Gateway: 30})
	send := func(o idp.Origin) int {
		r := httptest.NewRequest(http.MethodPost, "/phone/api/scan", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", "application/json")
		return w.do(r, o).Code
	}
	count := func(o idp.Origin) (passed int) {
		for range 50 {
			if send(o) == http.StatusOK {
				passed++
			}
		}
		return passed
	}
	if n := count(office()); n != 10 {
		t.Errorf("%d of one address", n)
	}
	other := idp.Origin{Address: netip.MustParseAddr("10.1.2.4")}
	if send(other) != http.StatusOK {
		t.Error("another address is shut out as well")
	}
	if n := count(idp.Origin{Address: netip.MustParseAddr("10.9.9.9"), Gateway: true}); n != 30 {
		t.Errorf("%d of a gateway", n)
	}
	// One home's network is one source, whatever addresses it makes up.
	passed := 0
	for i := range 50 {
		a := netip.MustParseAddr("2001:db8:1:2::").As16()
		a[15] = byte(i)
		if send(idp.Origin{Address: netip.AddrFrom16(a)}) == http.StatusOK {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d of one IPv6 network", passed)
	}
	w.now = w.now.Add(30 * time.Second)
	if n := count(office()); n != 5 {
		t.Errorf("%d after half a minute", n)
	}
	w.now = w.now.Add(-time.Hour)
	if n := count(office()); n != 0 {
		t.Errorf("%d after the clock went back", n)
	}
	r := httptest.NewRequest(http.MethodPost, "/phone/api/scan", strings.NewReader(`{}`))
	answer := w.do(r, office())
	if answer.Header().Get("Retry-After") == "" || reasonOf(t, answer) != "throttled" {
		t.Errorf("%v %s", answer.Header(), answer.Body)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
}
