package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"taipeion.internal/idp/admin"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/portal"
	"taipeion.internal/idp/server"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

// house is everything that one node is made of, joined.
type house struct {
	config      *config.Config
	log         *server.Log
	logger      *slog.Logger
	store       *store.Store
	sealer      *keys.Sealer
	ring        *keys.Ring
	gate        *directory.Gate
	passwords   *directory.Passwords
	directories *directories
	reach       *reach
	crls        *cardreader.CRLFiles
	sweeper     *cardreader.Sweeper
	factors     *factors
	clients     *clientMemory
	record      *repeats
	server      *server.Server
	mounts      *server.Mounts
	listener    net.Listener
	forget      atomic.Pointer[[]func()] // what this node believes for a moment, of sessions and of tokens
}

// forgetAll is called when this node changed a session or a person.
func (h *house) forgetAll() {
	if list := h.forget.Load(); list != nil {
		for _, forget := range *list {
			forget()
		}
	}
}

// assembleOptions is where serve and demo differ.
type assembleOptions struct {
	Config *config.Config
	Log    io.Writer
	Seeds  []keys.Seed // keys made beforehand
	Refuse []string    // KIDs and card issuers that must not be used
	Mail   outbox.Doer // where mails go if no server is named; nil: nowhere
	Now    func() time.Time
}

// assemble joins all parts. Nothing is served before run.
func assemble(ctx context.Context, o assembleOptions) (*house, error) {
	h := &house{config: o.Config, log: server.NewLog(o.Log)}
	if err := h.build(ctx, o); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *house) build(ctx context.Context, o assembleOptions) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.Config.Log.Level)); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	h.logger = h.log.Logger(level)
	metrics := server.NewMetrics()
	if err := h.openKeeping(ctx, o, metrics); err != nil {
		return err
	}
	pages, verifier, err := h.prepare(ctx, o)
	if err != nil {
		return err
	}
	h.gate = h.directories.join(newGate(o.Config, h.store, h.sealer, h.logger, o.Now))
	if h.passwords, err = newPasswords(o.Config, h.gate, h.store, h.sealer, h.logger, o.Now); err != nil {
		return err
	}
	h.reach = newReach(h.directories.open, h.logger)
	h.mounts = server.NewMounts(metrics)
	h.record = &repeats{next: h.store.Record}
	h.clients = &clientMemory{next: h.store.Client, now: o.Now}
	if h.factors, err = h.newFactors(ctx, o, pages); err != nil {
		return err
	}
	h.mountAll(o, pages, verifier)
	h.mountPhone(o, pages)
	h.countStore(metrics)
	h.watchLists(metrics)
	h.countWaiting(metrics)
	h.countDirectories(metrics)
	return h.openServer(o, metrics, pages)
}

// openKeeping opens the store and the master key.
func (h *house) openKeeping(ctx context.Context, o assembleOptions, metrics *server.Metrics) (err error) {
	path := h.config.Path(h.config.MasterKeyFile)
	if err := errors.Join(checkFolder("master_key_file", path), checkFolder("store.sqlite", sqlitePath(h.config))); err != nil {
		return err
	}
	h.sealer, err = keys.OpenMaster(path, false)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	options, err := storeOptions(h.config)
	if err != nil {
		return err
	}
	options.Now, options.OnEvent, options.OnEnd = o.Now, metrics.CountEvent, h.forgetAll
	if h.store, err = store.Open(ctx, options); err != nil {
		return err
	}
	if missing {
		if h.sealer, err = h.makeMaster(ctx, path, o.Now()); err != nil {
			return err
		}
	}
	h.directories, err = openDirectories(h.config, h.store, h.logger, o.Now)
	return err
}

// makeMaster makes a master key for a store without signing keys only: those
// that are there can't be opened with a new one.
func (h *house) makeMaster(ctx context.Context, path string, now time.Time) (*keys.Sealer, error) {
	have, err := h.store.Keys().SigningKeys(ctx, now)
	if err != nil {
		return nil, err
	}
	if len(have) == 0 {
		return keys.OpenMaster(path, true)
	}
	// Another node may have made both just now, the master key first.
	sealer, err := keys.OpenMaster(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the store has signing keys, and there is no %s", keys.ErrSealed, path)
	}
	return sealer, err
}

// prepare does at the same time what takes time: keys, pages, card issuers.
func (h *house) prepare(ctx context.Context, o assembleOptions) (pages *templates.Renderer, verifier *cardreader.Verifier, err error) {
	var wg sync.WaitGroup
	var errs [3]error
	wg.Go(func() {
		h.ring, errs[0] = keys.OpenRing(ctx, keys.RingOptions{
			Store: h.store.Keys(), Sealer: h.sealer, Now: o.Now, Algorithms: h.config.Tokens.Algorithms,
			Seeds: o.Seeds, Refuse: o.Refuse, Logger: h.logger,
		})
	})
	wg.Go(func() { pages, errs[1] = templates.New(pageOptions(h.config, o.Now)) })
	wg.Go(func() { verifier, h.crls, errs[2] = cardVerifier(h.config, o, h.logger) })
	wg.Wait()
	return pages, verifier, errors.Join(errs[:]...)
}

