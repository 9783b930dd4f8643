package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

func (c *cli) adminCommand() *cobra.Command {
	return group("admin", "Who administers people: agencies' administrators and the helpdesk", c.adminGrant(), c.adminRevoke(), c.adminList(), c.adminOperators(), c.adminRelease())
}

// roleFlags are those of grant and revoke.
type roleFlags struct{ role, agency, reason string }

func (f *roleFlags) add(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.role, "role", "", "people: of one agency and its units; helpdesk: of all")
	cmd.Flags().StringVar(&f.agency, "agency", "", "code of the agency, for the role people")
	needsReason(cmd, &f.reason)
	if err := cmd.MarkFlagRequired("role"); err != nil {
		panic(err) // the flag was added a line ago
	}
	return cmd
}

func (c *cli) adminGrant() *cobra.Command {
	f := &roleFlags{}
	return f.add(c.needsConfig(&cobra.Command{
		Use:   "grant NAME",
		Short: "Give a person an administrator's role, on record",
		Long: "Gives a person, by any account name, an administrator's role. Its pages (/admin) open after a login\n" +
			"by natural-person card that is at most 15 minutes old.",
		Example: `  idp admin grant ab1234 --role people --agency 379000000A --reason "applied for, no. 42" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeRole(cmd, args[0], f, "admin.grant", func(ctx context.Context, st *store.Store, g store.Granted, e idp.Event) error {
				err := st.GrantRole(ctx, g, e)
				if errors.Is(err, idp.ErrNotFound) {
					return advise(fmt.Errorf("no enabled person, or no agency %q: %w", g.Agency, err), "Agencies are known by their codes: idp admin list, idp account show NAME.")
				}
				return err
			})
		},
	}))
}

func (c *cli) adminRevoke() *cobra.Command {
	f := &roleFlags{}
	return f.add(c.needsConfig(&cobra.Command{
		Use:     "revoke NAME",
		Short:   "Take an administrator's role away, from the next request on",
		Example: `  idp admin revoke ab1234 --role helpdesk --reason "changed to another office" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeRole(cmd, args[0], f, "admin.revoke", func(ctx context.Context, st *store.Store, g store.Granted, e idp.Event) error {
				return st.RevokeRole(ctx, g.Person.ID, g.Role, e)
			})
		},
	}))
}

func (c *cli) changeRole(cmd *cobra.Command, name string, f *roleFlags, kind string,
	change func(context.Context, *store.Store, store.Granted, idp.Event) error,
) error {
	role, err := policy.ParseRole(f.role, f.agency)
	if err != nil {
		return usage(err)
	}
	reason := strings.TrimSpace(f.reason)
	if reason == "" {
		return directory.ErrReason
	}
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	person, err := o.personOf(cmd.Context(), name)
	if err != nil {
		return err
	}
	g := store.Granted{Role: role, Person: *person, By: operator(), At: time.Now(), Reason: reason}
	e := idp.Event{
		At: g.At, Kind: kind, Result: "ok", PersonID: person.ID, Actor: g.By,
		Detail: strings.TrimSpace(string(role.Kind)+" "+role.Agency) + ": " + reason,
	}
	if err := change(cmd.Context(), o.store, g, e); err != nil {
		return fmt.Errorf("account %q: %w", name, err)
	}
	return c.print(cmd, roleOf(g), func(out *table) { out.row(kind, person.Username, person.Name, role.Kind, role.Agency) })
}

// personOf finds whose name it is.
func (o *opened) personOf(ctx context.Context, name string) (*idp.Person, error) {
	account, err := o.store.Account(ctx, names(o.config).Normalize(name))
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", name, err)
	}
	return o.store.Person(ctx, account.PersonID)
}

type shownRole struct {
	policy.Role
	Username string    `json:"username"`
	Name     string    `json:"name"`
	By       string    `json:"granted_by"`
	At       time.Time `json:"granted_at"`
	Reason   string    `json:"reason"`
}

func roleOf(g store.Granted) shownRole {
	return shownRole{g.Role, g.Person.Username, g.Person.Name, g.By, g.At, g.Reason}
}

func (c *cli) adminList() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "list", Short: "List all roles: whose, since when, and who gave them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			all, err := o.store.Roles(cmd.Context())
			if err != nil {
				return err
			}
			list := []shownRole{}
			for _, g := range all {
				list = append(list, roleOf(g))
			}
			return c.print(cmd, list, func(out *table) {
				for _, r := range list {
					out.row(r.Kind, r.Agency, r.Username, r.Name, r.At, r.By, r.Reason)
				}
			})
		},
	})
}
