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
)

func (c *cli) accountCommand() *cobra.Command {
	return group("account", "Look at accounts, unlock, disable and enable them",
		c.accountShow(), c.accountUnlock(), c.accountState("disable"), c.accountState("enable"), c.accountForget(), c.accountReset(), c.accountCorrect(), c.accountUnbind(), c.accountSource(),
		c.accountDecide("approve", "bound", directory.WaitingApproved), c.accountDecide("refuse", "refused", directory.WaitingRefused))
}

type shownAccount struct {
	Name        string            `json:"name"`
	Username    string            `json:"username"`
	Agency      string            `json:"agency"`
	AgencyName  string            `json:"agency_name"`
	Unit        string            `json:"unit"`
	State       string            `json:"state"`
	Accounts    map[string]string `json:"accounts"`
	Failures    int               `json:"failures"`
	Locked      bool              `json:"locked"`
	LockedUntil time.Time         `json:"locked_until,omitzero"`
	Mail        []mailDelivery    `json:"mail_passwords,omitempty"`
	Unasked     bool              `json:"directory_unasked,omitempty"`
	Factors     shownFactors      `json:"factors"`
	ClosedSince time.Time         `json:"closed_in_directory_since,omitzero"`
	// What directories and mailboxes have not been told yet.
	Effects []directory.KeptEffect `json:"effects,omitempty"`
	Changes []personChange         `json:"history"` // newest first
}

// mailDelivery is how far a mailbox follows a new password.
type mailDelivery struct {
	Account string    `json:"account"`
	Target  string    `json:"target"`
	State   string    `json:"state"`
	MadeAt  time.Time `json:"made_at"`
	Tries   int       `json:"tries"`
	Fault   string    `json:"fault,omitempty"`
}

// accountMore is what is shown of a person besides their login.
type accountMore struct {
	mail    []directory.Delivery
	factors shownFactors
	effects []directory.KeptEffect
	changes []personChange
	closed  time.Time // since when its directory has it closed
}

func (c *cli) showAccount(cmd *cobra.Command, s *directory.AccountState, more accountMore) error {
	a := shownAccount{
		Name: s.Person.Name, Username: s.Person.Username, Agency: s.Person.Agency.Code, AgencyName: s.Person.Agency.Name,
		Unit: s.Person.Unit, State: string(s.Person.State), Accounts: map[string]string{}, Failures: s.Failures,
		Locked: s.LockedUntil.After(time.Now()), LockedUntil: s.LockedUntil, Unasked: s.Unasked,
		Factors: more.factors, ClosedSince: more.closed, Effects: more.effects, Changes: more.changes,
	}
	for _, d := range more.mail {
		a.Mail = append(a.Mail, mailDelivery{d.Account, d.Target, string(d.State), d.MadeAt, d.Tries, d.Fault})
	}
	for _, account := range s.Accounts {
		a.Accounts[account.Name] = string(account.Kind)
	}
	return c.print(cmd, a, func(out *table) {
		out.row("name", a.Name)
		out.row("username", a.Username)
		out.row("agency", a.Agency+" "+a.AgencyName+" "+a.Unit)
		out.row("state", a.State)
		for _, account := range s.Accounts {
			out.row("account", fmt.Sprintf("%s (%s)", account.Name, account.Kind))
		}
		a.Factors.rows(out)
		out.row("failures", a.Failures)
		for _, d := range a.Mail {
			out.row("mail password", fmt.Sprintf("%s by %s: %s, %d tries %s", d.Account, d.Target, d.State, d.Tries, d.Fault))
		}
		if a.Locked {
			out.row("locked until", a.LockedUntil)
		} else {
			out.row("locked", "no")
		}
		if !a.ClosedSince.IsZero() {
			out.row("closed in its directory since", a.ClosedSince)
		}
		for _, e := range a.Effects {
			out.row("not told yet", fmt.Sprintf("%s %s: %s, %d tries, next %s %s", e.Kind, e.Account, e.State, e.Tries, moment(nextTry(e)), e.Fault))
		}
		if a.Unasked {
			out.row("directory", "does not answer: its own lock is not known")
		}
		for _, change := range a.Changes {
			change.row(out)
		}
	})
}

func (c *cli) accountShow() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "show NAME", Short: "Show whose account it is, whether it is locked, and what was changed last", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withGate(cmd, func(_ *opened, gate *directory.Gate) (*directory.AccountState, error) {
				return gate.State(cmd.Context(), args[0])
			})
		},
	})
}

// unlockedName is a name without a person.
type unlockedName struct {
	Name      string `json:"name"`
	Unclaimed bool   `json:"unclaimed"`
}

