package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/keys"
)

func (c *cli) configCommand() *cobra.Command {
	var forAgent bool
	example := &cobra.Command{
		Use: "example", Short: "Print a documented configuration", Args: cobra.NoArgs, Annotations: noJSON,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := config.Example()
			if forAgent {
				text = config.AgentExample()
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
	example.Flags().BoolVar(&forAgent, "agent", false, "of the card component")
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
	check := c.needsConfig(&cobra.Command{
		Use: "check", Short: "Check a configuration and the files it names", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.checkConfig(cmd) },
	})
	check.Flags().BoolVar(&forAgent, "agent", false, "of the card component")
	return group("config", "Check and explain the configuration", check, example, schema)
}

func (c *cli) checkConfig(cmd *cobra.Command) error {
	done := func() error {
		return c.print(cmd, map[string]bool{"valid": true}, func(out *table) { out.row("The configuration is valid.") })
	}
	if forAgent, _ := cmd.Flags().GetBool("agent"); forAgent {
		if _, err := config.LoadAgent(c.config); err != nil {
			return err
		}
		return done()
	}
	cfg, err := config.Load(c.config)
	if err != nil {
		return err
	}
	if err := checkFiles(cfg); err != nil {
		return err
	}
	return done()
}

// checkFiles opens what the configuration names, without changing anything.
func checkFiles(cfg *config.Config) error {
	var faults []error
	if _, err := keys.OpenMaster(cfg.Path(cfg.MasterKeyFile), false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		faults = append(faults, err) // a missing one is made at the first start
	}
	if _, err := storeOptions(cfg); err != nil {
		faults = append(faults, err)
	}
	d, err := openDirectories(cfg, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		faults = append(faults, err)
	}
	d.close()
	if _, err := syncSources(cfg); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults,
		checkFolder("master_key_file", cfg.Path(cfg.MasterKeyFile)), checkFolder("store.sqlite", sqlitePath(cfg)),
		checkCards(cfg), checkTLS(cfg))
	return errors.Join(faults...)
}

// checkCards loads the pinned issuers and their revocation lists. A node would
// start without a good list, and refuse every card of that issuer.
func checkCards(cfg *config.Config) error {
	anchors, err := cardAnchors(cfg)
	if err != nil {
		return err
	}
	lists := cardLists(cfg, anchors, time.Now)
	faults := []error{}
	if err := lists.Load(); err != nil {
		faults = append(faults, fmt.Errorf("cards.crls: %w: %w", config.ErrInvalid, err))
	}
	ends := lists.NextUpdates()
	for _, id := range anchors.NeedLists() {
		if _, ok := ends[id]; !ok {
			faults = append(faults, fmt.Errorf("cards.crls: %w: no revocation list of the issuer %s: its cards would be refused", config.ErrInvalid, id))
		}
	}
	return errors.Join(faults...)
}
