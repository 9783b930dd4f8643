package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

func (c *cli) accountForget() *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use:   "forget-entry NAME",
		Short: "Forget which directory entry an account is, on record",
		Long: "An account is remembered by its directory entry's identity (objectGUID), not by its name:\n" +
			"where the entry was deleted and made anew, its password is refused until the old one is forgotten. It is\n" +
			"then found by its name in the directory of its person's agency.",
		Example: `  idp account forget-entry ab1234 --reason "the entry was restored by hand" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason = strings.TrimSpace(reason); reason == "" {
				return directory.ErrReason
			}
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			name := names(o.config).Normalize(args[0])
			account, err := o.store.Account(cmd.Context(), name)
			if err != nil {
				return fmt.Errorf("account %q: %w", args[0], err)
			}
			err = o.store.ForgetIdentity(cmd.Context(), name, idp.Event{
				At: time.Now(), Kind: "account.forget_entry", Result: "ok", PersonID: account.PersonID, Actor: operator(), Detail: reason,
			})
			if err != nil {
				return fmt.Errorf("account %q: its entry: %w", args[0], err)
			}
			return c.print(cmd, map[string]string{"forgotten": name}, func(out *table) { out.row("forgotten", name) })
		},
	})
	needsReason(cmd, &reason)
	return cmd
}
