package agent

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
)

var posts = []string{"/api/prepare", "/api/status", "/api/sign", "/api/cancel"}

func TestT122_OnlyOurOwnOriginMayPost(t *testing.T) {
	r := softRig(t, "王大明")
	window, _, p := r.prepare()
	card := p.State.Cards[0].ID
	body := []byte(fmt.Sprintf(`{"window":%q,"card":%q,"pin":"NzM5MTg0"}`, window, card))
	port := strings.TrimPrefix(r.base, "http://localhost:")
	evil := []string{
		"https://evil.example", "null", "", siteOrigin, siteOrigin + ".evil.example", "https://id.test.evil", "http://id.test",
		"http://localhost", "http://localhost:1", "https://localhost:" + port, "http://localhost:" + port + "/", "HTTP://LOCALHOST:" + port,
		"http://127.0.0.1:" + port, "http://localhost.:" + port, "http://evil.example:" + port, r.base + " " + r.base, r.base + ", https://evil.example",
	}
	for _, path := range posts {
		for _, origin := range evil {
			head := map[string]string{"Content-Type": "application/json", "Origin": origin}
			if origin == "" {
				delete(head, "Origin")
			}
			if res, _ := r.do("POST", path, body, head); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s with Origin %q: %d", path, origin, res.StatusCode)
			}
		}
		for _, fetch := range []string{"cross-site", "same-site", "none"} {
			head := map[string]string{"Content-Type": "application/json", "Origin": r.base, "Sec-Fetch-Site": fetch}
			if res, _ := r.do("POST", path, body, head); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s with Sec-Fetch-Site %q: %d", path, fetch, res.StatusCode)
			}
		}
	}
	// None of that touched window or card.
	if a, status := r.sign(window, card, pin); status != 200 {
		t.Errorf("the window was spoiled: %d %s", status, a.Code)
	}
}

func TestT122_WindowCannotBeFramedOrFetched(t *testing.T) {
	r := newRig(t, config("/nonexistent.so"))
	for _, head := range []map[string]string{
		{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
		{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
		{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
		{"Origin": "https://evil.example"},
	} {
		if res, _ := r.do("GET", "/window", nil, head); res.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", head, res.StatusCode)
		}
	}
	res, _ := r.do("GET", "/window", nil, map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"})
	policy := res.Header.Get("Content-Security-Policy")
	if res.StatusCode != 200 || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("opened by a page: %d %q", res.StatusCode, policy)
	}
	if res, _ := r.do("GET", "/window.js", nil, map[string]string{"Sec-Fetch-Site": "cross-site"}); res.StatusCode != http.StatusForbidden {
		t.Errorf("script from another site: %d", res.StatusCode)
	}
}

func TestT123_HostMustBeOurs(t *testing.T) {
	r := newRig(t, config("/nonexistent.so"))
	port := strings.TrimPrefix(r.base, "http://localhost:")
	for _, host := range []string{
		"evil.example", "evil.example:" + port, "localhost", "localhost:1", "127.0.0.1", "127.0.0.2:" + port, "localhost.evil.example:" + port,
		"127.0.0.1.nip.io:" + port, "[::]:" + port, "0.0.0.0:" + port, "LOCALHOST:" + port, "localhost.:" + port, "localhost:0" + port, "x@localhost:" + port,
	} {
		for _, path := range []string{"/window", "/window.js", "/api/status", "/"} {
			if res, _ := r.do("GET", path, nil, map[string]string{"Host": host}); res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s with Host %q: %d", path, host, res.StatusCode)
			}
		}
		if res, _ := r.do("POST", "/api/status", []byte("{}"), map[string]string{"Host": host, "Origin": "http://" + host}); res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
			t.Errorf("post with Host %q: %d", host, res.StatusCode)
		}
	}
	for _, host := range []string{"localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port} {
		if res, _ := r.do("GET", "/window", nil, map[string]string{"Host": host}); res.StatusCode != 200 {
			t.Errorf("Host %q: %d", host, res.StatusCode)
		}
	}
}

func TestT124_NoCrossOriginAnswer(t *testing.T) {
	r := newRig(t, config("/nonexistent.so"))
	for _, origin := range []string{"https://evil.example", siteOrigin, "null", r.base} {
		for _, path := range append([]string{"/window", "/", "/window.js"}, posts...) {
			// do fails the test on any Access-Control header, private-network included.
			res, _ := r.do("OPTIONS", path, nil, map[string]string{
				"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type",
				"Access-Control-Request-Private-Network": "true", "Access-Control-Request-Local-Network": "true",
			})
			if res.StatusCode < 400 {
				t.Errorf("preflight of %s for %s: %d", path, origin, res.StatusCode)
			}
		}
	}
}

