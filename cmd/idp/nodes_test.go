package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/internal/testenv"
)

// TestNodesThatStartTogether starts three nodes at once on an empty PostgreSQL:
// one schema, one set of keys, and what one issues the others know.
func TestNodesThatStartTogether(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("postgresql.url", testenv.Postgres(t)+"\n")
	const issuer = "https://id.example"
	nodes := make([]*house, 3)
	var wg sync.WaitGroup
	for i := range nodes {
		name := fmt.Sprintf("node%d.yaml", i)
		write(name, "issuer: "+issuer+"\nlisten: "+freeAddress(t)+"\nmaster_key_file: master.key\nstore: {postgresql_file: postgresql.url}\n"+
			"networks: {proxies: [127.0.0.1]}\ntokens: {algorithms: [RS256, ES256]}\ndrain_delay: 0s\n")
		wg.Go(func() {
			cfg, err := config.Load(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
				return
			}
			nodes[i], err = assemble(t.Context(), assembleOptions{Config: cfg, Log: io.Discard, Now: time.Now})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, n := range nodes {
		runNode(t, n)
	}
	secret, sum := "correct", sha256.Sum256([]byte("correct"))
	if err := nodes[0].store.PutClient(t.Context(), &idp.Client{
		ID: "service", Name: "service", AuthMethods: []string{idp.AuthSecretBasic, idp.AuthSecretPost}, SecretHash: sum[:],
		GrantTypes: []string{"client_credentials"}, Scopes: []string{"agency"}, MayIntrospect: true,
	}); err != nil {
		t.Fatal(err)
	}
	form := func(n *house, path string, values url.Values) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+n.listener.Addr().String()+path, strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "id.example"
		r.SetBasicAuth("service", secret)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return answer(t, r)
	}
	token := form(nodes[1], "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	_, rest, _ := strings.Cut(token, `"access_token":"`)
	token, _, _ = strings.Cut(rest, `"`)
	if got := form(nodes[2], "/oauth2/introspect", url.Values{"token": {token}}); !strings.Contains(got, `"active":true`) {
		t.Errorf("another node says %s", got)
	}
	if err := nodes[0].ring.Rotate(t.Context(), "ES256", time.Hour); err != nil {
		t.Fatal(err)
	}
	keySets := map[string]bool{}
	for _, n := range nodes {
		if err := n.ring.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		keySets[string(n.ring.PublicJWKS())] = true
	}
	if len(keySets) != 1 {
		t.Errorf("%d different key sets", len(keySets))
	}
}

func runNode(t *testing.T, n *house) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		n.close()
	})
}

func answer(t *testing.T, r *http.Request) string {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", r.URL.Path, resp.StatusCode, body)
	}
	return string(body)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
