package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
)

func (c *cli) clientList() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "list", Short: "List the relying systems", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			list, err := o.store.AllClients(cmd.Context())
			if err != nil {
				return err
			}
			result := []shownClient{}
			for i := range list {
				result = append(result, shown(&list[i], ""))
			}
			return c.print(cmd, result, func(out *table) {
				out.row("CLIENT_ID", "NAME", "AUTHENTICATION", "GRANTS", "STATE")
				for _, s := range result {
					state := "enabled"
					if s.Disabled {
						state = "disabled"
					}
					out.row(s.ID, s.Name, s.AuthMethods, s.GrantTypes, state)
				}
			})
		},
	})
}

func (c *cli) clientShow() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "show CLIENT_ID", Short: "Show a relying system", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			return c.showClient(cmd, o, args[0], "")
		},
	})
}

func (c *cli) clientRotate() *cobra.Command {
	var keep time.Duration
	cmd := c.needsConfig(&cobra.Command{
		Use:   "rotate-secret CLIENT_ID",
		Short: "Give a relying system a new secret",
		Long:  "Makes a new secret and shows it once. The old one is accepted for --keep-old.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if keep < 0 {
				return usage(fmt.Errorf("--keep-old must not be negative"))
			}
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			secret, hash := newSecret()
			now := time.Now()
			event := idp.Event{At: now, Kind: "client.rotate-secret", Result: "ok", ClientID: args[0], Actor: operator()}
			if err := o.store.RotateSecret(cmd.Context(), args[0], hash, now.Add(keep), event); err != nil {
				return aboutClient(args[0], fmt.Errorf("no secret to replace: %w", err))
			}
			return c.showClient(cmd, o, args[0], secret)
		},
	})
	cmd.Flags().DurationVar(&keep, "keep-old", 24*time.Hour, "how long the old secret is still accepted; 0s: not at all")
	return cmd
}

func (c *cli) clientDisable() *cobra.Command {
	var enable bool
	cmd := c.needsConfig(&cobra.Command{
		Use:   "disable CLIENT_ID",
		Short: "Disable a relying system, or enable it again",
		Long:  "Disables a relying system: it gets no tokens, and those it has are refused. --enable undoes it.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			kind := "client.disable"
			if enable {
				kind = "client.enable"
			}
			event := idp.Event{At: time.Now(), Kind: kind, Result: "ok", ClientID: args[0], Actor: operator()}
			if err := o.store.DisableClient(cmd.Context(), args[0], !enable, event); err != nil {
				return aboutClient(args[0], err)
			}
			return c.showClient(cmd, o, args[0], "")
		},
	})
	cmd.Flags().BoolVar(&enable, "enable", false, "enable it again")
	return cmd
}

// aboutClient says whom an error is about, and where to look.
func aboutClient(id string, err error) error {
	err = fmt.Errorf("client %q: %w", id, err)
	if errors.Is(err, idp.ErrNotFound) {
		return advise(err, "idp client list shows the clients and how they authenticate.")
	}
	return err
}
