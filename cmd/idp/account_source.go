package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
)

// accountSource hands a person over from one feed to another.
func (c *cli) accountSource() *cobra.Command {
	var reason, to string
	cmd := c.needsConfig(&cobra.Command{
		Use:   "source NAME",
		Short: "Say which of sync.sources a person is given by from now on, on record",
		Long: "A source speaks of its own people: whom another one gave gets no more than a post from it. Who moves from\n" +
			"the agencies of one source to those of another is handed over by this.",
		Example: `  idp account source ab1234 --to hr --reason "moved to the water department" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason = strings.TrimSpace(reason); reason == "" {
				return directory.ErrReason
			}
			return c.withGate(cmd, func(o *opened, gate *directory.Gate) (*directory.AccountState, error) {
				if !slices.ContainsFunc(o.config.Sync.Sources, func(s config.SyncSource) bool { return s.Name == to }) {
					return nil, usage(fmt.Errorf("--to: %q is none of sync.sources", to))
				}
				found, err := gate.State(cmd.Context(), args[0])
				if err != nil {
					return nil, err
				}
				now := time.Now()
				err = o.store.SetSource(cmd.Context(), found.Person.ID, to, now, idp.Event{
					At: now, Kind: "account.source", Result: "ok", PersonID: found.Person.ID, Actor: operator(), Detail: reason,
				})
				if err != nil {
					return nil, err
				}
				return gate.State(cmd.Context(), args[0])
			})
		},
	})
	cmd.Flags().StringVar(&to, "to", "", "the source")
	needsReason(cmd, &reason)
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag was added a line ago
	}
	return cmd
}
