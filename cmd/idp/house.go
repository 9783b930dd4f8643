package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/server"
	"taipeion.internal/idp/templates"
)

const pruneEvery = 5 * time.Minute

type mux = idp.Mux

// mounting makes a Mount method a value of a list.
type mounting struct{ mount func(mux) }

func (m mounting) Mount(on mux) { m.mount(on) }

// cardVerifier pins the issuers and loads their revocation lists. A list that
// is missing or outdated is told in the log: cards of its issuer are refused
// until a good one is there, everything else goes on.
func cardVerifier(c *config.Config, o assembleOptions, logger *slog.Logger) (*cardreader.Verifier, *cardreader.CRLFiles, error) {
	anchors, err := cardAnchors(c)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range anchors.KeyIDs() {
		if slices.Contains(o.Refuse, id) {
			return nil, nil, fmt.Errorf("cards.anchors: %s is an issuer of test cards, whose key everybody has: %w", id, errRefused)
		}
	}
	lists := cardLists(c, anchors, o.Now)
	if err := lists.Load(); err != nil {
		logger.Error("revocation lists", "error", err.Error())
	}
	return &cardreader.Verifier{Anchors: anchors, Revocation: lists, Moduli: &cardreader.Moduli{}, Now: o.Now}, lists, nil
}

func cardLists(c *config.Config, anchors *cardreader.Anchors, now func() time.Time) *cardreader.CRLFiles {
	lists := &cardreader.CRLFiles{Anchors: anchors, Now: now}
	for _, name := range c.Cards.CRLs {
		lists.Paths = append(lists.Paths, c.Path(name))
	}
	return lists
}

func cardAnchors(c *config.Config) (*cardreader.Anchors, error) {
	profiles := slices.Clone(c.Cards.Profiles)
	if c.Cards.MOICA {
		profiles = append(profiles, cardreader.MOICAG2(), cardreader.MOICAG3())
	}
	var pinned []*x509.Certificate
	for _, name := range c.Cards.Anchors {
		file, err := os.ReadFile(c.Path(name))
		if err != nil {
			return nil, fmt.Errorf("cards.anchors: %w", err)
		}
		certs, err := cardreader.ParseCertificates(file)
		if err != nil {
			return nil, fmt.Errorf("cards.anchors: %s: %w: %w", name, config.ErrInvalid, err)
		}
		pinned = append(pinned, certs...)
	}
	anchors, err := cardreader.NewAnchors(pinned, profiles)
	if err != nil {
		return nil, fmt.Errorf("cards: %w: %w", config.ErrInvalid, err)
	}
	return anchors, nil
}

// watchLists shows how long the revocation lists still count: 0 is an issuer
// whose cards are refused.
func (h *house) watchLists(m *server.Metrics) {
	m.GaugesFunc("idp_revocation_list_seconds_left",
		"How long the revocation lists of an issuer still count; its cards are refused at 0.", "issuer",
		func() map[string]float64 {
			left := map[string]float64{}
			for _, id := range h.crls.Anchors.NeedLists() {
				left[id] = 0
			}
			for id, end := range h.crls.NextUpdates() {
				left[id] = max(0, end.Sub(h.crls.Now()).Seconds())
			}
			return left
		})
}

func (h *house) countStore(m *server.Metrics) {
	for name, read := range map[string]func() int64{
		"reads": func() int64 { return h.store.Stats().Reads }, "writes": func() int64 { return h.store.Stats().Writes },
		"transactions": func() int64 { return h.store.Stats().Transactions }, "retries": func() int64 { return h.store.Stats().Retries },
	} {
		m.CounterFunc("idp_store_"+name+"_total", "Of the store, since the start: "+name+".", func() float64 { return float64(read()) })
	}
}

