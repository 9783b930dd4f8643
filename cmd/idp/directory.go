package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

func (c *cli) directoryCommand() *cobra.Command {
	return group("directory", "The migration to single accounts",
		c.phaseCommand(), c.provisionCommand(), c.renameCommand(), c.rateCommand())
}

func (c *cli) phaseCommand() *cobra.Command {
	return group("phase", "Which names one may log in by: coexist, directory, single", c.phaseShow(), c.phaseCheck(), c.phaseSet())
}

func (c *cli) phaseShow() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "show", Short: "Show the phase", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			phase, err := o.store.Phase(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(cmd, map[string]policy.Phase{"phase": phase}, func(out *table) { out.row(phase) })
		},
	})
}

func (c *cli) phaseCheck() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "check PHASE", Short: "List who could no longer log in by name and password in a phase, and why", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, check, err := c.checkPhase(cmd, args[0])
			if err != nil {
				return err
			}
			defer o.close()
			return c.print(cmd, check, func(out *table) {
				for _, p := range check.LeftOut {
					out.row(p.Agency, p.AgencyName, p.Name, p.Accounts, p.Why)
				}
				out.row(leftOut(check))
			})
		},
	})
}

func leftOut(check *directory.PhaseCheck) string {
	return fmt.Sprintf("%d of %d people who can log in in %s could not in %s", len(check.LeftOut), check.People, check.Now, check.Then)
}

func (c *cli) checkPhase(cmd *cobra.Command, name string) (*opened, *directory.PhaseCheck, error) {
	phase, err := policy.ParsePhase(name)
	if err != nil {
		return nil, nil, usage(err)
	}
	o, err := c.open(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	check, err := directory.CheckPhase(cmd.Context(), o.store, phase)
	if err != nil {
		o.close()
		return nil, nil, err
	}
	return o, check, nil
}

func (c *cli) phaseSet() *cobra.Command {
	var accept int
	cmd := c.needsConfig(&cobra.Command{
		Use:   "set PHASE",
		Short: "Set the phase, on every node at once",
		Long: "Sets the phase. If people could no longer log in, it does not, and says how many: idp directory phase\n" +
			"check lists them, and --accept with that number sets it all the same.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, check, err := c.checkPhase(cmd, args[0])
			if err != nil {
				return err
			}
			defer o.close()
			if check.Now == check.Then {
				return c.print(cmd, check, func(out *table) { out.row("The phase is " + string(check.Now) + " already.") })
			}
			if n := len(check.LeftOut); n > 0 && n != accept {
				return fmt.Errorf("%s: look at them with idp directory phase check %s, and repeat with --accept %d: %w",
					leftOut(check), check.Then, n, errRefused)
			}
			now := time.Now()
			e := idp.Event{At: now, Kind: "directory.phase", Result: "ok", Actor: operator(), Detail: string(check.Now) + " to " + string(check.Then)}
			err = o.store.SetPhase(cmd.Context(), check.Now, check.Then, now, e)
			if errors.Is(err, idp.ErrConflict) {
				return fmt.Errorf("somebody else set the phase meanwhile: %w", err)
			}
			if err != nil {
				return err
			}
			return c.print(cmd, check, func(out *table) {
				out.row("The phase is " + string(check.Then) + ".")
				for _, s := range o.config.Sync.Sources {
					if check.Then != policy.PhaseCoexist {
						out.row("Source " + s.Name + " is still read: take it out of sync.sources if it is the portal's.")
					}
				}
			})
		},
	})
	cmd.Flags().IntVar(&accept, "accept", 0, "how many people may be left out")
	return cmd
}
