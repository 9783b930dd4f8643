package main

import (
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/demo"
)

// TestT205_MemoryStaysFlat works for a while and then holds memory, goroutines
// and open files against what they were after the warming up. IDP_SOAK says how
// long: make hunt SOAK=24h.
func TestT205_MemoryStaysFlat(t *testing.T) {
	length := 6 * time.Second
	if text := os.Getenv("IDP_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	c := startCity(t)
	client := c.browser(t)
	secret := ""
	for _, k := range c.plan.Clients {
		if k.ID == demo.LoadServiceClient {
			secret = k.Secret
		}
	}
	work := func(until time.Time) (rounds int) {
		for ; time.Now().Before(until); rounds++ {
			resp, body := c.send(t, client, http.MethodPost, "/oauth2/token", url.Values{
				"grant_type": {"client_credentials"}, "client_id": {demo.LoadServiceClient}, "client_secret": {secret},
			}, nil)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("token: %d %s", resp.StatusCode, body)
			}
			if resp, _ = c.send(t, client, http.MethodGet, "/", nil, nil); resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("first page: %d", resp.StatusCode)
			}
			at := resp.Header.Get("Location")
			if resp, body = c.send(t, client, http.MethodGet, at, nil, nil); resp.StatusCode != http.StatusOK || !strings.Contains(body, "帳號") {
				t.Fatalf("login page: %d", resp.StatusCode)
			}
		}
		return rounds
	}
	work(time.Now().Add(length / 3))
	memory, routines, files := heap(), runtime.NumGoroutine(), openFiles(t)
	rounds := work(time.Now().Add(length))
	if grown := heap() - memory; grown > 2<<20+int64(length.Hours()*(1<<20)) {
		t.Errorf("%d rounds cost %d KiB of memory", rounds, grown>>10)
	}
	if n := runtime.NumGoroutine(); n > routines+5 {
		t.Errorf("%d goroutines, %d before", n, routines)
	}
	if n := openFiles(t); n > files+5 {
		t.Errorf("%d open files, %d before", n, files)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return len(entries)
}
