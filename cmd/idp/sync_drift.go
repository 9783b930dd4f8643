package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/directory"
)

func (c *cli) syncDrift() *cobra.Command {
	mend := false
	cmd := c.needsConfig(&cobra.Command{
		Use:   "drift",
		Short: "List accounts that are open here and not in their directory, or there and not here, or show something else there",
		Long:  "Changes nothing, but with --mend: the directories are then told how it is here, by a node. What directories are still to be told is counted, and not drift.",
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
			found, err := directory.FindDrift(cmd.Context(), gate, o.store)
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
			return c.print(cmd, map[string]any{"drift": found, "waiting": waiting, "failed": failed, "mended": mended}, func(out *table) {
				for _, d := range found {
					out.row(d.Agency, d.Name, d.Account, d.Field, "here: "+d.Here, "there: "+d.There)
				}
				out.row(fmt.Sprintf("%d differences; %d changes are still to be told, %d could not be", len(found), waiting, failed))
			})
		},
	})
	cmd.Flags().BoolVar(&mend, "mend", false, "have the directories told how it is here")
	return cmd
}
