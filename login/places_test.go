package login_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// TestT142_WaitingPagesAreBounded: neither a browser nor an address takes all the
// places; whoever gets none asks by polling, and a place that is left is free.
func TestT142_WaitingPagesAreBounded(t *testing.T) {
	onTwins(t, func(w *twins) {
		node := w.nodes[0]
		node.login.Factors.Waits = login.WaitingLimits{All: 14, Address: 10, Gateway: 12}
		origin := idp.Origin{Address: netip.MustParseAddr("10.1.2.3"), City: true}
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			node.mux.ServeHTTP(rw, r.WithContext(idp.WithOrigin(r.Context(), origin)))
		}))
		t.Cleanup(server.Close)
		wait := func(b *browser, flow string) (status int, leave func()) {
			ctx, cancel := context.WithCancel(w.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/login/qr/events?flow="+flow, nil)
			w.must(err)
			req.AddCookie(&http.Cookie{Name: "idp-flow", Value: b.cookies["idp-flow"]})
			res, err := http.DefaultClient.Do(req)
			w.must(err)
			return res.StatusCode, func() { cancel(); res.Body.Close() }
		}
		waits := func(b *browser, flow string, want int) func() {
			t.Helper()
			status, leave := wait(b, flow)
			if status != want {
				w.Fatalf("got %d, want %d", status, want)
			}
			return leave
		}
		b := w.browser()
		flow := b.begin(documents)
		var all []func()
		for range 8 {
			all = append(all, waits(b, flow, http.StatusOK))
		}
		waits(b, flow, http.StatusServiceUnavailable)() // of one browser
		if s := b.state(flow); s.State != templates.QRWaiting {
			w.Fatalf("polling: %+v", s)
		}
		fresh := func(want int) {
			t.Helper()
			b := w.browser()
			all = append(all, waits(b, b.begin(documents), want))
		}
		fresh(http.StatusOK)
		fresh(http.StatusOK)
		fresh(http.StatusServiceUnavailable) // of one address
		origin.Gateway = true
		fresh(http.StatusOK)
		fresh(http.StatusOK)
		fresh(http.StatusServiceUnavailable) // of one gateway
		origin = idp.Origin{Address: netip.MustParseAddr("2001:db8::1"), City: true}
		fresh(http.StatusOK)
		fresh(http.StatusOK)
		fresh(http.StatusServiceUnavailable) // of the node
		all[0]()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			// A page that has gone is noticed when there is something to tell it.
			node.notifier.Wake(session.HandleHash(b.cookies["idp-flow"]))
			other := w.browser()
			status, leave := wait(other, other.begin(documents))
			all = append(all, leave)
			if status == http.StatusOK {
				break
			}
			if time.Now().After(end) {
				w.Fatal("the place of a page that has gone stays taken")
			}
		}
		for _, leave := range all {
			leave()
		}
	})
}
