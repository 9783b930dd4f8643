package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/devicebind"
)

func (c *cli) deviceCommand() *cobra.Command {
	return group("device", "Look at people's phones and revoke them", c.deviceList(), c.deviceRevoke())
}

type shownDevice struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Platform string    `json:"platform"`
	Presence string    `json:"presence"`
	Standing string    `json:"standing"`
	BoundAt  time.Time `json:"bound_at"`
	UsedAt   time.Time `json:"used_at,omitzero"`
	NotAfter time.Time `json:"not_after"`
}

func (c *cli) deviceList() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "list NAME", Short: "List the phones of an account's person", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withDevices(cmd, func(o *opened, d *devicebind.Devices) error {
				gate, err := o.gate(cmd.Context())
				if err != nil {
					return err
				}
				state, err := gate.State(cmd.Context(), args[0])
				if err != nil {
					return fmt.Errorf("account %q: %w", args[0], err)
				}
				devices, err := d.Of(cmd.Context(), state.Person.ID)
				if err != nil {
					return err
				}
				return c.showDevices(cmd, devices)
			})
		},
	})
}

func (c *cli) showDevices(cmd *cobra.Command, devices []devicebind.Device) error {
	list := []shownDevice{}
	for _, d := range devices {
		list = append(list, shownDevice{
			ID: d.ID, Name: d.Name, Platform: d.Platform, Presence: string(d.Presence), Standing: string(d.Standing(time.Now())),
			BoundAt: d.BoundAt, UsedAt: d.UsedAt, NotAfter: d.NotAfter,
		})
	}
	return c.print(cmd, list, func(out *table) {
		out.row("ID", "NAME", "STANDING", "BOUND", "LAST USED", "ENDS")
		for _, d := range list {
			used := any("never")
			if !d.UsedAt.IsZero() {
				used = d.UsedAt
			}
			out.row(d.ID, d.Name, d.Standing, d.BoundAt, used, d.NotAfter)
		}
	})
}

func (c *cli) deviceRevoke() *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a phone for good, on record; its person is told by mail",
		Example: `  idp device revoke 1mHc8w2Q0kWm3bXyN5v7Ag --reason "reported lost" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withDevices(cmd, func(_ *opened, d *devicebind.Devices) error {
				if err := d.RevokeFor(cmd.Context(), args[0], operator(), reason); err != nil {
					return fmt.Errorf("phone %q: %w", args[0], err)
				}
				return c.print(cmd, map[string]string{"revoked": args[0]}, func(out *table) { out.row("revoked", args[0]) })
			})
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept on record")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag was added a line ago
	}
	return cmd
}

// withDevices opens what a command about phones works on.
func (c *cli) withDevices(cmd *cobra.Command, do func(*opened, *devicebind.Devices) error) (err error) {
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	sealer, err := o.sealer(cmd.Context())
	if err != nil {
		return err
	}
	keeper, err := devicebind.NewKeeper(sealer)
	if err != nil {
		return err
	}
	letters, err := o.letters()
	if err != nil {
		return err
	}
	changes := &devicebind.Factors{Store: o.store, Letters: letters, Now: time.Now}
	return do(o, &devicebind.Devices{Store: o.store, Factors: changes, Keeper: keeper, Origin: o.config.Issuer, Now: time.Now})
}