func storeOptions(c *config.Config) (store.Options, error) {
	if c.Store.PostgreSQLFile == "" {
		return store.Options{SQLite: c.Path(c.Store.SQLite)}, nil
	}
	address, err := c.Secret(c.Store.PostgreSQLFile)
	return store.Options{PostgreSQL: address}, err
}

func pageOptions(c *config.Config, now func() time.Time) templates.Options {
	o := templates.Options{ROCYears: c.Pages.ROCYears, Now: now, AgentDownload: c.Pages.AgentDownload}
	for _, contact := range c.Pages.Contacts {
		o.Contacts = append(o.Contacts, templates.Contact{NameZH: contact.Name, NameEN: contact.NameEN, Text: contact.Text, TextEN: contact.TextEN})
	}
	return o
}

// newGate joins what looks at passwords.
func newGate(c *config.Config, st *store.Store, sealer *keys.Sealer, logger *slog.Logger, now func() time.Time) *directory.Gate {
	return &directory.Gate{
		Accounts: st, Tries: st,
		Hasher: directory.NewHasher(directory.HasherOptions{
			Memory: c.Passwords.Memory, Time: c.Passwords.Passes,
			Concurrent: c.Passwords.Concurrent, Waiting: c.Passwords.Waiting,
		}),
		Names: names(c),
		Rules: policy.Lockout{
			MaxFailures: c.Lockout.Failures, Window: c.Lockout.Window.D(), Duration: c.Lockout.Duration.D(), All: c.Lockout.All,
		},
		Sources: directory.Sources{
			Names: c.Lockout.SourceNames, Gateway: c.Lockout.GatewayNames, Window: c.Lockout.SourceWindow.D(),
		},
		Admits: policy.Phase.Admits, Key: sealer.Hash, Record: st.Record, Now: now, Logger: logger,
	}
}

func names(c *config.Config) policy.Names {
	return policy.Names{Domains: c.Names.Domains, Suffixes: c.Names.UPNSuffixes}
}

// mountAll is the list of everything that answers requests.
func (h *house) mountAll(o assembleOptions, pages *templates.Renderer, verifier *cardreader.Verifier) {
	c, now := h.config, o.Now
	h.gate.Record = h.record.Record
	starts := boundedStarts{h.store, h.record, &server.Budget{Each: c.Lockout.Starts, Gateway: c.Lockout.GatewayStarts, Now: now}}
	sessions := &session.Manager{
		Store: h.store, Now: now, Idle: c.Session.Idle.D(), Absolute: c.Session.Absolute.D(), Insecure: c.Insecure(),
		Believe: c.Tokens.Cache.D(),
	}
	h.sweeper = &cardreader.Sweeper{Cards: h.store, Revocation: verifier.Revocation, Moduli: verifier.Moduli, Now: now}
	desk := &cardreader.Desk{
		Store: h.store, Key: h.ring.ChallengeKey(), Verifier: verifier, Origin: c.Issuer, Now: now,
	}
	agentOrigin := c.Cards.Agent
	if len(c.Cards.Anchors) == 0 {
		agentOrigin = "" // nobody vouches for a card: none is asked for
	}
	provider := &oidc.Provider{
		Issuer: c.Issuer, Grants: h.store, Requests: starts, Clients: h.store, Sessions: sessions,
		Keys: h.ring, Algorithms: c.Tokens.Algorithms, Sealer: h.sealer, Pages: pages, Now: now,
		Lifetimes: oidc.Lifetimes{
			Code: c.Tokens.Code.D(), Access: c.Tokens.Access.D(), ID: c.Tokens.ID.D(), Refresh: c.Tokens.Refresh.D(),
			RefreshIdle: c.Tokens.RefreshIdle.D(), Grace: c.Tokens.RefreshGrace.D(), Flow: c.Tokens.Login.D(),
		},
		Logger: h.logger, CacheGrants: c.Tokens.Cache.D(),
	}
	h.forget.Store(&[]func(){sessions.Forget, provider.ForgetGrants})
	for _, part := range []interface{ Mount(mux mux) }{
		mounting{provider.Mount},
		mounting{(&login.Handler{
			Store: loginStore{starts, h.clients}, Visits: h.store, Sessions: sessions, Gate: h.gate, Desk: desk, Cards: h.store, Pages: pages, Now: now,
			Logger: h.logger, Settings: login.Settings{AgentOrigin: agentOrigin, LockCards: c.Lockout.All},
			Factors: h.forLogin(h.factors), Passwords: h.passwords,
		}).Mount},
		mounting{(&portal.Handler{
			Store: starts, Sessions: sessions, Desk: desk, Cards: h.store, Pages: pages, Now: now,
			Logger: h.logger, Settings: portal.Settings{AgentOrigin: agentOrigin, FlowLife: c.Tokens.Login.D()},
			Factors: h.forPortal(h.factors), Passwords: h.passwords,
			Binder: &directory.Binder{Gate: h.gate, Store: h.store, Phases: h.store, Choices: h.store, Now: now}, Roles: h.store.RolesOf,
		}).Mount},
		mounting{(&admin.Handler{
			Store: starts, People: h.store, Seconds: h.store, Reports: h.store, Sessions: sessions, Gate: h.gate, Passwords: h.passwords,
			Pages: pages, Now: now, Logger: h.logger, FlowLife: c.Tokens.Login.D(),
		}).Mount},
	} {
		part.Mount(h.mounts)
	}
	h.mounts.Handle("GET /static/", pages.Static())
}
