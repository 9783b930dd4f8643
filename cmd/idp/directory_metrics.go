package main

import (
	"context"
	"log/slog"
	gosync "sync"
	"time"

	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/directory/sync"
	"taipeion.internal/idp/server"
)

// How often directories are asked whether they are there, and how long for.
const (
	reachEvery = 10 * time.Second
	reachTime  = 5 * time.Second
	scrapeTime = 2 * time.Second // of the store, for a figure
)

// reach knows which directories answer. One that does not makes no node unready:
// cards and phones go on.
type reach struct {
	open   []*ad.Directory
	logger *slog.Logger

	mu gosync.Mutex
	up map[string]bool
}

func newReach(open []*ad.Directory, logger *slog.Logger) *reach {
	return &reach{open: open, logger: logger, up: map[string]bool{}}
}

func (r *reach) run(ctx context.Context) {
	if len(r.open) == 0 {
		return
	}
	tick := time.NewTicker(reachEvery)
	defer tick.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks all of them at once.
func (r *reach) look(ctx context.Context) {
	var all gosync.WaitGroup
	for _, d := range r.open {
		all.Go(func() {
			asked, cancel := context.WithTimeout(ctx, reachTime)
			defer cancel()
			err := d.Ping(asked)
			if ctx.Err() != nil {
				return
			}
			r.mu.Lock()
			was, known := r.up[d.String()]
			r.up[d.String()] = err == nil
			r.mu.Unlock()
			switch {
			case err != nil && (was || !known):
				r.logger.ErrorContext(ctx, "a directory does not answer", "directory", d.String(), "error", err.Error())
			case err == nil && known && !was:
				r.logger.InfoContext(ctx, "a directory answers again", "directory", d.String())
			}
		})
	}
	all.Wait()
}

// figures are 1 for those that answered last, 0 for the others.
func (r *reach) figures() map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]float64{}
	for name, up := range r.up {
		out[name] = 0
		if up {
			out[name] = 1
		}
	}
	return out
}

// lines say whether passwords can be looked at. They name nobody's servers.
func (r *reach) lines() []string {
	away := 0
	figures := r.figures()
	for _, up := range figures {
		if up == 0 {
			away++
		}
	}
	switch {
	case len(figures) == 0:
		return nil
	case away == 0:
		return []string{"directory: up"}
	case away == len(figures):
		return []string{"directory: away"}
	}
	return []string{"directory: some away"}
}

// countDirectories shows what directories and mailboxes are still to be told, how
// the last synchronisation of each source ended, and which directories answer.
func (h *house) countDirectories(m *server.Metrics) {
	m.GaugesFunc("idp_directory_up", "1 while a directory answers our service account.", "directory", h.reach.figures)
	counts := func(count func(context.Context) (int, int, error)) func() map[string]float64 {
		return func() map[string]float64 {
			ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
			defer cancel()
			waiting, failed, err := count(ctx)
			if err != nil {
				return nil
			}
			return map[string]float64{"waiting": float64(waiting), "failed": float64(failed)}
		}
	}
	m.GaugesFunc("idp_directory_effects", "Changes that directories are still to be told, and that nobody tries any more.", "state",
		counts(h.store.EffectCounts))
	m.GaugesFunc("idp_mailbox_passwords", "Passwords that have not reached their mailbox, and that never will.", "state", counts(h.store.DeliveryCounts))
	m.GaugesFunc("idp_sync_last_end_timestamp_seconds", "When the last run of a source ended.", "source",
		h.lastRuns(func(r sync.Run) float64 { return float64(r.EndedAt.Unix()) }))
	m.GaugesFunc("idp_sync_last_ok", "1 if the last run of a source was applied, 0 if it asks or could not read the source.", "source",
		h.lastRuns(func(r sync.Run) float64 { return map[bool]float64{true: 1}[r.State == sync.Done] }))
}

// lastRuns gives a figure of the last run of each source that has ended and was
// not made by hand only to be looked at.
func (h *house) lastRuns(figure func(sync.Run) float64) func() map[string]float64 {
	return func() map[string]float64 {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
		defer cancel()
		out := map[string]float64{}
		for _, s := range h.config.Sync.Sources {
			runs, err := h.store.Runs(ctx, s.Name, 20)
			if err != nil {
				return nil
			}
			for _, r := range runs {
				if r.State == sync.Done || r.State == sync.Asking || r.State == sync.Failed {
					out[s.Name] = figure(r)
					break
				}
			}
		}
		return out
	}
}
