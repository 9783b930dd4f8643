package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/directory"
)

func (c *cli) syncDrift() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use:   "drift",
		Short: "List accounts that are open here and not in their directory, or there and not here",
		Long:  "Changes nothing. What directories are still to be told is counted, and not drift.",
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
			waiting, failed, err := o.store.EffectCounts(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(cmd, map[string]any{"drift": found, "waiting": waiting, "failed": failed}, func(out *table) {
				for _, d := range found {
					out.row(d.Agency, d.Name, d.Account, "here: "+d.Here, "there: "+d.There)
				}
				out.row(fmt.Sprintf("%d accounts differ; %d changes are still to be told, %d could not be", len(found), waiting, failed))
			})
		},
	})
}
