package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/demo"
)

func (c *cli) serveCommand() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use:         "serve",
		Annotations: noJSON,
		Short:       "Run a node of the provider",
		Long: "Runs a node until it gets SIGINT or SIGTERM; a second signal ends it at once.\n" +
			"SIGHUP reads the TLS certificate again. The log is JSON lines on standard error.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	})
}

func (c *cli) serve(ctx context.Context) error {
	noCoreDumps()
	collectLess()
	cfg, err := config.Load(c.config)
	if err != nil {
		return err
	}
	known, err := demo.SigningKeyIDs()
	if err != nil {
		return err
	}
	h, err := assemble(ctx, assembleOptions{
		Config: cfg, Log: os.Stderr, Now: time.Now, Refuse: append(known, cardtest.KeyIDs()...),
	})
	if err != nil {
		return err
	}
	defer h.close()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go func() {
		for range hangup {
			h.server.ReloadCertificate()
		}
	}()
	go releaseMemory(ctx)
	return h.run(ctx)
}
