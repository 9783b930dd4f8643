package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"taipeion.internal/idp/internal/testenv"
)

// TestNoCommandFillsAnEmptyPostgreSQL: an operator's command finds no tables and
// makes none; migrate does.
func TestNoCommandFillsAnEmptyPostgreSQL(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"postgresql.url": testenv.Postgres(t) + "\n",
		"idp.yaml":       "issuer: http://localhost:1\nstore: {postgresql_file: postgresql.url}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCLI()
	c.config = filepath.Join(dir, "idp.yaml")
	for range 2 {
		if _, err := c.open(t.Context()); !errors.Is(err, errNoDatabase) || exitCode(err) != exitConfig || advice(err) == "" {
			t.Fatalf("an empty database: %v", err)
		}
	}
	made, err := c.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made.close()
	o, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	if _, err := o.sealer(t.Context()); exitCode(err) != exitConfig {
		t.Errorf("without a master key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "master.key")); err == nil {
		t.Error("a command made a master key")
	}
}
