package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// TestSyncDrift_AccountsThatOnlyTheDirectoryHas are listed with what can be done
// about them, and nothing is done.
func TestSyncDrift_AccountsThatOnlyTheDirectoryHas(t *testing.T) {
	s := testenv.Slapd(t)
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"idp.yaml": strings.Replace(fmt.Sprintf(directoryConfig, s.LDAPS, s.LDAP, s.Admin, s.Base), "ou=people,", "", 1) +
			"      service_base: \"ou=groups," + s.Base + "\"\n",
		"ca.pem": string(s.CA), "secret": s.Password,
	})
	cfg, err := config.Load(filepath.Join(dir, "idp.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := assemble(t.Context(), assembleOptions{Config: cfg, Log: io.Discard, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	d := h.directories.open[0]
	for _, n := range []ad.NewAccount{{Name: "ab1234"}, {Name: "left.over", DisplayName: "李小華"}, {Name: "printer", Service: true}} {
		n.Password = "Right-2026!"
		if _, err := d.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	r := directory.Registrar{Accounts: h.store, Names: names(cfg), Key: h.sealer.Hash, Seal: h.sealer.Seal, Now: time.Now}
	_, err = r.Put(t.Context(), directory.NewPerson{
		Person:   idp.Person{ID: "p1", Name: "王大明", Agency: idp.Agency{Code: "WATER", Name: "水利處"}},
		Accounts: []idp.Account{{Name: "ab1234", Kind: idp.AccountSingle}},
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		c, out := newCLI(), &bytes.Buffer{}
		root := c.root()
		root.SetOut(out)
		root.SetArgs(append([]string{"sync", "drift", "--config", filepath.Join(dir, "idp.yaml")}, args...))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	said := run()
	for _, want := range []string{
		`(?m)^only there +agency +left\.over +李小華 +dc=agency,dc=test +person +open +made 20\d\d-.* +last login -`,
		`(?m)^1 accounts are only in a directory, and 1 machines' and services', of 3 entries; 0 could not be read$`, `let its owner bind it`,
	} {
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("no %s in\n%s", want, said)
		}
	}
	if strings.Contains(said, "printer") || strings.Contains(said, "only there  agency  ab1234") {
		t.Error(said)
	}
	var result struct {
		OnlyThere []directory.Stray    `json:"only_there"`
		Count     directory.StrayCount `json:"only_there_count"`
	}
	if err := json.Unmarshal([]byte(run("--json", "--services", "--mend")), &result); err != nil {
		t.Fatal(err)
	}
	if l := result.OnlyThere; len(l) != 2 || result.Count != (directory.StrayCount{Entries: 3, People: 1, Services: 1}) || l[0].CreatedAt.IsZero() {
		t.Errorf("%+v", result)
	}
	for _, name := range []string{"left.over", "printer"} {
		if e, err := d.Find(t.Context(), name); err != nil || e.Disabled {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
