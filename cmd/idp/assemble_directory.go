package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/store"
)

// directories are the configured ones, joined to the gate by routes.
type directories struct {
	open   []*ad.Directory
	routes []directory.Route
	floor  time.Duration
	tables []*store.HashTable
	portal *directory.Foreign // by hashes in a table; nil: not configured
}

// openDirectories connects to nobody yet.
func openDirectories(c *config.Config, kept directory.Identities, logger *slog.Logger, now func() time.Time) (*directories, error) {
	all := &directories{}
	for i, b := range c.Directory.Backends {
		d, err := openDirectory(c, b, ad.Options{Identities: kept, Logger: logger, Now: now})
		if err != nil {
			return nil, fmt.Errorf("directory.backends[%d]: %s: %w", i, b.Name, err)
		}
		kinds := []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}
		if len(b.Accounts) > 0 {
			kinds = nil
		}
		for _, a := range b.Accounts {
			kinds = append(kinds, idp.AccountKind(a))
		}
		all.open = append(all.open, d)
		all.routes = append(all.routes, directory.Route{Name: b.Name, Backend: d, Kinds: kinds, Agencies: b.Agencies})
		all.floor = c.Directory.Floor.D()
	}
	return all, all.openPortal(c, logger)
}

// openPortal is the table with the portal's hashes, if there is one.
func (d *directories) openPortal(c *config.Config, logger *slog.Logger) error {
	t := c.Directory.PortalTable
	if t.PostgreSQLFile == "" && t.SQLite == "" {
		return nil
	}
	o := store.HashTableOptions{Table: t.Table, Account: t.Account, Password: t.Password, Connections: t.Connections, Timeout: t.Timeout.D()}
	var err error
	if t.PostgreSQLFile == "" {
		o.SQLite = c.Path(t.SQLite)
	} else if o.PostgreSQL, err = c.Secret(t.PostgreSQLFile); err != nil {
		return fmt.Errorf("directory.portal_table: %w", err)
	}
	table, err := store.OpenHashTable(o)
	if err == nil {
		d.portal, err = directory.NewForeign(table, directory.HashKind(t.Kind), t.Timeout.D(), logger)
	}
	if err != nil {
		return fmt.Errorf("directory.portal_table: %w: %w", config.ErrInvalid, err)
	}
	d.tables, d.floor = append(d.tables, table), c.Directory.Floor.D()
	d.routes = append(d.routes, directory.Route{Name: "portal_table", Backend: d.portal, Kinds: []idp.AccountKind{idp.AccountPortal}})
	return nil
}

func openDirectory(c *config.Config, b config.DirectoryBackend, o ad.Options) (*ad.Directory, error) {
	pem, err := os.ReadFile(c.Path(b.CAFile))
	if err != nil {
		return nil, err
	}
	o.CA = x509.NewCertPool()
	if !o.CA.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %w: no certificate in it", b.CAFile, config.ErrInvalid)
	}
	if o.Secret, err = c.Secret(b.SecretFile); err != nil {
		return nil, err
	}
	o.SecretNow = func() (string, error) { return c.Secret(b.SecretFile) }
	o.Name, o.Servers, o.BindDN, o.Plain = b.Name, b.Servers, b.BindDN, b.Kind == "ldap"
	o.Base, o.GroupBase, o.ServiceBase, o.Filter = b.Base, b.GroupBase, b.ServiceBase, b.Filter
	o.Suffix, o.NameAttribute, o.IDAttribute = b.UPNSuffix, b.NameAttribute, b.IDAttribute
	o.Connect, o.Answer, o.Login = b.ConnectTimeout.D(), b.AnswerTimeout.D(), b.LoginTimeout.D()
	o.Pool, o.Binds, o.LockDuration = b.Connections, b.Concurrent, c.Lockout.Duration.D()
	o.Failures = c.Lockout.Failures
	o.Places = map[string]string{}
	for _, p := range b.Places {
		code, dn, found := strings.Cut(p, "=")
		if !found || !strings.Contains(dn, "=") {
			return nil, fmt.Errorf("places: %w: %q is not CODE=DN", config.ErrInvalid, p)
		}
		o.Places[code] = dn
	}
	d, err := ad.New(o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", config.ErrInvalid, err)
	}
	return d, nil
}

// join makes the gate ask them.
func (d *directories) join(g *directory.Gate) *directory.Gate {
	g.Routes, g.Floor = d.routes, d.floor
	if d.portal != nil {
		d.portal.Hasher = g.Hasher
	}
	return g
}

func (d *directories) close() {
	if d == nil {
		return
	}
	for _, one := range d.open {
		one.Close()
	}
	for _, one := range d.tables {
		one.Close()
	}
}

// watchDirectories turns away who may not log in any more.
func (h *house) watchDirectories(ctx context.Context) {
	if len(h.directories.open) == 0 {
		return
	}
	watch := &directory.Watch{Gate: h.gate, Live: h.store, Leases: h.store, Most: directory.AFewOf, Now: time.Now, Logger: h.logger}
	watch.Run(ctx, h.config.Directory.Recheck.D())
}
