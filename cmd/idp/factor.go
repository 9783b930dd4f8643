package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
)

// peoplesFactors is what the helpdesk's commands about phones, codes and passkeys
// work on.
type peoplesFactors struct {
	*opened
	devices  *devicebind.Devices
	otp      *devicebind.OTP
	passkeys *devicebind.Passkeys
}

// withFactors opens it; a reason that is asked for and missing is refused before.
func (c *cli) withFactors(cmd *cobra.Command, reason *string, do func(*peoplesFactors) error) error {
	if reason != nil {
		if *reason = strings.TrimSpace(*reason); *reason == "" {
			return directory.ErrReason
		}
	}
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	f, err := o.factors(cmd.Context())
	if err != nil {
		return err
	}
	return do(f)
}

func (o *opened) factors(ctx context.Context) (*peoplesFactors, error) {
	sealer, err := o.sealer(ctx)
	if err != nil {
		return nil, err
	}
	keeper, err := devicebind.NewKeeper(sealer)
	if err != nil {
		return nil, err
	}
	letters, err := o.letters()
	if err != nil {
		return nil, err
	}
	changes := &devicebind.Factors{Store: o.store, Letters: letters, Now: time.Now}
	return &peoplesFactors{
		opened:   o,
		devices:  &devicebind.Devices{Store: o.store, Factors: changes, Keeper: keeper, Origin: o.config.Issuer, Now: time.Now},
		otp:      &devicebind.OTP{Store: o.store, Guesses: o.store, Keeper: keeper, Factors: changes, Issuer: o.config.Codes.Issuer, Now: time.Now},
		passkeys: &devicebind.Passkeys{Store: o.store, Keeper: keeper, Factors: changes, Origin: o.config.Issuer, Now: time.Now},
	}, nil
}

// person is whose account it is, by any name as typed at login.
func (f *peoplesFactors) person(ctx context.Context, name string) (*idp.Person, error) {
	account, err := f.store.Account(ctx, names(f.config).Normalize(name))
	var person *idp.Person
	if err == nil {
		person, err = f.store.Person(ctx, account.PersonID)
	}
	if errors.Is(err, idp.ErrNotFound) {
		return nil, advise(fmt.Errorf("account %q: %w", name, err), "Any account name of the person will do, as typed at login; idp account show NAME tries one.")
	}
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", name, err)
	}
	return person, nil
}

// change makes a command that changes a factor of somebody: on record, with a
// reason, and its person is told by mail.
func (c *cli) change(cmd *cobra.Command, done string, do func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error) *cobra.Command {
	var reason string
	c.needsConfig(cmd)
	needsReason(cmd, &reason)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.withFactors(cmd, &reason, func(f *peoplesFactors) error {
			if err := do(cmd, f, args, reason); err != nil {
				return err
			}
			return c.print(cmd, map[string]string{done: args[0]}, func(out *table) { out.row(done, args[0]) })
		})
	}
	return cmd
}

func (c *cli) otpCommand() *cobra.Command {
	show := c.needsConfig(&cobra.Command{
		Use: "show NAME", Short: "Tell whether an account's person has one-time codes", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withFactors(cmd, nil, func(f *peoplesFactors) error {
				person, err := f.person(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				codes, err := f.codesOf(cmd.Context(), person.ID)
				if err != nil {
					return err
				}
				return c.print(cmd, codes, codes.rows)
			})
		},
	})
	remove := c.change(&cobra.Command{
		Use: "remove NAME", Short: "Remove a person's one-time codes and recovery codes, on record", Args: cobra.ExactArgs(1),
		Example: `  idp otp remove ab1234 --reason "new telephone, came to the counter" --config idp.yaml`,
	}, "removed", func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error {
		person, err := f.person(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		err = f.otp.RemoveFor(cmd.Context(), person, operator(), reason)
		if errors.Is(err, idp.ErrNotFound) {
			return advise(fmt.Errorf("account %q: %w", args[0], err), "Its person has no one-time codes.")
		}
		return err
	})
	return group("otp", "Look at people's one-time codes and remove them", show, remove)
}

type shownCodes struct {
	Bound    bool      `json:"bound"`
	BoundAt  time.Time `json:"bound_at,omitzero"`
	Recovery int       `json:"recovery_codes_left"`
}

func (s shownCodes) rows(out *table) {
	if !s.Bound {
		out.row("one-time codes", "none")
		return
	}
	out.row("one-time codes", s.BoundAt, fmt.Sprintf("%d recovery codes left", s.Recovery))
}

func (f *peoplesFactors) codesOf(ctx context.Context, personID string) (shownCodes, error) {
	state, err := f.otp.Of(ctx, personID)
	return shownCodes{state.Bound, state.BoundAt, state.RecoveryLeft}, err
}

func (c *cli) passkeyCommand() *cobra.Command {
	list := c.needsConfig(&cobra.Command{
		Use: "list NAME", Short: "List the passkeys of an account's person", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withFactors(cmd, nil, func(f *peoplesFactors) error {
				person, err := f.person(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				keys, err := f.passkeysOf(cmd.Context(), person.ID)
				if err != nil {
					return err
				}
				return c.print(cmd, keys, func(out *table) {
					out.row("ID", "NAME", "ADDED", "LAST USED")
					for _, k := range keys {
						out.row(k.ID, k.Name, k.CreatedAt, orNever(k.UsedAt))
					}
				})
			})
		},
	})
	remove := c.change(&cobra.Command{
		Use: "remove ID", Short: "Remove a passkey, on record; its person is told by mail", Args: cobra.ExactArgs(1),
		Example: `  idp passkey remove AbC...xyz --reason "the notebook was stolen" --config idp.yaml`,
	}, "removed", func(cmd *cobra.Command, f *peoplesFactors, args []string, reason string) error {
		id, err := base64.RawURLEncoding.DecodeString(args[0])
		if err != nil {
			return usage(fmt.Errorf("passkey %q: not an ID as idp passkey list shows it", args[0]))
		}
		err = f.passkeys.RemoveFor(cmd.Context(), id, operator(), reason)
		if errors.Is(err, idp.ErrNotFound) {
			return advise(fmt.Errorf("passkey %q: %w", args[0], err), "idp passkey list NAME lists the passkeys of an account's person.")
		}
		return err
	})
	return idsMayDash(group("passkey", "Look at people's passkeys and remove them", list, remove))
}

type shownPasskey struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
}

func (f *peoplesFactors) passkeysOf(ctx context.Context, personID string) ([]shownPasskey, error) {
	list := []shownPasskey{}
	keys, err := f.passkeys.Of(ctx, personID)
	for _, k := range keys {
		list = append(list, shownPasskey{base64.RawURLEncoding.EncodeToString(k.ID), k.Name, k.CreatedAt, k.UsedAt})
	}
	return list, err
}

// orNever is a time, or that there was none.
func orNever(t time.Time) any {
	if t.IsZero() {
		return "never"
	}
	return t
}

func joined(list []string) string { return strings.Join(list, ", ") }
