package main

import (
	"path/filepath"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// TestDirectories_SideBySide has one configuration with an Active Directory for
// the city, an OpenLDAP for one agency, and the portal's passwords in another:
// each account is looked at in its own, and the portal's only while the phase
// admits it.
func TestDirectories_SideBySide(t *testing.T) {
	s := testenv.Slapd(t)
	dir := t.TempDir()
	put(t, dir, map[string]string{"ca.pem": string(s.CA), "secret": s.Password})
	backend := func(name string, accounts, agencies []string) config.DirectoryBackend {
		return config.DirectoryBackend{
			Name: name, Kind: "ldap", Servers: []string{"ldaps://" + s.LDAPS}, CAFile: filepath.Join(dir, "ca.pem"), BindDN: s.Admin,
			SecretFile: filepath.Join(dir, "secret"), Base: "ou=people," + s.Base, Accounts: accounts, Agencies: agencies,
		}
	}
	e := startElsewhere(t, func(c *config.Config) {
		c.Directory.Backends = append([]config.DirectoryBackend{backend("water", nil, []string{"WATER"}), backend("portal", []string{"portal"}, nil)},
			c.Directory.Backends...)
	}, "ab9001")
	r := directory.Registrar{Accounts: e.store, Names: names(e.config), Key: e.sealer.Hash, Seal: e.sealer.Seal, Now: time.Now}
	_, err := r.Put(t.Context(), directory.NewPerson{
		Person:   idp.Person{ID: "water", Name: "李小明", Agency: idp.Agency{Code: "WATER", Name: "水利處"}},
		Accounts: []idp.Account{{Name: "ab9002", Kind: idp.AccountSingle}, {Name: "li.portal", Kind: idp.AccountPortal}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.set("ab9002", 512) // of the same name in the city's
	for name, password := range map[string]string{"ab9002": "Agency-2026!", "li.portal": "Portal-2026!"} {
		if _, err := e.directories.open[0].Create(t.Context(), ad.NewAccount{Name: name, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, password string
		in             bool
	}{
		{"ab9001", elsewherePassword, true}, {"ab9001", "Agency-2026!", false}, {"ab9002", "Agency-2026!", true}, {"ab9002", elsewherePassword, false},
		{"li.portal", "Portal-2026!", true}, {"li.portal", "Agency-2026!", false}, {"li.portal", elsewherePassword, false},
	} {
		e.visitor(t).let(c.name, c.password, c.in)
	}
	before := e.script.Binds(elsewhereService)
	phase, err := e.store.Phase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := e.store.SetPhase(t.Context(), phase, "directory", now, idp.Event{At: now, Kind: "directory.phase", Result: "ok"}); err != nil {
		t.Fatal(err)
	}
	e.visitor(t).let("li.portal", "Portal-2026!", false)
	e.visitor(t).let("ab9002", "Agency-2026!", true)
	if n := e.script.Binds(elsewhereService) - before; n != 1 { // nobody's name, by the way of nearly everybody
		t.Errorf("%d binds at the city's", n)
	}
}
