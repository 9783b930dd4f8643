package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

func (c *cli) deviceCommand() *cobra.Command {
	return idsMayDash(group("device", "Look at people's phones, rename, suspend and revoke them",
		c.deviceList(), c.deviceRename(), c.deviceSuspend(), c.deviceResume(), c.deviceRevoke()))
}

// idsMayDash says how to write an ID that looks like a flag.
func idsMayDash(cmd *cobra.Command) *cobra.Command {
	cmd.Long = cmd.Short + ".\n\nAn ID that begins with a dash stands last, after two dashes: --reason lost --config idp.yaml -- -ID"
	return cmd
}

type shownDevice struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Platform string    `json:"platform"`
	Presence string    `json:"presence"`
	Standing string    `json:"standing"`
	Why      []string  `json:"why,omitempty"`
	BoundAt  time.Time `json:"bound_at"`
	UsedAt   time.Time `json:"used_at,omitzero"`
	NotAfter time.Time `json:"not_after"`
}

func shownDevices(devices []devicebind.Device) []shownDevice {
	list := []shownDevice{}
	for _, d := range devices {
		list = append(list, shownDevice{
			ID: d.ID, Name: d.Name, Platform: d.Platform, Presence: string(d.Presence), Standing: string(d.Standing(time.Now())), Why: whyNot(&d),
			BoundAt: d.BoundAt, UsedAt: d.UsedAt, NotAfter: d.NotAfter,
		})
	}
	return list
}

// whyNot tells why a phone may not be used, for those who are asked about it.
func whyNot(d *devicebind.Device) (why []string) {
	for _, w := range []struct {
		is   bool
		text string
	}{
		{!time.Now().Before(d.NotAfter), "its certificate has ended"},
		{!d.SuspendedAt.IsZero(), "suspended by an operator"},
		{d.PersonState != idp.PersonEnabled, "its person is " + string(d.PersonState)},
		{d.CardUnbound, "its card is bound no more"},
		{d.PINFailures >= devicebind.MaxPINFailures, "its PIN is used up"},
	} {
		if w.is {
			why = append(why, w.text)
		}
	}
	return why
}

func (c *cli) deviceList() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "list NAME", Short: "List the phones of an account's person", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withFactors(cmd, nil, func(f *peoplesFactors) error {
				person, err := f.person(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				devices, err := f.devices.Of(cmd.Context(), person.ID)
				if err != nil {
					return err
				}
				list := shownDevices(devices)
				return c.print(cmd, list, func(out *table) {
					out.row("ID", "NAME", "STANDING", "BOUND", "LAST USED", "ENDS", "")
					for _, d := range list {
						out.row(d.ID, d.Name, d.Standing, d.BoundAt, orNever(d.UsedAt), d.NotAfter, joined(d.Why))
					}
				})
			})
		},
	})
}

func (c *cli) deviceRename() *cobra.Command {
	return c.change(&cobra.Command{
		Use: "rename ID NAME", Short: "Give a phone another name, on record", Args: cobra.ExactArgs(2),
		Example: `  idp device rename 1mHc8w2Q0kWm3bXyN5v7Ag "office phone" --reason "asked by telephone" --config idp.yaml`,
	}, "renamed", func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error {
		return phoneOf(args[0], f.devices.RenameFor(cmd.Context(), args[0], args[1], operator(), reason))
	})
}

func (c *cli) deviceSuspend() *cobra.Command {
	return c.change(&cobra.Command{
		Use: "suspend ID", Short: "Turn a phone away for now, on record", Args: cobra.ExactArgs(1),
		Long: "Turns a phone away: nothing can be approved with it, what it has under way ends, and so do the\n" +
			"sessions that it opened. idp device resume undoes it. It still counts as a factor of its person.",
		Example: `  idp device suspend 1mHc8w2Q0kWm3bXyN5v7Ag --reason "perhaps left in a taxi" --config idp.yaml`,
	}, "suspended", func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error {
		return phoneOf(args[0], f.devices.SuspendFor(cmd.Context(), args[0], true, operator(), reason))
	})
}

func (c *cli) deviceResume() *cobra.Command {
	return c.change(&cobra.Command{
		Use: "resume ID", Short: "End the suspension of a phone, on record", Args: cobra.ExactArgs(1),
		Example: `  idp device resume 1mHc8w2Q0kWm3bXyN5v7Ag --reason "found again" --config idp.yaml`,
	}, "resumed", func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error {
		return phoneOf(args[0], f.devices.SuspendFor(cmd.Context(), args[0], false, operator(), reason))
	})
}

func (c *cli) deviceRevoke() *cobra.Command {
	return c.change(&cobra.Command{
		Use: "revoke ID", Short: "Revoke a phone for good, on record; its person is told by mail", Args: cobra.ExactArgs(1),
		Long: "Revokes a phone for good: what it has under way ends, and the sessions that it opened. This is also\n" +
			"the way out for a person whose only strong factor is lost: make sure who asks.",
		Example: `  idp device revoke 1mHc8w2Q0kWm3bXyN5v7Ag --reason "reported lost" --config idp.yaml`,
	}, "revoked", func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error {
		return phoneOf(args[0], f.devices.RevokeFor(cmd.Context(), args[0], operator(), reason))
	})
}

// phoneOf says which phone an error is about, and what to do.
func phoneOf(id string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("phone %q: %w", id, err)
	switch {
	case errors.Is(err, devicebind.ErrName):
		return usage(err)
	case errors.Is(err, idp.ErrNotFound):
		return advise(err, "idp device list NAME lists the phones of an account's person, those apart that are revoked.")
	case errors.Is(err, devicebind.ErrNotSuspended):
		return advise(err, "If it can't be used, idp device list NAME says why; a phone whose PIN or card is the reason is revoked and bound anew.")
	case errors.Is(err, devicebind.ErrSuspended):
		return advise(err, "Nothing was changed.")
	}
	return err
}
