package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/cardreader/agent"
	"taipeion.internal/idp/config"
)

func (c *cli) agentCommand() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use:         "agent",
		Annotations: noJSON,
		Short:       "Run the card component of a staff PC",
		Long: "Runs the program between the login page and the card reader, on loopback.\n" +
			"idp config example --agent prints a documented configuration.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			noCoreDumps()
			cfg, err := config.LoadAgent(c.config)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
			return (&agent.Agent{Config: *cfg, Log: log}).Run(cmd.Context())
		},
	})
}
