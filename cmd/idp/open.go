package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/devicebind"
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

// errNoDatabase says that there is nothing to work on. An operator's command
// makes no database: behind a mistyped path it would be an empty one.
var errNoDatabase = errors.New("the database is not there yet")

// errNoFolder says that a path of the configuration leads into no folder. None
// is made: it may be a typing error, or a disk that is not mounted.
var errNoFolder = errors.New("no such folder")

// open loads the configuration and opens its store, which must be there.
func (c *cli) open(ctx context.Context) (*opened, error) {
	cfg, err := config.Load(c.config)
	if err != nil {
		return nil, err
	}
	options, err := storeOptions(cfg)
	if err != nil {
		return nil, err
	}
	if options.SQLite != "" {
		if _, err := os.Stat(options.SQLite); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoDatabase, err)
		}
	}
	options.NoMigrate = true
	st, err := store.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := upToDate(ctx, st); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return newOpened(cfg, st), nil
}

// upToDate migrates a schema of a former version, and only such a one.
func upToDate(ctx context.Context, st *store.Store) error {
	_, err := st.Account(ctx, "") // of the tables that were there from the first version on
	if err == nil || errors.Is(err, idp.ErrNotFound) {
		return st.Migrate(ctx)
	}
	if errors.Is(err, idp.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: it has no tables: %w", errNoDatabase, err)
}

// create is open for the command that may make a database.
func (c *cli) create(ctx context.Context) (*opened, error) {
	cfg, err := config.Load(c.config)
	if err != nil {
		return nil, err
	}
	if err := checkFolder("store.sqlite", sqlitePath(cfg)); err != nil {
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
	return newOpened(cfg, st), nil
}

func newOpened(cfg *config.Config, st *store.Store) *opened {
	return &opened{cfg, st, slog.New(slog.NewTextHandler(os.Stderr, nil))}
}

// sqlitePath is the database's file, empty where it is not one.
func sqlitePath(cfg *config.Config) string {
	if cfg.Store.PostgreSQLFile != "" {
		return ""
	}
	return cfg.Path(cfg.Store.SQLite)
}

// checkFolder tells whether there is a folder for the file of a key.
func checkFolder(key, file string) error {
	if file == "" {
		return nil
	}
	dir := filepath.Dir(file)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: %s", key, errNoFolder, dir)
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	case !info.IsDir():
		return fmt.Errorf("%s: %w: %s is a file", key, errNoFolder, dir)
	}
	return nil
}

func (o *opened) close() {
	if err := o.store.Close(); err != nil {
		o.logger.Error("close store", "error", err.Error())
	}
}

// sealer opens the master key, which a node made, and makes sure that it is
// this store's: with another one nothing would be found, or what is written
// could never be read.
func (o *opened) sealer(ctx context.Context) (*keys.Sealer, error) {
	sealer, err := keys.OpenMaster(o.config.Path(o.config.MasterKeyFile), false)
	if err != nil {
		return nil, err
	}
	if err := sealer.CheckStore(ctx, o.store.Keys(), time.Now()); err != nil {
		if errors.Is(err, idp.ErrNotFound) {
			err = advise(err, "Start a node first: idp serve. It makes the keys.")
		}
		return nil, err
	}
	return sealer, nil
}

func (o *opened) ring(ctx context.Context) (*keys.Ring, error) {
	sealer, err := o.sealer(ctx)
	if err != nil {
		return nil, err
	}
	return keys.OpenRing(ctx, keys.RingOptions{
		Store: o.store.Keys(), Sealer: sealer, Algorithms: o.config.Tokens.Algorithms, Logger: o.logger,
	})
}

func (o *opened) gate(ctx context.Context) (*directory.Gate, error) {
	sealer, err := o.sealer(ctx)
	if err != nil {
		return nil, err
	}
	d, err := openDirectories(o.config, o.store, o.logger, time.Now)
	if err != nil {
		return nil, err
	}
	keeper, err := devicebind.NewKeeper(sealer)
	if err != nil {
		return nil, err
	}
	gate := d.join(newGate(o.config, o.store, sealer, o.logger, time.Now))
	gate.Codes = keeper.GuessKey
	return gate, nil
}

// operator is who runs this command, for the record. Only root is believed who it
// was before: sudo says so, and anybody else could say anything.
func operator() string {
	name := ""
	if os.Getuid() == 0 {
		name = os.Getenv("SUDO_USER")
	}
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
		Short: "Make the database, or bring its schema up to this version",
		Long: "Makes the database if it is not there, and brings its schema up to this version. Nodes do it at their start too; several may do so\n" +
			"at once, and nodes of the former version go on working.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.create(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			return c.print(cmd, map[string]bool{"migrated": true}, func(out *table) { out.row("The schema is up to date.") })
		},
	})
}