func TestT125_ListensOnLoopbackOnly(t *testing.T) {
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "10.0.0.1:8080", "example.com:80", "localhost", "127.0.0.1", "169.254.1.1:1"} {
		c := config("x")
		c.Listen = listen
		if l, err := (&Agent{Config: c}).Listen(); err == nil {
			closeAll(l)
			t.Errorf("%q was accepted", listen)
		}
	}
	c := config("x")
	l, err := (&Agent{Config: c}).Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(l)
	for _, one := range l {
		if !one.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("listens on %s", one.Addr())
		}
	}
	// A port that somebody else has on any of our addresses is not shared.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	c.Listen = "localhost:" + port
	if l, err := (&Agent{Config: c}).Listen(); err == nil {
		closeAll(l)
		t.Error("listens although 127.0.0.1 is taken")
	}
}

func TestT125_ConfigurationIsChecked(t *testing.T) {
	for _, s := range []Server{
		{Origin: "http://id.test"}, {Origin: "https://id.test/"}, {Origin: "*"}, {Origin: ""}, {Origin: "https://ID.test"},
		{Origin: "null"}, {Origin: "https://id.test", ChallengeKey: "AAAA"}, {Origin: "https://id.test", ChallengeKey: "!"},
	} {
		if s.ChallengeKey == "" {
			s.ChallengeKey = publicKey(siteKey)
		}
		if err := (Config{Servers: []Server{s}}).Check(); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
	if err := (Config{}).Check(); err == nil {
		t.Error("no server was accepted")
	}
	for _, m := range []string{"module.so", "./module.so", "", "../x.so"} {
		if err := config(m).Check(); err == nil {
			t.Errorf("module %q was accepted", m)
		}
	}
	if err := config("hicos", "/usr/lib/x.so").Check(); err != nil {
		t.Error(err)
	}
	twice := config()
	twice.Servers[1] = twice.Servers[0]
	if err := twice.Check(); err == nil {
		t.Error("a server listed twice was accepted")
	}
}

func TestT126_OnlyAChallengeOfOurServer(t *testing.T) {
	r := softRig(t, "王大明")
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32)) // the key of https://other.test
	change := func(f func(*cardreader.Challenge)) string {
		c := goodChallenge()
		f(&c)
		return c.Sign(siteKey)
	}
	good := goodChallenge().Sign(siteKey)
	parts := strings.Split(good, ".")
	none := "eyJhbGciOiJub25lIn0." + parts[1] + "."
	for name, c := range map[string]struct{ jws, origin, code string }{
		"empty":                    {"", siteOrigin, "refused"},
		"not a JWS":                {"hello", siteOrigin, "refused"},
		"unsigned":                 {parts[0] + "." + parts[1] + ".", siteOrigin, "refused"},
		"alg none":                 {none, siteOrigin, "refused"},
		"signed by somebody":       {goodChallenge().Sign(ed25519.NewKeyFromSeed(make([]byte, 32))), siteOrigin, "refused"},
		"signed by another server": {goodChallenge().Sign(other), siteOrigin, "refused"},
		"other server, its origin": {goodChallenge().Sign(other), "https://other.test", "refused"},
		"ours, at another's page":  {good, "https://other.test", "refused"},
		"ours, at a foreign page":  {good, "https://evil.example", "refused"},
		"ours, no origin":          {good, "", "refused"},
		"ours, null origin":        {good, "null", "refused"},
		"audience of another":      {change(func(c *cardreader.Challenge) { c.Origin = "https://other.test" }), siteOrigin, "refused"},
		"another purpose":          {change(func(c *cardreader.Challenge) { c.Purpose = "contract" }), siteOrigin, "refused"},
		"no nonce":                 {change(func(c *cardreader.Challenge) { c.Nonce = "" }), siteOrigin, "refused"},
		"no flow":                  {change(func(c *cardreader.Challenge) { c.Flow = "" }), siteOrigin, "refused"},
		"life of more than 2 min":  {change(func(c *cardreader.Challenge) { c.ExpiresAt = c.ExpiresAt.Add(time.Second) }), siteOrigin, "refused"},
		"expired": {change(func(c *cardreader.Challenge) {
			c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(-3*time.Minute), c.IssuedAt.Add(-time.Second)
		}), siteOrigin, "refused"},
		"expired a second ago": {change(func(c *cardreader.Challenge) {
			c.ExpiresAt = c.IssuedAt.Add(-time.Second)
			c.IssuedAt = c.ExpiresAt.Add(-time.Minute)
		}), siteOrigin, "expired"},
		"from the future": {change(func(c *cardreader.Challenge) {
			c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(time.Hour), c.ExpiresAt.Add(time.Hour)
		}), siteOrigin, "expired"},
		"name that turns direction": {change(func(c *cardreader.Challenge) { c.ClientName = "a\u202eb" }), siteOrigin, "refused"},
		"too long":                  {good + strings.Repeat("A", 5000), siteOrigin, "refused"},
	} {
		window := r.open()
		var a reply
		status := r.post("/api/prepare", map[string]any{"window": window, "challenge": c.jws, "origin": c.origin}, &a)
		if status != 403 || a.Code != c.code || a.State.Cards != nil {
			t.Errorf("%s: %d %s", name, status, a.Code)
		}
		// The window is spent: not even a good one is taken after it.
		if status := r.post("/api/prepare", map[string]any{"window": window, "challenge": goodChallenge().Sign(siteKey), "origin": siteOrigin}, &a); status != 409 {
			t.Errorf("%s: a second challenge: %d", name, status)
		}
		if a, status := r.sign(window, "x", pin); status != 409 || a.CMS != nil {
			t.Errorf("%s: signed: %d", name, status)
		}
	}
}

