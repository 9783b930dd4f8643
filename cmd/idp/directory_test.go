package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

const directoryConfig = `issuer: http://localhost:0
names: {domains: [AGENCY]}
directory:
  backends:
    - name: agency
      kind: ldap
      servers: ["ldaps://%s", "ldap://%s"]
      ca_file: ca.pem
      bind_dn: "%s"
      secret_file: secret
      base: "ou=people,%s"
      agencies: [WATER]
`

func TestDirectories_ByConfiguration(t *testing.T) {
	s := testenv.Slapd(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"idp.yaml": fmt.Sprintf(directoryConfig, s.LDAPS, s.LDAP, s.Admin, s.Base), "ca.pem": string(s.CA), "secret": s.Password,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "idp.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := assemble(t.Context(), assembleOptions{Config: cfg, Log: io.Discard, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	if err := checkFiles(cfg); err != nil {
		t.Error(err)
	}
	d := h.directories.open[0]
	entry, err := d.Create(t.Context(), ad.NewAccount{Name: "ab1234", Password: "Right-2026!"})
	if err != nil {
		t.Fatal(err)
	}
	r := directory.Registrar{Accounts: h.store, Names: names(cfg), Key: h.sealer.Hash, Seal: h.sealer.Seal, Now: time.Now}
	_, err = r.Put(t.Context(), directory.NewPerson{
		Person:   idp.Person{ID: "p1", Name: "王大明", Agency: idp.Agency{Code: "WATER", Name: "水利處"}},
		Accounts: []idp.Account{{Name: "ab1234", Kind: idp.AccountSingle}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := h.gate.CheckPassword(t.Context(), `AGENCY\AB1234`, "Right-2026!"); err != nil || p.ID != "p1" {
		t.Errorf("%v, %v", p, err)
	}
	if id, err := h.store.Identity(t.Context(), "agency", "ab1234"); err != nil || id != entry.ID {
		t.Errorf("remembered %q, %v", id, err)
	}
	start := time.Now()
	var refusal *directory.Refusal
	if _, err := h.gate.CheckPassword(t.Context(), "ab1234", "Wrong-2026!"); !errors.As(err, &refusal) || refusal.Reason != idp.ReasonWrong {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took < cfg.Directory.Floor.D() {
		t.Errorf("refused after %v", took)
	}
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if err := checkFiles(cfg); err == nil {
		t.Error("a missing secret is not found")
	}
}
