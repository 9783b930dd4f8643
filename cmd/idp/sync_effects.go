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

func (c *cli) syncEffects() *cobra.Command {
	return group("effects", "What directories and mailboxes have not been told yet, or could not be",
		c.effectsList(), c.effectsRetry(), c.effectsDrop())
}

func (c *cli) effectsList() *cobra.Command {
	var person string
	var failed bool
	var limit int
	cmd := c.needsConfig(&cobra.Command{
		Use: "list", Short: "List what waits and what failed, the oldest first", Args: cobra.NoArgs,
		Long: "The last column is why the last try failed: unreachable, missing (no such entry), taken (the name is\n" +
			"another's), refused, locked, or other; the log of the node that tried says more.",
		Example: "  idp sync effects list --failed --config idp.yaml\n  idp sync effects list --person ab1234 --config idp.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			id := ""
			if person != "" {
				account, err := o.store.Account(cmd.Context(), names(o.config).Normalize(person))
				if err != nil {
					return fmt.Errorf("account %q: %w", person, err)
				}
				id = account.PersonID
			}
			list, err := o.store.ListEffects(cmd.Context(), id, failed, max(limit, 1))
			if err != nil {
				return err
			}
			return c.print(cmd, list, func(out *table) {
				out.row("ID", "KIND", "ACCOUNT", "FORMER", "NAME", "STATE", "MADE", "TRIES", "NEXT TRY", "")
				for _, e := range list {
					out.row(e.ID, e.Kind, e.Account, e.Former, e.PersonName, e.State, e.MadeAt, e.Tries, nextTry(e), e.Fault)
				}
			})
		},
	})
	cmd.Flags().StringVar(&person, "person", "", "only of the person with this account")
	cmd.Flags().BoolVar(&failed, "failed", false, "only what nobody tries any more")
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many")
	return cmd
}

// nextTry is when an effect is tried again, if it is.
func nextTry(e directory.KeptEffect) time.Time {
	if e.State == "failed" {
		return time.Time{}
	}
	return e.DueAt
}

func (c *cli) effectsRetry() *cobra.Command {
	var all bool
	cmd := c.needsConfig(&cobra.Command{
		Use: "retry [ID...]", Short: "Have something told again at once", Args: cobra.ArbitraryArgs,
		Long: "A node tells it within seconds. A mailbox's password that failed is gone: it follows the next change.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage(errors.New("name the IDs, or --all that failed"))
			}
			return c.eachEffect(cmd, args, "retry", "")
		},
	})
	cmd.Flags().BoolVar(&all, "all", false, "all that failed")
	return cmd
}

func (c *cli) effectsDrop() *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use: "drop ID...", Short: "Forget something that need not be told, on record", Args: cobra.MinimumNArgs(1),
		Long: "The directory stays as it is: idp sync drift shows what then differs.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason = strings.TrimSpace(reason); reason == "" {
				return directory.ErrReason
			}
			return c.eachEffect(cmd, args, "drop", reason)
		},
	})
	needsReason(cmd, &reason)
	return cmd
}

// eachEffect retries or drops those of the IDs; without any, all that failed and
// can be tried again.
func (c *cli) eachEffect(cmd *cobra.Command, ids []string, verb, reason string) error {
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	all, err := o.store.ListEffects(cmd.Context(), "", len(ids) == 0, 1_000_000)
	if err != nil {
		return err
	}
	known := map[string]directory.KeptEffect{}
	for _, e := range all {
		known[e.ID] = e
	}
	if len(ids) == 0 {
		for _, e := range all {
			if e.Kind != directory.EffectMailbox {
				ids = append(ids, e.ID)
			}
		}
	}
	done, now := []string{}, time.Now()
	for _, id := range ids {
		e, ok := known[id]
		if !ok {
			return fmt.Errorf("effect %q: %w", id, idp.ErrNotFound)
		}
		event := idp.Event{
			At: now, Kind: "sync.effect_" + verb, Result: "ok", PersonID: e.PersonID, Actor: operator(), Detail: strings.TrimSpace(e.Kind + " " + e.Account + " " + reason),
		}
		change := o.store.RetryEffect
		if verb == "drop" {
			change = o.store.DropEffect
		}
		if err := change(cmd.Context(), id, now, event); err != nil {
			return fmt.Errorf("effect %q: %w", id, err)
		}
		done = append(done, id)
	}
	return c.print(cmd, map[string][]string{verb: done}, func(out *table) {
		for _, id := range done {
			out.row(verb, id, known[id].Kind, known[id].Account)
		}
		out.row(fmt.Sprintf("%d done", len(done)))
	})
}
