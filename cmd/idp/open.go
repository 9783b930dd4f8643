package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/store"
)

// opened is what an operator's command works on.
type opened struct {
	config *config.Config
	store  *store.Store
	logger *slog.Logger
}

// open loads the configuration and opens its store.
func (c *cli) open(ctx context.Context) (*opened, error) {
	cfg, err := config.Load(c.config)
	if err != nil {
		return nil, err
	}
	options, err := storeOptions(cfg)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	return &opened{cfg, st, slog.New(slog.NewTextHandler(os.Stderr, nil))}, nil
}

func (o *opened) close() {
	if err := o.store.Close(); err != nil {
		o.logger.Error("close store", "error", err.Error())
	}
}

// sealer opens the master key; the first command may be older than the first
// node, so it may make it too.
func (o *opened) sealer() (*keys.Sealer, error) {
	return keys.OpenMaster(o.config.Path(o.config.MasterKeyFile), true)
}

func (o *opened) ring(ctx context.Context) (*keys.Ring, error) {
	sealer, err := o.sealer()
	if err != nil {
		return nil, err
	}
	return keys.OpenRing(ctx, keys.RingOptions{
		Store: o.store.Keys(), Sealer: sealer, Algorithms: o.config.Tokens.Algorithms, Logger: o.logger,
	})
}

func (o *opened) gate() (*directory.Gate, error) {
	sealer, err := o.sealer()
	if err != nil {
		return nil, err
	}
	d, err := openDirectories(o.config, o.store, o.logger, time.Now)
	if err != nil {
		return nil, err
	}
	return d.join(newGate(o.config, o.store, sealer, o.logger, time.Now)), nil
}

// operator is who runs this command, for the record.
func operator() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	return "operator:" + name
}

func (c *cli) migrateCommand() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use:   "migrate",
		Short: "Bring the store's schema up to this version",
		Long: "Brings the schema up to this version. Nodes do it at their start too; several may do so\n" +
			"at once, and nodes of the former version go on working.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			return c.print(cmd, map[string]bool{"migrated": true}, func(out *table) { out.row("The schema is up to date.") })
		},
	})
}

func (c *cli) configCommand() *cobra.Command {
	var forAgent bool
	example := &cobra.Command{
		Use: "example", Short: "Print a documented configuration", Args: cobra.NoArgs,
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
	if _, err := openDirectories(cfg, nil, slog.New(slog.DiscardHandler), time.Now); err != nil {
		faults = append(faults, err)
	}
	if _, err := cardAnchors(cfg); err != nil {
		faults = append(faults, err)
	}
	if _, err := syncSources(cfg); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, checkTLS(cfg))
	return errors.Join(faults...)
}