// openServer opens the listeners and puts the middleware before the mounts.
func (h *house) openServer(o assembleOptions, metrics *server.Metrics, pages *templates.Renderer) (err error) {
	c := h.config
	options := server.Options{
		Issuer: c.Issuer, Hosts: c.Hosts, Metrics: metrics, Mounts: h.mounts, Ready: h.store.Ping,
		Details: h.reach.lines, Fail: errorPage(pages), DrainDelay: c.DrainDelay.D(), Errors: h.logger, Now: o.Now,
	}
	if c.Log.Access {
		options.Access = h.logger
	}
	for to, list := range map[*[]netip.Prefix][]string{
		&options.Networks.Proxies: c.Networks.Proxies, &options.Networks.City: c.Networks.City, &options.Networks.Gateways: c.Networks.Gateways,
	} {
		if *to, err = config.Prefixes(list); err != nil {
			return err
		}
	}
	if c.TLS.Certificate != "" {
		if options.Certificate, err = server.LoadCertificate(c.Path(c.TLS.Certificate), c.Path(c.TLS.Key)); err != nil {
			return err
		}
	}
	if h.listener, err = net.Listen("tcp", c.Address()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	options.Listener = h.listener
	if c.Metrics.Listen != "" {
		if options.MetricsAt, err = net.Listen("tcp", c.Metrics.Listen); err != nil {
			return fmt.Errorf("metrics.listen: %w", err)
		}
	}
	h.server, err = server.New(options)
	return err
}

// errorPage shows a page to people where the server itself refuses.
func errorPage(pages *templates.Renderer) server.Fail {
	titles := map[int]string{
		http.StatusForbidden: templates.ErrorForbidden, http.StatusNotFound: templates.ErrorNotFound,
		http.StatusMethodNotAllowed: templates.ErrorMethod, http.StatusRequestEntityTooLarge: templates.ErrorTooLarge,
		http.StatusInternalServerError: templates.ErrorInternal, http.StatusBadRequest: templates.ErrorRequest,
	}
	return func(w http.ResponseWriter, r *http.Request, status int) {
		title := titles[status]
		if title == "" {
			title = templates.ErrorRequest
		}
		pages.Render(w, r, status, templates.Error{
			Base: templates.Base{Reference: idp.OriginFrom(r.Context()).RequestID}, Status: status, Title: title,
		})
	}
}

// run serves until ctx ends. What works in the background ends with it.
func (h *house) run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go h.log.Run(background)
	go h.ring.Run(background)
	go h.watchCards(background)
	go h.prune(background)
	h.runFactors(ctx, background)
	go h.deliverPasswords(background)
	h.synchronise(background)
	h.tellDirectories(background)
	go h.watchDirectories(background)
	go h.reach.run(background)
	h.logger.Info("serving", "issuer", h.config.Issuer, "address", h.listener.Addr().String(), "version", version())
	err := h.serveWithKeys(ctx)
	if err == nil {
		h.logger.Info("stopped")
	}
	return err
}

// serveWithKeys serves until ctx ends or the first keys can't be made.
func (h *house) serveWithKeys(ctx context.Context) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() {
		if err := h.ring.Made(serving); err != nil && serving.Err() == nil {
			failed <- fmt.Errorf("make the first signing keys: %w", err)
			stop()
		}
	}()
	err := h.server.Run(serving)
	select {
	case fault := <-failed:
		return errors.Join(fault, err)
	default:
		return err
	}
}

// watchCards holds the bound cards against the revocation lists, at the start
// and whenever there is a new list.
func (h *house) watchCards(ctx context.Context) {
	seen := int64(-1)
	sweep := func(err error) {
		if err != nil {
			h.logger.Error("revocation lists", "error", err.Error())
		}
		changes := h.crls.Changes()
		if changes == seen {
			return
		}
		revoked, err := h.sweeper.Sweep(ctx)
		if err != nil {
			if ctx.Err() == nil {
				h.logger.Error("bound cards not held against the revocation lists", "error", err.Error())
			}
			return // again at the next tick
		}
		seen = changes
		if revoked > 0 {
			h.logger.Warn("bound cards were revoked", "cards", revoked)
		}
	}
	sweep(nil)
	h.crls.Refresh(ctx, h.config.Cards.CRLRefresh.D(), sweep)
}

// prune deletes what has ended, now and then.
func (h *house) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := time.Now()
			_, err := h.store.Prune(ctx, now)
			if err == nil {
				_, err = h.store.PruneEvents(ctx, now.Add(-h.config.Store.KeepRecord.D()))
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				h.logger.Warn("ended rows not deleted", "error", err.Error())
			}
		}
	}
}

func (h *house) close() {
	if h.listener != nil {
		_ = h.listener.Close() // closed already where the server ran
	}
	h.directories.close()
	if h.store != nil {
		if err := h.store.Close(); err != nil {
			h.logger.Error("close store", "error", err.Error())
		}
	}
	h.log.Flush()
}

func checkTLS(c *config.Config) error {
	if c.TLS.Certificate == "" {
		return nil
	}
	_, err := server.LoadCertificate(c.Path(c.TLS.Certificate), c.Path(c.TLS.Key))
	return err
}
