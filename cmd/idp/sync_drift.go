package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/directory"
)

const driftLong = "Changes nothing, but with --mend: the directories are then told how it is here, by a node. What directories are still to be told is counted, and not drift.\n\n" +
	"Accounts that only a directory has, within its base and filter, are listed after these (\"only there\"), with when they were\n" +
	"made and when they last logged in, as far as it says (Active Directory: to within two weeks). Nothing is ever done\n" +
	"about them. Whose they are decides:\n" +
	"  - somebody's who is here: a source names it in its account column, or they bind it themselves after a login;\n" +
	"  - \"is another entry\": the entry of the account here was made anew. If it is the same person's: idp account forget-entry;\n" +
	"  - nobody's: disable it there, with the directory's own tools.\n" +
	"Machines', services' and the system's accounts are counted; --services lists them too."

func (c *cli) syncDrift() *cobra.Command {
	mend, services := false, false
	cmd := c.needsConfig(&cobra.Command{
		Use:   "drift",
		Short: "List accounts that are open here and not in their directory, or there and not here, or show something else there",
		Long:  driftLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			gate, err := o.gate(cmd.Context())
			if err != nil {
				return err
			}
			shown := newProgress(os.Stderr)
			if c.json {
				shown.out = nil
			}
			found, err := directory.FindDrift(cmd.Context(), gate, counted{o.store, shown})
			if err != nil {
				return err
			}
			mended := 0
			if mend {
				if mended, err = directory.Mend(cmd.Context(), o.store, found, operator()); err != nil {
					return err
				}
			}
			waiting, failed, err := o.store.EffectCounts(cmd.Context())
			if err != nil {
				return err
			}
			only, n, unlisted := strays(cmd.Context(), o, gate, shown, services) // what was found is shown all the same
			shown.end()
			result := map[string]any{"drift": found, "waiting": waiting, "failed": failed, "mended": mended, "only_there": only, "only_there_count": n}
			return errors.Join(unlisted, c.print(cmd, result, func(out *table) {
				for _, d := range found {
					out.row(d.Agency, d.Name, d.Account, d.Field, "here: "+d.Here, "there: "+d.There)
				}
				out.row(fmt.Sprintf("%d differences; %d changes are still to be told, %d could not be", len(found), waiting, failed))
				showStrays(out, only, n)
			}))
		},
	})
	cmd.Flags().BoolVar(&mend, "mend", false, "have the directories told how it is here")
	cmd.Flags().BoolVar(&services, "services", false, "list machines', services' and the system's accounts that only a directory has, too")
	return cmd
}

// counted shows how many accounts were gone through.
type counted struct {
	directory.Holdings
	shown *progress
}

func (h counted) DirectoryAccounts(ctx context.Context, yield func(directory.Held) error) error {
	n := 0
	return h.Holdings.DirectoryAccounts(ctx, func(one directory.Held) error {
		if n++; h.shown.out != nil {
			h.shown.tell("compare accounts", n, 0)
		}
		return yield(one)
	})
}

// strays lists the accounts that only directories have.
func strays(ctx context.Context, o *opened, gate *directory.Gate, shown *progress, services bool) ([]directory.Stray, directory.StrayCount, error) {
	list := []directory.Stray{}
	s := directory.Strays{Gate: gate, Owners: o.store, Progress: func(name string, entries int) {
		if shown.out != nil {
			shown.tell("list entries of "+name, entries, 0)
		}
	}}
	n, err := s.Find(ctx, func(one directory.Stray) error {
		if services || !one.Service {
			list = append(list, one)
		}
		return nil
	})
	return list, n, err
}

func showStrays(out *table, only []directory.Stray, n directory.StrayCount) {
	for _, s := range only {
		state, what := "open", "person"
		if !s.Open {
			state = "closed"
		}
		if s.Service {
			what = "service"
		}
		note := ""
		if s.Namesake != "" {
			note = "the account of this name here " + s.Namesake
		}
		out.row("only there", s.Directory, s.Account, s.Name, s.Place, what, state, "made "+moment(s.CreatedAt), "last login "+moment(s.LastLoginAt), note)
	}
	out.row(fmt.Sprintf("%d accounts are only in a directory, and %d machines' and services', of %d entries; %d could not be read", n.People, n.Services, n.Entries, n.Unread))
	if n.People > 0 {
		out.row("each of them: let its owner bind it or a source name it, or disable it there; see --help")
	}
}
