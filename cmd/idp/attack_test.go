package main

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/store"
)

// guess types one wrong password for the name in a browser of its own.
func (c *city) guess(t *testing.T, name, password string, header http.Header) string {
	t.Helper()
	client := c.browser(t)
	resp, _ := c.send(t, client, http.MethodGet, "/", nil, header)
	at, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || at.Query().Get("flow") == "" {
		t.Fatalf("the first page leads to %q", resp.Header.Get("Location"))
	}
	resp, body := c.send(t, client, http.MethodPost, "/login/password", url.Values{
		"flow": {at.Query().Get("flow")}, "account": {name}, "password": {password},
	}, header)
	switch {
	case resp.StatusCode == http.StatusSeeOther:
		return "in"
	case resp.StatusCode == http.StatusTooManyRequests:
		return "throttled"
	case strings.Contains(body, "此帳號鎖定中"):
		return "locked"
	case strings.Contains(body, "帳號密碼錯誤"):
		return "wrong"
	}
	return fmt.Sprintf("%d", resp.StatusCode)
}

// TestT076_ForgedAddressesGiveNoNewTries sends each try with other forwarding
// headers: the account locks after five all the same, the source is slowed
// down, and the record names the socket's address.
func TestT076_ForgedAddressesGiveNoNewTries(t *testing.T) {
	c := startCityWith(t, func(cfg *config.Config) {
		cfg.Networks.Gateways = nil
		cfg.Lockout.SourceNames = 8
	})
	forged := func(i int) http.Header {
		address := fmt.Sprintf("198.51.100.%d", i)
		return http.Header{
			"X-Forwarded-For": {address}, "X-Real-Ip": {address}, "Forwarded": {"for=" + address}, "X_Forwarded_For": {address},
			"True-Client-Ip": {address}, "X-Client-Ip": {address}, "Cf-Connecting-Ip": {address},
		}
	}
	m := c.plan.Staff[3]
	for i, want := range []string{"wrong", "wrong", "wrong", "wrong", "locked", "locked"} {
		if got := c.guess(t, m.Single, "Guess-2026!", forged(i)); got != want {
			t.Errorf("try %d: %s, want %s", i+1, got, want)
		}
	}
	throttled := 0
	for i := range 20 {
		if c.guess(t, fmt.Sprintf("zz%04d", i), "Guess-2026!", forged(100+i)) == "throttled" {
			throttled++
		}
	}
	if throttled != 13 { // eight names, one of them the locked one
		t.Errorf("%d of 20 further names were throttled", throttled)
	}
	state, err := c.gate.State(t.Context(), m.Single)
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.store.Events(t.Context(), store.EventFilter{PersonID: state.Person.ID, Limit: 100})
	if err != nil || len(events) == 0 {
		t.Fatalf("on record: %d, %v", len(events), err)
	}
	for _, e := range events {
		if e.Address != "127.0.0.1" && e.Address != "::1" {
			t.Errorf("on record from %q", e.Address)
		}
	}
}

// TestT115_CertificateHeadersAreIgnored sends what proxies that end TLS would
// say of a client's certificate.
func TestT115_CertificateHeadersAreIgnored(t *testing.T) {
	c := startCity(t)
	m := c.plan.Staff[0]
	header := http.Header{
		"X-Ssl-Client-Cert": {"-----BEGIN CERTIFICATE-----"}, "Ssl-Client-Verify": {"SUCCESS"}, "X-Ssl-Client-Verify": {"SUCCESS"},
		"X-Ssl-Client-S-Dn": {"C=TW,CN=" + m.Name}, "X-Forwarded-Client-Cert": {"Subject=\"CN=" + m.Single + "\""},
		"X-Arr-Clientcert": {"MIIB"}, "X-Remote-User": {m.Single}, "Remote-User": {m.Single}, "X-Forwarded-User": {m.Single},
	}
	client := c.browser(t)
	resp, _ := c.send(t, client, http.MethodGet, "/", nil, header)
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), "/login?flow=") {
		t.Fatalf("the first page: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	resp, body := c.send(t, client, http.MethodGet, resp.Header.Get("Location"), nil, header)
	if resp.StatusCode != http.StatusOK || strings.Contains(body, m.Name) {
		t.Errorf("the login page: %d, and it knows the name: %v", resp.StatusCode, strings.Contains(body, m.Name))
	}
}

// TestT084_UnknownNamesCostLittle tries many unknown names: they lock like known
// ones, and what they leave is rows that end, not memory.
func TestT084_UnknownNamesCostLittle(t *testing.T) {
	const names, workers = 4_000, 16
	c := startCityWith(t, func(cfg *config.Config) {
		cfg.Passwords.Memory, cfg.Passwords.Passes = 64, 1
		cfg.Lockout.SourceNames, cfg.Lockout.GatewayNames = 0, 0
	})
	for i, want := range []string{"wrong", "wrong", "wrong", "wrong", "locked", "locked"} {
		if got := c.guess(t, "nobody.at.all", "Guess-2026!", nil); got != want {
			t.Errorf("try %d: %s, want %s", i+1, got, want)
		}
	}
	before := heap()
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < names; i += workers {
				if p, err := c.gate.CheckPassword(t.Context(), fmt.Sprintf("unknown-%d", i), "Guess-2026!"); p != nil || err == nil {
					t.Errorf("unknown name %d: %v, %v", i, p, err)
				}
			}
		})
	}
	wg.Wait()
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d names cost %d KiB of memory", names, grown>>10)
	}
}

// TestT203_StartedLoginsAreBounded starts many logins and leaves them: memory
// does not grow with them, and a login begun before goes on.
func TestT203_StartedLoginsAreBounded(t *testing.T) {
	c := startCity(t)
	client := c.browser(t)
	resp, _ := c.send(t, client, http.MethodGet, "/", nil, nil)
	mine := resp.Header.Get("Location")
	before := heap()
	flood := c.browser(t)
	flood.Jar = nil
	for range 5_000 {
		if resp, _ := c.send(t, flood, http.MethodGet, "/", nil, nil); resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("the first page: %d", resp.StatusCode)
		}
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("5,000 logins cost %d KiB of memory", grown>>10)
	}
	if resp, _ := c.send(t, client, http.MethodGet, mine, nil, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("the login begun before: %d", resp.StatusCode)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
