package phone_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
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

// core stands in for devicebind: it keeps what it was given, and answers err.
type core struct {
	err    error
	claim  devicebind.Claim
	id     string
	token  string
	scan   devicebind.ScanRequest
	decide devicebind.DecideRequest
	self   devicebind.Self
	state  idp.PersonState

	reported  devicebind.DecideRequest
	abandoned string
}

func (c *core) Claim(_ context.Context, id string, m devicebind.Claim) (*devicebind.Claimed, error) {
	c.id, c.claim = id, m
	return &devicebind.Claimed{Digits: "012345", StatusToken: "token"}, c.err
}

func (c *core) Collect(_ context.Context, id, token string) (*devicebind.Collected, error) {
	c.id, c.token = id, token
	return &devicebind.Collected{State: devicebind.EnrolClaimed}, c.err
}

func (c *core) Scan(_ context.Context, m devicebind.ScanRequest) (*devicebind.Scanned, error) {
	c.scan = m
	return &devicebind.Scanned{Attempt: "attempt"}, c.err
}

func (c *core) Decide(_ context.Context, m devicebind.DecideRequest) error {
	c.decide = m
	return c.err
}

func (c *core) Report(_ context.Context, m devicebind.DecideRequest) (devicebind.Ended, error) {
	c.reported = m
	return devicebind.EndedSession, c.err
}

func (c *core) Abandon(_ context.Context, id, token string) error {
	c.abandoned = id + " " + token
	return c.err
}

func (c *core) Status(_ context.Context, m devicebind.Self) (*devicebind.Device, *idp.Person, error) {
	c.self = m
	d := &devicebind.Device{ID: "ID", PersonID: "p1", Name: "my phone", NotAfter: clock().Add(time.Hour), PersonState: c.state}
	return d, &idp.Person{Name: "王小明", Agency: idp.Agency{Name: "資訊局"}}, c.err
}

func (c *core) Unbind(_ context.Context, m devicebind.Self) error {
	c.self = m
	return c.err
}

func clock() time.Time { return time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC) }

func eventsOf(_ context.Context, a phone.AskDecided) ([]idp.Event, error) {
	if a.PersonID != "p1" {
		return nil, errors.New("somebody else's events")
	}
	return []idp.Event{
		{At: clock(), Kind: "phone.report", Result: "alarm", ClientID: "gone", Detail: "device OTHER attempt a3"},
		{At: clock().Add(-time.Hour), Kind: "phone.approve", Result: "number_wrong", Detail: "device ID attempt a2"},
		{At: clock().Add(-2 * time.Hour), Kind: "phone.approve", Result: "ok", ClientID: "documents", Detail: "device ID attempt a1"},
	}, nil
}

func clientOf(_ context.Context, id string) (*idp.Client, error) {
	if id != "documents" {
		return nil, idp.ErrNotFound
	}
	return &idp.Client{Name: "公文系統", NameEN: "Documents"}, nil
}

type world struct {
	*testing.T
	core *core
	mux  *http.ServeMux
	log  *strings.Builder

	history *phone.History
	now     time.Time
}

func newWorld(t *testing.T, rates phone.Rates) *world {
	t.Helper()
	pages, err := templates.New(templates.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, core: &core{state: idp.PersonDisabled}, mux: http.NewServeMux(), log: &strings.Builder{}, now: clock()}
	h := &phone.Handler{
		Enrolments: w.core, Logins: w.core, Devices: w.core, Pages: pages, Rates: rates,
		History: phone.History{Events: eventsOf, Client: clientOf},
		Now:     func() time.Time { return w.now }, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	w.history = &h.History
	h.Mount(w.mux)
	return w
}

func (w *world) do(r *http.Request, o idp.Origin) *httptest.ResponseRecorder {
	w.Helper()
	answer := httptest.NewRecorder()
	w.mux.ServeHTTP(answer, r.WithContext(idp.WithOrigin(r.Context(), o)))
	return answer
}

func office() idp.Origin { return idp.Origin{Address: netip.MustParseAddr("10.1.2.3"), City: true} }

func (w *world) get(path string) *httptest.ResponseRecorder {
	w.Helper()
	return w.do(httptest.NewRequest(http.MethodGet, path, nil), office())
}

func (w *world) post(path, body string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return w.do(r, office())
}

func reasonOf(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	var m struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(r.Body.Bytes(), &m); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return m.Error
}