func TestT126_WindowWithoutChallengeOrSecretSignsNothing(t *testing.T) {
	r := softRig(t, "王大明")
	_, _, p := r.prepare()
	card := p.State.Cards[0].ID
	if a, status := r.sign(r.open(), card, pin); status != 409 || a.Code != "used" {
		t.Errorf("window without a challenge: %d %s", status, a.Code)
	}
	for _, secret := range []string{"", "x", strings.Repeat("A", 43)} {
		if a, status := r.sign(secret, card, pin); status != 403 {
			t.Errorf("secret %q: %d %s", secret, status, a.Code)
		}
	}
	if a, b := r.open(), r.open(); a == b {
		t.Error("two windows have one secret")
	}
}

func TestT128_PayloadsAndBrokenInput(t *testing.T) {
	r := softRig(t, "王大明")
	payloads := []string{
		"`id`", "$(touch /tmp/x)", "; rm -rf /", "| calc.exe", "../../../etc/passwd", "file:///etc/passwd", "%s%s%n%x", "\x00", "'\"><script>alert(1)</script>",
		strings.Repeat("A", 1<<20), "http://169.254.169.254/", "\\\\evil\\share", "${jndi:ldap://evil}", "{{7*7}}", "\xff\xfe", strings.Repeat("[", 10000),
	}
	own := func() map[string]string {
		return map[string]string{"Content-Type": "application/json", "Origin": r.base}
	}
	for _, path := range posts {
		for _, p := range payloads {
			for _, field := range []string{"window", "challenge", "origin", "card", "pin"} {
				body := fmt.Sprintf(`{"window":%q,%q:%q}`, r.open(), field, p)
				if res, _ := r.do("POST", path, []byte(body), own()); res.StatusCode >= 500 {
					t.Errorf("%s %s: %d", path, field, res.StatusCode)
				}
			}
			if res, _ := r.do("POST", path, []byte(p), own()); res.StatusCode < 400 || res.StatusCode >= 500 {
				t.Errorf("%s with raw body: %d", path, res.StatusCode)
			}
		}
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "", "application/json;;"} {
			head := own()
			head["Content-Type"] = kind
			if res, _ := r.do("POST", path, []byte(`{}`), head); res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s as %q: %d", path, kind, res.StatusCode)
			}
		}
		head := own()
		head["Upgrade"], head["Connection"], head["Sec-WebSocket-Version"], head["Sec-WebSocket-Key"] = "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=="
		if res, _ := r.do("GET", path, nil, head); res.StatusCode != http.StatusForbidden {
			t.Errorf("WebSocket at %s: %d", path, res.StatusCode)
		}
	}
	for _, p := range payloads[:9] {
		if res, body := r.do("GET", "/window?lang="+url.QueryEscape(p), nil, nil); res.StatusCode != 200 || strings.Contains(body, "alert(1)") {
			t.Errorf("lang %q: %d", p, res.StatusCode)
		}
		if res, _ := r.do("GET", "/"+url.PathEscape(p), nil, nil); res.StatusCode != 404 && res.StatusCode != 403 && res.StatusCode != 400 {
			t.Errorf("path %q: %d", p, res.StatusCode)
		}
	}
	if window, _, p := r.prepare(); len(p.State.Cards) == 1 {
		if a, status := r.sign(window, p.State.Cards[0].ID, pin); status != 200 {
			t.Errorf("afterwards: %d %s", status, a.Code)
		}
	}
}

func TestT131_NoTLSKeyIsShared(t *testing.T) {
	r := newRig(t, config("/nonexistent.so"))
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.base, "http://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // nobody must answer
	if err == nil {
		conn.Close()
		t.Error("the agent speaks TLS: with whose key?")
	}
	err = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("PRIVATE "+"KEY")) {
			t.Errorf("%s holds a private key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