func (c *cli) accountUnlock() *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use:     "unlock NAME",
		Short:   "Open a locked account before the time, on record",
		Long:    "Opens a locked person, by any account name. A TPEAD name that nobody here has claimed yet can be\nlocked too, by attempts to bind it: that lock of ours is opened as well, but not one of the directory itself.",
		Example: `  idp account unlock ab1234 --reason "asked by telephone" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withGate(cmd, func(_ *opened, gate *directory.Gate) (*directory.AccountState, error) {
				state, err := gate.Unlock(cmd.Context(), args[0], operator(), reason)
				if !errors.Is(err, idp.ErrNotFound) {
					return state, err
				}
				if err := gate.UnlockName(cmd.Context(), args[0], operator(), reason); err != nil {
					return nil, err
				}
				return nil, c.print(cmd, unlockedName{args[0], true}, func(out *table) {
					out.row("unlocked", args[0]+": a name that nobody here has claimed")
				})
			})
		},
	})
	needsReason(cmd, &reason)
	return cmd
}

func needsReason(cmd *cobra.Command, reason *string) {
	cmd.Flags().Var((*reasonFlag)(reason), "reason", "why; it is kept on record")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag was added a line ago
	}
}

// reasonFlag takes a reason as it is kept.
type reasonFlag string

func (f *reasonFlag) String() string { return string(*f) }

// Type is what the help calls it.
func (f *reasonFlag) Type() string { return "string" }

// Set leaves an empty one to whoever asks for it.
func (f *reasonFlag) Set(text string) error {
	kept, err := directory.Reason(text)
	if err != nil && !errors.Is(err, directory.ErrReason) {
		return err
	}
	*f = reasonFlag(kept)
	return nil
}

// accountState makes the commands disable and enable.
func (c *cli) accountState(verb string) *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use:     verb + " NAME",
		Short:   "Turn a person away from now on, on record",
		Long:    "Disables a person, by any account name: logins are refused, and the sessions and tokens\nthere are have no effect any more (opaque tokens after tokens.cache at the latest). Their accounts are closed in their directory, and no feed\nenables them again: idp account enable undoes it.",
		Example: "  idp account " + verb + ` ab1234 --reason "on leave since Monday" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withGate(cmd, func(o *opened, gate *directory.Gate) (*directory.AccountState, error) {
				return o.setState(cmd.Context(), gate, args[0], verb, strings.TrimSpace(reason))
			})
		},
	})
	if verb == "enable" {
		cmd.Short, cmd.Long = "Let a disabled person log in again, on record", ""
		cmd.Example = `  idp account enable ab1234 --reason "back from leave" --config idp.yaml`
	}
	needsReason(cmd, &reason)
	return cmd
}

// setState disables or enables the person behind a name. Who has left the
// city's service is neither.
func (o *opened) setState(ctx context.Context, gate *directory.Gate, name, verb, reason string) (*directory.AccountState, error) {
	if reason == "" {
		return nil, directory.ErrReason
	}
	found, err := gate.State(ctx, name)
	if err != nil {
		return nil, err
	}
	if found.Person.State == idp.PersonDeparted {
		return nil, advise(fmt.Errorf("has left the city's service: %w", errRefused),
			"People leave and come back with the personnel register, not here.")
	}
	state := map[string]idp.PersonState{"disable": idp.PersonDisabled, "enable": idp.PersonEnabled}[verb]
	now := time.Now()
	event := idp.Event{
		At: now, Kind: "account." + verb, Result: "ok", PersonID: found.Person.ID, Actor: operator(), Detail: reason,
	}
	if err := o.store.SetState(ctx, found.Person.ID, state, now, event); err != nil {
		return nil, err
	}
	return gate.State(ctx, name)
}

// withGate asks the gate about a name and shows what it says.
func (c *cli) withGate(cmd *cobra.Command, ask func(*opened, *directory.Gate) (*directory.AccountState, error)) error {
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	gate, err := o.gate(cmd.Context())
	if err != nil {
		return err
	}
	state, err := ask(o, gate)
	if err != nil {
		err = fmt.Errorf("account %q: %w", cmd.Flags().Arg(0), err)
		if errors.Is(err, idp.ErrNotFound) {
			err = advise(err, "Any account name of the person will do, as typed at login; idp account show NAME tries one.")
		}
		return err
	}
	if state == nil {
		return nil // there is no person to show
	}
	mail, err := o.store.DeliveriesOf(cmd.Context(), state.Person.ID, 5)
	if err != nil {
		return fmt.Errorf("list mail deliveries: %w", err)
	}
	more := accountMore{mail: mail}
	if more.factors, err = o.factorsOf(cmd.Context(), state.Person.ID); err != nil {
		return err
	}
	if more.effects, err = o.store.ListEffects(cmd.Context(), state.Person.ID, false, 50); err != nil {
		return fmt.Errorf("list what was not told: %w", err)
	}
	if more.closed, err = o.store.ClosedAt(cmd.Context(), state.Person.ID); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if more.changes, err = o.changesOf(cmd.Context(), state.Person.ID); err != nil {
		return err
	}
	return c.showAccount(cmd, state, more)
}
