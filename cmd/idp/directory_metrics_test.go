package main

import (
	"bytes"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// TestT063_ADirectoryThatIsAwayIsShownAndMakesNobodyUnready.
func TestT063_ADirectoryThatIsAwayIsShownAndMakesNobodyUnready(t *testing.T) {
	authority, err := testenv.NewAuthority("nobody's")
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(authority.PEM); block == nil {
		t.Fatal("no certificate")
	}
	dir := t.TempDir()
	write(t, dir+"/ca.pem", authority.PEM)
	write(t, dir+"/secret", []byte("secret"))
	b := config.DirectoryBackend{
		Name: "tpead", Servers: []string{"ldaps://127.0.0.1:1"}, CAFile: dir + "/ca.pem", SecretFile: dir + "/secret",
		BindDN: "CN=idp,DC=tpead,DC=test", Base: "DC=tpead,DC=test",
	}
	d, err := openDirectory(config.Default(), b, ad.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var log bytes.Buffer
	r := newReach([]*ad.Directory{d}, slog.New(slog.NewTextHandler(&log, nil)))
	if lines := r.lines(); lines != nil {
		t.Errorf("before it was asked: %q", lines)
	}
	r.look(t.Context())
	r.look(t.Context())
	if up := r.figures()["tpead"]; up != 0 || !slices.Equal(r.lines(), []string{"directory: away"}) {
		t.Errorf("%v, %q", up, r.lines())
	}
	if n := strings.Count(log.String(), `msg="a directory does not answer"`); n != 1 {
		t.Errorf("told %d times: %s", n, &log)
	}
	h := &house{reach: r}
	w := httptest.NewRecorder()
	readyWith(t, h).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://id.example/readyz", nil))
	if w.Code != http.StatusOK || w.Body.String() != "ready\ndirectory: away\n" {
		t.Errorf("readyz: %d %q", w.Code, w.Body)
	}
}
