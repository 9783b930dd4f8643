package oidc

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// What the matcher lets through is the registered address itself, or differs
// from a registered loopback address in its port alone, however one reads it.
func FuzzRedirectMatches(f *testing.F) {
	registered := []string{"https://rp.test/cb", "http://127.0.0.1/cb", "http://[::1]:80/cb?x=1"}
	for _, s := range append(registered, "http://127.0.0.1:80/cb", "http://a@127.0.0.1/cb", "http://127.0.0.1:80@evil/cb", "http://[::1]/cb?x=1",
		"http://127.0.0.1\\cb", "http://127.0.0.1:0x50/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1?x") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !redirectMatches(registered, s) {
			return
		}
		for _, known := range registered {
			if s == known {
				return
			}
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%q matches", s)
		}
		addr, err := netip.ParseAddr(u.Hostname())
		if err != nil || !addr.IsLoopback() || u.EscapedPath() != "/cb" || u.RawQuery != "" && u.RawQuery != "x=1" {
			t.Fatalf("%q matches", s)
		}
	})
}

func FuzzParameters(f *testing.F) {
	f.Add("a=1&b=2", "c=3")
	f.Add("a=1&a=2", "")
	f.Add("a=%zz", "a=%00")
	f.Add("a=1", "a=1")
	f.Fuzz(func(t *testing.T, query, body string) {
		r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.URL.RawQuery = query
		form, err := parameters(httptest.NewRecorder(), r)
		if err != nil {
			if asFault(err).status >= 500 {
				t.Fatal(err)
			}
			return
		}
		for name, values := range form {
			if len(values) != 1 || values[0] == "" {
				t.Fatalf("%q: %q", name, values)
			}
		}
	})
}

func FuzzClaimsParameter(f *testing.F) {
	f.Add(`{"id_token":{"acr":{"essential":true,"values":["urn:taipeion:acr:3"]}}}`)
	f.Add(`{"userinfo":{"email":null,"name":{"value":1}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		q := &request{client: &client{&idp.Client{}}}
		if q.readClaims(text) != nil {
			return
		}
		// Once kept and read, it stays what it is.
		d, kept := details{Claims: q.claims}, [][]byte(nil)
		for range 3 {
			text, err := d.encode()
			if err != nil {
				t.Fatal(err)
			}
			l, err := load(&Grant{Request: text}, nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			d, kept = l.details, append(kept, text)
		}
		if !bytes.Equal(kept[1], kept[2]) {
			t.Fatalf("%s became %s", kept[1], kept[2])
		}
	})
}

func FuzzCredentials(f *testing.F) {
	f.Add("Basic YTpi", "client_id=a&client_secret=b")
	f.Add("Bearer x", "client_assertion=a.b.c&client_assertion_type="+assertionType)
	f.Add("Basic %%%", "client_assertion=a.eyJzdWIiOiJ4In0.c&client_assertion_type="+assertionType)
	f.Fuzz(func(t *testing.T, header, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/x", nil)
		if header != "" {
			r.Header["Authorization"] = []string{header}
		}
		cred, err := readCredentials(r, form)
		if (err == nil) == (cred == nil) || err == nil && cred.id == "" {
			t.Fatalf("%v %v", cred, err)
		}
	})
}

func FuzzRefreshToken(f *testing.F) {
	m := &minter{access: make([]byte, 32), refresh: make([]byte, 32)}
	id := bytes.Repeat([]byte{7}, grantIDSize)
	f.Add(m.refreshToken(id, 1))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		id, generation, ok := m.readRefresh(token)
		if ok && m.refreshToken(id, generation) != token {
			t.Fatalf("two texts of one token: %q", token)
		}
	})
}

func TestT038_NoDuplicates(t *testing.T) {
	const n = 200_000
	seen := make(map[string]bool, 2*n)
	ones := 0
	for range n {
		id := string(newGrantID(time.Now()))
		code, _ := newCode([]byte(id))
		if seen[code[22:]] || seen[id] || len(code) != 64 || len(id) != grantIDSize {
			t.Fatal("a duplicate")
		}
		seen[code[22:]], seen[id] = true, true
		for _, b := range []byte(id[6:]) { // behind the time
			for ; b > 0; b &= b - 1 {
				ones++
			}
		}
	}
	if mean := float64(ones) / (n * (grantIDSize - 6) * 8); mean < 0.499 || mean > 0.501 {
		t.Errorf("%.4f of the bits are set", mean)
	}
}

func TestThrottle_IsBounded(t *testing.T) {
	now := idp.Event{}.At
	tr := &throttle{now: func() time.Time { return now }}
	for i := range 3 * throttleEntries {
		tr.fail(strings.Repeat("x", i%70), string(rune('a'+i%20000)))
	}
	if len(tr.entries) > throttleEntries {
		t.Errorf("%d entries", len(tr.entries))
	}
}
