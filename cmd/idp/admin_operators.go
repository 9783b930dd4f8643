package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

type shownOperator struct {
	Account  string    `json:"operator"`
	Username string    `json:"username"`
	Name     string    `json:"name"`
	Since    time.Time `json:"since"`
}

func (c *cli) adminOperators() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "operators", Short: "List which account on this machine acts for which administrator", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			all, err := o.store.Operators(cmd.Context())
			if err != nil {
				return err
			}
			list := []shownOperator{}
			for _, one := range all {
				list = append(list, shownOperator{one.Account, one.Person.Username, one.Person.Name, one.Since})
			}
			return c.print(cmd, list, func(out *table) {
				for _, one := range list {
					out.row(one.Account, one.Username, one.Name, one.Since)
				}
			})
		},
	})
}

func (c *cli) adminRelease() *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use:   "release OPERATOR",
		Short: "Have an account on this machine act for no administrator, on record",
		Long: "Has an operator's account on this machine act for no administrator any more; the next --by decides for\n" +
			"whom it acts. What it typed before stays its own. Nobody releases their own account.",
		Example: `  idp admin release operator:alice --reason "left the team" --config idp.yaml`,
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
			if err := o.tells(); err != nil {
				return err
			}
			account := "operator:" + strings.TrimPrefix(args[0], "operator:")
			err = o.store.ReleaseOperator(cmd.Context(), account, operator(), idp.Event{
				At: time.Now(), Kind: "admin.release", Result: "ok", Actor: operator(), Detail: account + ": " + reason,
			})
			if errors.Is(err, directory.ErrOperator) {
				return advise(fmt.Errorf("%s: %w", account, errRefused), "Another operator has to release your account.")
			}
			if err != nil {
				return fmt.Errorf("operator %q: %w", args[0], err)
			}
			return c.print(cmd, map[string]string{"released": account}, func(out *table) { out.row("released", account) })
		},
	})
	needsReason(cmd, &reason)
	return cmd
}
