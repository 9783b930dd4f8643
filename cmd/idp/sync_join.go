package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"time"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/plan"
	"taipeion.internal/idp/directory/sync"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/store"
)

// newRunner joins what synchronises.
func newRunner(c *config.Config, st *store.Store, sealer *keys.Sealer, logger *slog.Logger, now func() time.Time) *sync.Runner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &sync.Runner{
		People: st, Runs: st, Leases: st, Names: names(c), Key: sealer.Hash, Seal: sealer.Seal, Now: now,
		Holder: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8]), Logger: logger,
	}
}

// syncSources are the configured sources.
func syncSources(c *config.Config) ([]sync.Source, error) {
	var all []sync.Source
	for i, s := range c.Sync.Sources {
		source, err := syncSource(c, s)
		if err != nil {
			return nil, fmt.Errorf("sync.sources[%d]: %s: %w", i, s.Name, err)
		}
		all = append(all, source)
	}
	return all, nil
}

func syncSource(c *config.Config, s config.SyncSource) (sync.Source, error) {
	source := sync.Source{Name: s.Name, Limits: plan.CityLimits(), Scope: s.Agencies}
	if s.MaxDisabled > 0 {
		source.Limits.Disabled = float64(s.MaxDisabled) / 100
	}
	if s.MaxMissing > 0 {
		source.Limits.Smaller = float64(s.MaxMissing) / 100
	}
	var err error
	if source.Mapping, err = s.Mapping(); err != nil {
		return source, err
	}
	switch s.Kind {
	case "ldap":
		for _, b := range c.Directory.Backends {
			if b.Name != s.Backend {
				continue
			}
			d, err := openDirectory(c, b, ad.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
			if err != nil {
				return source, err
			}
			source.People = ad.Records{Directory: d, Filter: s.Filter, Attributes: source.Mapping.Columns()}
		}
		return source, nil
	case "csv":
		file := feed.CSV{Path: c.Path(s.File)}
		if file.Encoding, err = feed.ParseEncoding(s.Encoding); err != nil {
			return source, err
		}
		if s.Separator != "" {
			file.Comma = s.Separator[0]
		}
		source.People = file
		if s.AgenciesFile != "" {
			file.Path = c.Path(s.AgenciesFile)
			source.Agencies = file
		}
		return source, nil
	}
	view := store.View{SQLite: c.Path(s.SQLite), Name: s.View}
	if s.PostgreSQLFile != "" {
		if view.PostgreSQL, err = c.Secret(s.PostgreSQLFile); err != nil {
			return source, err
		}
	}
	source.People = view
	if s.AgenciesView != "" {
		view.Name = s.AgenciesView
		source.Agencies = view
	}
	return source, nil
}

// synchronise reads the sources by itself, on one node of all.
func (h *house) synchronise(ctx context.Context) {
	every := h.config.Sync.Every.D()
	if every <= 0 || len(h.config.Sync.Sources) == 0 {
		return
	}
	sources, err := syncSources(h.config)
	if err != nil {
		h.logger.Error("synchronisation does not run", "error", err.Error())
		return
	}
	go newRunner(h.config, h.store, h.sealer, h.logger, time.Now).Every(ctx, every, sources)
}

// tellDirectories tells them what batch jobs and synchronisation did here. Where
// there are none too: an account that was drawn is its person's when it was told.
func (h *house) tellDirectories(ctx context.Context) {
	go (&directory.Teller{Effects: h.store, Doors: h.store, Gate: h.gate, Now: time.Now, Logger: h.logger}).Run(ctx)
}
