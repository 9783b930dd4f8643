package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory/sync"
)

func (c *cli) syncCommand() *cobra.Command {
	return group("sync", "Bring people and agencies to what their sources say",
		c.syncRun(), c.syncPlan(), c.syncStatus(), c.syncHistory(), c.syncDrift(), c.syncEffects())
}

// syncing is what the commands of sync work on.
type syncing struct {
	*opened
	runner  *sync.Runner
	sources []sync.Source
	shown   *progress
}

func (c *cli) openSync(cmd *cobra.Command) (*syncing, error) {
	o, err := c.open(cmd.Context())
	if err != nil {
		return nil, err
	}
	s := &syncing{opened: o, shown: newProgress(os.Stderr)}
	if c.json {
		s.shown.out = nil
	}
	sealer, err := o.sealer(cmd.Context())
	if err == nil {
		s.sources, err = syncSources(o.config)
	}
	if err != nil {
		o.close()
		return nil, err
	}
	s.runner = newRunner(o.config, o.store, sealer, o.logger, time.Now)
	if s.shown.out != nil {
		s.runner.Progress = s.shown.tell
	}
	// A whole city is in memory for some seconds: rather clean up more often.
	debug.SetGCPercent(50)
	return s, nil
}

// chosen are the sources that the command line names; all without a name.
func (s *syncing) chosen(args []string) ([]sync.Source, error) {
	if len(s.sources) == 0 {
		return nil, fmt.Errorf("sync.sources names no source: %w", idp.ErrNotFound)
	}
	if len(args) == 0 {
		return s.sources, nil
	}
	for _, source := range s.sources {
		if source.Name == args[0] {
			return []sync.Source{source}, nil
		}
	}
	return nil, fmt.Errorf("source %q: %w", args[0], idp.ErrNotFound)
}

// eachSource runs do for each chosen source and shows the runs; the first error
// does not stop the others.
func (c *cli) eachSource(cmd *cobra.Command, args []string, do func(*syncing, sync.Source) (*sync.Run, error)) error {
	s, err := c.openSync(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	sources, err := s.chosen(args)
	if err != nil {
		return err
	}
	var runs []sync.Run
	var failed error
	for _, source := range sources {
		run, err := do(s, source)
		if run != nil {
			runs = append(runs, *run)
		}
		failed = errors.Join(failed, err)
		if cmd.Context().Err() != nil {
			break
		}
	}
	s.shown.end()
	return errors.Join(c.showRuns(cmd, s, runs), failed)
}

func (c *cli) syncRun() *cobra.Command {
	var confirm string
	var wait time.Duration
	cmd := c.needsConfig(&cobra.Command{
		Use:   "run [SOURCE]",
		Short: "Synchronise now",
		Long: "Goes on with an interrupted run, reads the source, makes a plan and applies it. A plan that would\n" +
			"disable many people, or comes from a feed much smaller than the last, is not applied: look at it with\n" +
			"idp sync history RUN, and apply it with --confirm PLAN.",
		Example: "  idp sync run --config idp.yaml\n  idp sync run portal --confirm 3f2a9c01d4e5 --config idp.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if confirm != "" && len(args) == 0 {
				return usage(errors.New("--confirm needs the name of the source too"))
			}
			return c.eachSource(cmd, args, func(s *syncing, source sync.Source) (*sync.Run, error) {
				return s.patiently(cmd.Context(), source, wait, func() (*sync.Run, error) {
					if confirm != "" {
						return s.runner.Confirm(cmd.Context(), source, confirm, operator())
					}
					return s.runner.Do(cmd.Context(), source, operator())
				})
			})
		},
	})
	cmd.Flags().StringVar(&confirm, "confirm", "", "apply the plan of this name, which asked")
	cmd.Flags().DurationVar(&wait, "wait", 75*time.Second, "how long to wait for a run elsewhere; one that was killed is noticed after a minute")
	return cmd
}

// patiently waits for another run to end, or for the lease of one that was killed.
func (s *syncing) patiently(ctx context.Context, source sync.Source, wait time.Duration, do func() (*sync.Run, error)) (*sync.Run, error) {
	for end := time.Now().Add(wait); ; {
		run, err := do()
		if !errors.Is(err, sync.ErrRunning) || time.Now().After(end) {
			return run, err
		}
		holder, err := s.store.LeaseHolder(ctx, sync.LeaseName(source.Name), time.Now())
		if err != nil {
			return nil, err
		}
		if s.shown.out != nil {
			s.shown.tell("wait for "+holder, 0, 0)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (c *cli) syncPlan() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "plan [SOURCE]", Short: "Show what a run would change, and change nobody", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.eachSource(cmd, args, func(s *syncing, source sync.Source) (*sync.Run, error) {
				run, err := s.runner.Plan(cmd.Context(), source, operator())
				if err != nil || c.json {
					return run, err
				}
				s.shown.end()
				return run, c.showChanges(cmd, s, run)
			})
		},
	})
}

func (c *cli) syncStatus() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "status", Short: "Show the last run of each source, and what is under way", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.openSync(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			var runs []sync.Run
			for _, source := range s.sources {
				// Plans made by hand, and those that were replaced, are no runs.
				last, err := s.store.NewestRun(cmd.Context(), source.Name, "", sync.Applying, sync.Asking, sync.Done, sync.Failed)
				if errors.Is(err, idp.ErrNotFound) {
					continue
				}
				if err != nil {
					return err
				}
				runs = append(runs, *last)
			}
			return c.showRuns(cmd, s, runs)
		},
	})
}

func (c *cli) syncHistory() *cobra.Command {
	var limit int
	cmd := c.needsConfig(&cobra.Command{
		Use:   "history [RUN]",
		Short: "List the runs, or show all that one changed and what was wrong with its feed",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.openSync(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			runs, err := s.store.Runs(cmd.Context(), "", max(limit, 1))
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return c.showRuns(cmd, s, runs)
			}
			if runs, err = s.store.Runs(cmd.Context(), "", 100_000); err != nil {
				return err
			}
			for i := range runs {
				if runs[i].ID == args[0] || runs[i].Plan == args[0] && args[0] != "" {
					return c.showRun(cmd, s, &runs[i])
				}
			}
			return fmt.Errorf("run %q: %w", args[0], idp.ErrNotFound)
		},
	})
	cmd.Flags().IntVar(&limit, "limit", 30, "how many runs")
	return cmd
}
